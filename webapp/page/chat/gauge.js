// How full the model's context is, as one types. A key only sets a timer; the server counts when the reader pauses: the
// conversation once for each turn, the typed text each time. What is under way then is aborted.

import { countChat, countText, MAX_COUNTED, sizeOf } from "../shared/counting.js";
import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const PAUSE = 400; // milliseconds without a key
const NEARLY_FULL = 0.9; // of the context
const WORD = "."; // stands for the typed text where the conversation is counted: one token
const NOT_THERE = [404, 405, 501]; // an older server

export class Gauge {
  used = 0; // tokens
  limit = 0; // of the context, in tokens; 0: not known
  #timer;
  #asked = new AbortController();
  #counted = ""; // what `#fixed` is the count of
  #fixed = 0;
  #meter = element("meter", { min: 0 });
  #words = element("span");

  // `read` returns whether the model is `answering`, and what is to be counted: the `system` messages, the `messages` before the
  // typed `text`, and the `tools` of the request. `drawn` is called after each count.
  constructor(target, read, drawn) {
    this.target = target;
    this.read = read;
    this.drawn = drawn;
    this.#meter.setAttribute("aria-label", t`Context in use`);
    target.append(this.#meter, this.#words);
  }

  get nearlyFull() {
    return this.limit > 0 && this.used >= NEARLY_FULL * this.limit;
  }

  // Something has changed: counts it when nothing has changed for a moment.
  changed() {
    this.#asked.abort();
    clearTimeout(this.#timer);
    if (this.target) this.#timer = setTimeout(() => this.#count(), PAUSE);
  }

  async #count() {
    const { signal } = (this.#asked = new AbortController());
    const { answering, system, messages: turns, text, tools } = this.read();
    if (answering) return; // it is counted when the answer is there
    if (!turns.length && !text.trim()) {
      this.#show(0);
      return;
    }
    const messages = [...system, ...turns];
    if (sizeOf(messages) + text.length > MAX_COUNTED) {
      this.#show(Infinity);
      return;
    }
    try {
      const fixed = await this.#fixedCount(messages, tools, signal);
      const typed = text.trim() ? await countText(text.trim(), signal) : 0;
      if (!signal.aborted) this.#show(fixed + typed);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (NOT_THERE.includes(error.status)) this.#remove();
      else this.#show(0);
    }
  }

  async #fixedCount(messages, tools, signal) {
    const key = JSON.stringify([messages, tools]);
    if (key !== this.#counted) {
      const { count, limit } = await countChat([...messages, { role: "user", content: WORD }], { tools, signal });
      [this.#counted, this.#fixed, this.limit] = [key, count - 1, limit];
    }
    return this.#fixed;
  }

  // `used`: 0 is not known, and Infinity too much to be counted.
  #show(used) {
    this.used = used;
    this.target.hidden = !used || !this.limit;
    if (!this.target.hidden) {
      this.#meter.max = this.limit;
      this.#meter.value = Math.min(used, this.limit);
      this.#words.textContent = used === Infinity ? t`more than ${this.limit} tokens` : t`${used} of ${this.limit} tokens`;
      this.target.classList.toggle("full", used >= this.limit);
    }
    this.drawn();
  }

  #remove() {
    this.target.hidden = true;
    this.target = null;
  }
}
