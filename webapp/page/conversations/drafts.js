// What is typed and not sent, for each conversation.

import { load, namesFrom, remove, save } from "../shared/store.js";

const FRESH = "draft", OF = "draft."; // of a new conversation; of the one whose id follows
const MOST = 50; // drafts; those beyond are forgotten
const PAUSE = 400; // milliseconds without a key after which it is stored

export class Drafts {
  #name = FRESH;
  #changed = false;
  #timer;

  constructor(field) {
    this.field = field;
    field.addEventListener("input", () => {
      this.#changed = true;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.keep(), PAUSE);
    });
    addEventListener("pagehide", () => this.keep());
    document.addEventListener("visibilitychange", () => this.keep());
  }

  // Shows the draft of conversation `id`; "": of a new one.
  open(id) {
    this.keep();
    this.#name = id ? OF + id : FRESH;
    this.field.value = load(this.#name, "");
  }

  // What is typed from now on is of conversation `id`, which has just begun.
  begin(id) {
    this.keep();
    this.#name = OF + id;
  }

  // Takes what is typed, and forgets the draft.
  take() {
    const text = this.field.value;
    this.field.value = "";
    this.#changed = true;
    this.keep();
    return text;
  }

  keep() {
    clearTimeout(this.#timer);
    if (!this.#changed) return; // another tab may have the same draft
    this.#changed = false;
    if (!this.field.value) {
      remove(this.#name);
    } else {
      save(this.#name, this.field.value);
      const others = namesFrom(OF).filter((id) => OF + id !== this.#name);
      for (const id of others.slice(MOST - 1)) remove(OF + id);
    }
  }

  static forget(id) {
    remove(OF + id);
  }
}
