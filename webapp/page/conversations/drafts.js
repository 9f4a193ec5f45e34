// What is typed or attached and not sent, for each conversation.

import { isStored, keepAside, load, namesFrom, remove, save } from "../shared/store.js";

const FRESH = "draft", OF = "draft."; // of a new conversation; of the one whose id follows
const FILES = "files of "; // before the name of the draft that has them
const MOST = 50; // drafts; those beyond are forgotten
const ROOM = 2_000_000; // characters that the files of all drafts may take: the conversations need the rest of what a browser gives
const PAUSE = 400; // milliseconds without a key after which it is stored

export class Drafts {
  #name = FRESH;
  #changed = false;
  #files; // those that were shown or stored last
  #timer;

  // `field` is typed in, `attachments` has the files; `note` is shown while the browser does not keep what they have.
  constructor(field, attachments, note) {
    Object.assign(this, { field, attachments, note });
    this.#files = attachments.files;
    field.addEventListener("input", () => {
      this.#changed = true;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.keep(), PAUSE);
    });
    attachments.addEventListener("change", () => this.#keepFiles());
    addEventListener("pagehide", () => this.keep());
    document.addEventListener("visibilitychange", () => this.keep());
  }

  // Shows the draft of conversation `id`; "": of a new one. `typed` goes on after it.
  open(id, typed = "") {
    this.keep();
    this.#name = id ? OF + id : FRESH;
    const text = load(this.#name, "") + typed;
    if (text !== this.field.value) this.field.value = text; // else an input method would lose what it composes
    this.#changed = Boolean(typed);
    this.#files = load(FILES + this.#name, []).filter(isFile);
    this.attachments.show(this.#files);
    this.#tell();
  }

  // What is typed and attached is of conversation `id` from now on, which has just begun or is another version.
  begin(id) {
    this.keep();
    const before = this.#name;
    this.#name = OF + id;
    if (before === this.#name || !(this.field.value || this.#files.length)) return; // another tab may have a draft there
    for (const name of [before, FILES + before]) remove(name);
    this.#changed = true;
    this.#files = null;
    this.keep();
    this.#keepFiles();
  }

  // Takes what is typed, and forgets it.
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
    this.#put(this.#name, this.field.value);
  }

  #keepFiles() {
    const { files } = this.attachments;
    if (files === this.#files) return;
    this.#files = files;
    const others = namesFrom(FILES).filter((draft) => draft !== this.#name).flatMap((draft) => load(FILES + draft, []).filter(isFile));
    const size = [...others, ...files].reduce((sum, { text }) => sum + text.length, 0);
    this.#put(FILES + this.#name, files, size > ROOM ? keepAside : save);
  }

  // Stores `value` under `name`, or forgets it where it is empty.
  #put(name, value, store = save) {
    if (!value.length) {
      remove(name);
    } else {
      store(name, value);
      const others = new Set([OF, FILES + OF].flatMap(namesFrom).filter((id) => OF + id !== this.#name));
      for (const id of [...others].slice(MOST - 1)) Drafts.forget(id);
    }
    this.#tell();
  }

  #tell() {
    this.note.hidden = isStored(this.#name) && isStored(FILES + this.#name);
  }

  static forget(id) {
    for (const name of [OF + id, FILES + OF + id]) remove(name);
  }
}

const isFile = (file) => ["name", "text", "encoding"].every((key) => typeof file?.[key] === "string") && Number.isFinite(file.size);
