// Draws the list of conversations, and the version switcher of the open one.

import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const MAX_TITLE = 80; // characters
const $ = (id) => document.getElementById(id);

// `root` is that of the open conversation. `actions`: `pin`, `rename` (with the new title) and `remove`, called with an entry.
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
    return row;
  }));
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

// `id` is that of the open conversation, which is not in `all` until it is stored.
export function drawVersions(all, id) {
  const at = all.findIndex((entry) => entry.id === id);
  $("branches").hidden = all.length < 2 || at < 0;
  const step = (symbol, to, name) => {
    const made = button(symbol, "", name, () => (location.hash = all[to].id));
    made.disabled = !all[to];
    return made;
  };
  const label = t` Version ${at + 1} of ${all.length} `;
  $("branches").replaceChildren(step("‹", at - 1, t`Previous version`), label, step("›", at + 1, t`Next version`));
}
