// Deleting a conversation, which can be undone for ten seconds: it is hidden at once, and removed when they are over.

import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const SECONDS = 10;
const $ = (id) => document.getElementById(id);

export class Deletion {
  #entry = null;
  #timer;

  // `remove` is called with an entry that is to be removed, and whether the page is being closed; `changed` when the list is
  // another than before.
  constructor(remove, changed) {
    this.remove = remove;
    this.changed = changed;
    addEventListener("pagehide", () => this.finish(true));
  }

  hides(entry) {
    return entry.root === this.#entry?.root;
  }

  ask(entry, versions) {
    this.finish();
    this.#entry = entry;
    const undo = element("button", { type: "button" }, t`Undo`);
    undo.addEventListener("click", () => this.#end());
    const what = versions > 1 ? t`Deleted with its ${versions} versions, here and on the server:` : t`Deleted here and on the server:`;
    $("undo").replaceChildren(element("span", {}, what, " ", element("bdi", {}, entry.title)), undo);
    $("undo").hidden = false;
    this.#timer = setTimeout(() => this.finish(), SECONDS * 1000);
    this.changed();
  }

  // Removes what can still be brought back.
  finish(closing = false) {
    if (this.#entry) this.remove(this.#end(), closing);
  }

  #end() {
    const entry = this.#entry;
    clearTimeout(this.#timer);
    this.#entry = null;
    $("undo").hidden = true;
    this.changed();
    return entry;
  }
}
