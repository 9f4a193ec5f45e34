// Draws the list of conversations, and the version switcher of the open one.

import { element } from "./element.js";
import { t } from "./words.js";

const $ = (id) => document.getElementById(id);

// `root` is that of the open conversation. `remove` is called with the entry to delete.
export function drawList(entries, root, remove) {
  $("conversations").replaceChildren(...entries.map((entry) => {
    const link = element("a", { href: `#${entry.id}`, title: entry.title, dir: "auto" }, entry.title);
    if (entry.root === root) link.setAttribute("aria-current", "page");
    const button = element("button", { type: "button", title: t`Delete, also on the server` }, "×");
    button.setAttribute("aria-label", t`Delete ${entry.title}`);
    button.addEventListener("click", () => remove(entry));
    return element("li", {}, link, button);
  }));
}

// `id` is that of the open conversation, which is not in `all` until it is stored.
export function drawVersions(all, id) {
  const at = all.findIndex((entry) => entry.id === id);
  $("branches").hidden = all.length < 2 || at < 0;
  const step = (symbol, to, name) => {
    const button = element("button", { type: "button", disabled: !all[to] }, symbol);
    button.setAttribute("aria-label", name);
    button.addEventListener("click", () => (location.hash = all[to].id));
    return button;
  };
  const label = t` Version ${at + 1} of ${all.length} `;
  $("branches").replaceChildren(step("‹", at - 1, t`Previous version`), label, step("›", at + 1, t`Next version`));
}
