// The list of conversations in the page: what the reader looks for, titles and pins.

import { Search } from "./search.js";
import { drawList, drawSearch } from "./sidebar.js";

const $ = (id) => document.getElementById(id);

export class List {
  #search = new Search(() => this.draw());

  // `root` returns that of the open conversation, and `hides` whether an entry is being deleted. `remove` is called with an entry,
  // `show` with the id of a conversation and the index of the message to show.
  constructor(shelf, { root, hides, remove, show }) {
    this.shelf = shelf;
    this.root = root;
    this.hides = hides;
    this.actions = {
      pin: (entry) => this.#change(() => shelf.pin(entry.root, !entry.pinned)),
      rename: (entry, title) => this.#change(() => title !== entry.title && shelf.rename(entry.root, title)),
      remove,
      show: ({ hit }) => show(hit.id, hit.index),
    };
    $("find").addEventListener("input", () => this.#find());
  }

  draw() {
    const query = $("find").value.trim().toLowerCase();
    const shown = this.shelf.latest
      .map((entry) => ({ ...entry, hit: this.#search.hits.get(entry.root) }))
      .filter((entry) => (entry.hit || entry.title.toLowerCase().includes(query)) && !this.hides(entry));
    drawList(shown, this.root(), this.actions);
    drawSearch(this.#search);
  }

  #find() {
    this.#search.begin($("find").value.trim(), () => this.shelf.all.filter((entry) => !this.hides(entry)));
    this.draw();
  }

  #change(change) {
    change();
    this.draw();
  }
}
