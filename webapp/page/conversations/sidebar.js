// Draws the list of conversations.

import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const MAX_TITLE = 80; // characters
const $ = (id) => document.getElementById(id);

// `root` is that of the open conversation. An entry's `hit` is what was found in its text. `actions`: `pin`, `rename` (with the new
// title), `remove` and `show` (its hit), called with an entry.
export function drawList(entries, root, actions) {
  if ($("conversations").querySelector("input")) return; // it is drawn again when the title is written
  $("conversations").replaceChildren(...entries.map((entry) => {
    const link = element("a", { href: `#${entry.id}`, title: entry.title, dir: "auto" }, entry.title);
    if (entry.root === root) link.setAttribute("aria-current", "page");
    const row = element("li", {}, link);
    const pin = button(entry.pinned ? "★" : "☆", t`Pin`, t`Pin ${entry.title}`, () => actions.pin(entry));
    pin.setAttribute("aria-pressed", String(entry.pinned));
    row.append(
      pin,
      button("✎", t`Rename`, t`Rename ${entry.title}`, () => editTitle(row, entry, actions.rename)),
      button("×", t`Delete, also on the server`, t`Delete ${entry.title}`, () => actions.remove(entry)),
    );
    if (entry.hit) row.append(hitOf(entry, actions.show));
    return row;
  }));
}

function hitOf(entry, show) {
  const { id, before, found, after } = entry.hit;
  const link = element("a", { className: "hit", href: `#${id}`, dir: "auto" }, before, element("mark", {}, found), after);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    show(entry);
  });
  return link;
}

// Says how far the search in the conversations' text has come. Without one it says nothing.
export function drawSearch(search) {
  const { searched, total, problem } = search;
  $("found").hidden = !total;
  if (total) $("found").textContent = problem || (search.ended ? t`Found in the text of ${search.hits.size}, of ${total} searched` : t`Searching … ${searched} of ${total}`);
}

function button(symbol, title, name, action) {
  const made = element("button", { type: "button", title }, symbol);
  made.setAttribute("aria-label", name);
  made.addEventListener("click", action);
  return made;
}

// Puts a field in the place of a row. Enter, or leaving it, keeps the title; Escape does not.
function editTitle(row, entry, rename) {
  const field = element("input", { value: entry.title, maxLength: MAX_TITLE, dir: "auto" });
  field.setAttribute("aria-label", t`Title`);
  row.replaceChildren(field);
  field.select();
  let done = false;
  const end = (title) => {
    if (done) return;
    done = true;
    field.remove();
    rename(entry, title);
  };
  field.addEventListener("blur", () => end(field.value.trim()));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") end(entry.title);
    else if (event.key === "Enter" && !event.isComposing) end(field.value.trim());
    else return;
    event.stopPropagation();
    event.preventDefault();
    $("conversations").querySelector(`a[href="#${CSS.escape(entry.id)}"]`)?.focus();
  });
}
