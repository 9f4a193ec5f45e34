// The conversations of this browser, and the versions of the one that is open.

import { element } from "./text.js";
import { t } from "./words.js";

const $ = (id) => document.getElementById(id);

// `root`: of the one that is open. `forget` is called with the entry that is to go.
export function drawList(entries, root, forget) {
  $("conversations").replaceChildren(...entries.map((entry) => {
    const link = element("a", { href: `#${entry.id}`, title: entry.title, dir: "auto" }, entry.title);
    if (entry.root === root) link.setAttribute("aria-current", "page");
    const remove = element("button", { type: "button", title: t`Delete, on the server too` }, "×");
    remove.setAttribute("aria-label", t`Delete ${entry.title}`);
    remove.addEventListener("click", () => forget(entry));
    return element("li", {}, link, remove);
  }));
}

// `id`: of the one that is open, which is none of `all` until it is stored.
export function drawVersions(all, id) {
  const at = all.findIndex((entry) => entry.id === id);
  $("branches").hidden = all.length < 2 || at < 0;
  const step = (label, to, name) => {
    const button = element("button", { type: "button", disabled: !all[to] }, label);
    button.setAttribute("aria-label", name);
    button.addEventListener("click", () => (location.hash = all[to].id));
    return button;
  };
  const words = t` Version ${at + 1} of ${all.length} `;
  $("branches").replaceChildren(step("‹", at - 1, t`The version before`), words, step("›", at + 1, t`The next version`));
}
