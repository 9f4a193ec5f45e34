// The page at /docs: searches its endpoints and fields. Without this script, all of it is there but the search.

import { element } from "../shared/element.js";
import { load, save } from "../shared/store.js";

const MOST = 100; // results shown
const $ = (id) => document.getElementById(id);

// What can be found: an endpoint or one of its fields. The `text` is in lower case; a `name` counts before what else is said.
function entries() {
  return [...document.querySelectorAll("section[id]:not(#overview)")].flatMap((section) => {
    const title = section.querySelector("h2").textContent;
    const endpoint = { id: section.id, name: title, text: `${title} ${section.querySelector("h2 + p").textContent}`.toLowerCase() };
    const fields = [...section.querySelectorAll("tr[id]")].map((row) => {
      const name = row.querySelector("code").textContent;
      return { id: row.id, name, title, text: `${name} ${row.lastElementChild.textContent} ${title}`.toLowerCase() };
    });
    return [endpoint, ...fields];
  });
}

function search(all) {
  const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = words.length ? all.filter(({ text }) => words.every((word) => text.includes(word))) : [];
  const named = ({ name }) => (words.some((word) => name.toLowerCase().includes(word)) ? 0 : 1);
  const shown = matches.sort((a, b) => named(a) - named(b)).slice(0, MOST);
  $("found").replaceChildren(...shown.map(({ id, name, title }) => {
    const link = element("a", { href: `#${id}` }, name);
    if (title) link.append(element("small", {}, title));
    return element("li", {}, link);
  }));
  $("found").hidden = !words.length;
  $("all").hidden = words.length > 0;
  $("none").firstElementChild.hidden = !words.length || shown.length > 0;
}

// Marks the endpoint that is shown in the list.
function mark() {
  const [name] = location.hash.slice(1).split(".");
  for (const link of $("all").querySelectorAll("a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

// The language is that of the other pages; an address that names one decides it for them.
function speak() {
  const named = new URLSearchParams(location.search).get("language");
  const kept = load("language", document.documentElement.lang);
  if (named) save("language", document.documentElement.lang);
  else if (kept !== document.documentElement.lang) location.replace(`?language=${kept === "zh" ? "zh" : "en"}${location.hash}`);
  $("language").addEventListener("click", (event) => {
    event.preventDefault();
    location.assign(new URL($("language").search + location.hash, location.href));
  });
}

speak();
$("find").hidden = false;
const all = entries();
$("find").addEventListener("input", () => search(all));
addEventListener("hashchange", mark);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names what is shown
  $("text").focus();
});
search(all);
mark();
