// Deleting a conversation, which can be undone for ten seconds: it is hidden at once, and removed when they are over.

import { Talk } from "./talk.js";
import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const SECONDS = 10;
const $ = (id) => document.getElementById(id);

export class Deletion {
  #entry = null;
  #timer;

  // `changed` is called when the list is another than before, and `failed` with what the server says if it deletes nothing.
  constructor(shelf, { changed, failed }) {
    this.shelf = shelf;
    this.changed = changed;
    this.failed = failed;
    addEventListener("pagehide", () => this.finish(true));
  }

  hides(entry) {
    return entry.root === this.#entry?.root;
  }

  ask(entry) {
    const versions = this.shelf.versions(entry.root).length;
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
    if (this.#entry) this.#remove(this.#end(), closing);
  }

  // All versions go. `closing`: the page is being closed, and waits for no answer.
  async #remove(entry, closing) {
    for (const { id } of this.shelf.versions(entry.root)) {
      const removed = new Talk(id).remove(closing).then(() => true, (error) => error.status === 404 || this.failed(error.message));
      if (closing || (await removed)) this.shelf.remove(id);
    }
    this.changed();
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
