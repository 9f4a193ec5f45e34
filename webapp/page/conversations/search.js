// Searches the text of the conversations that this browser knows. Their messages are on the server: they are fetched, a few at a
// time, and kept until the page is closed.

import { json } from "../shared/api.js";
import { textOf } from "./talk.js";

const MAX_CONVERSATIONS = 200; // the most recently used are searched
const MAX_KEPT = 20_000_000; // characters of messages that the page keeps
const AT_ONCE = 4; // requests
const AROUND = 40; // characters of a hit's surroundings, on each side
const PAUSE = 300; // milliseconds without a key
const HALF_BEFORE = /^[\udc00-\udfff]/, HALF_AFTER = /[\ud800-\udbff]$/; // of a character that was cut
const SHORTEST = 2; // characters

export class Search {
  hits = new Map(); // by root: `id` and `index` of a message, and what it says `before`, as `found`, and `after`
  searched = 0; // conversations so far
  total = 0; // that are to be searched
  problem = ""; // why not all could be searched
  #kept = new Map(); // by id: the time of the last change, and the texts
  #size = 0;
  #timer;
  #asked = new AbortController();

  // `changed` is called at the begin, whenever there is another hit, and at the end.
  constructor(changed) {
    this.changed = changed;
  }

  get ended() {
    return this.searched >= this.total;
  }

  // Searches `entries` for `query` when the reader pauses; a search before is given up.
  begin(query, entries) {
    this.#asked.abort();
    clearTimeout(this.#timer);
    this.hits = new Map();
    this.searched = this.total = 0;
    this.problem = "";
    if (query.length >= SHORTEST) this.#timer = setTimeout(() => this.#search(query, entries()), PAUSE);
  }

  async #search(query, entries) {
    const { signal } = (this.#asked = new AbortController());
    const literal = new RegExp(query.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "iu");
    const waiting = entries.sort((a, b) => b.updated - a.updated).slice(0, MAX_CONVERSATIONS);
    this.total = waiting.length;
    this.changed();
    const work = async () => {
      while (waiting.length && !signal.aborted && !this.problem) {
        const entry = waiting.shift();
        const hit = this.hits.has(entry.root) ? null : hitIn(await this.#texts(entry, signal), literal);
        if (signal.aborted) return;
        this.searched += 1;
        if (hit) this.hits.set(entry.root, { id: entry.id, ...hit });
        if (hit || this.ended || this.problem) this.changed();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  // The texts of a conversation's messages; none if the server does not have it.
  async #texts({ id, updated }, signal) {
    const kept = this.#kept.get(id);
    if (kept?.updated === updated) return kept.texts;
    try {
      const { messages } = await json(`/v1/conversations/${encodeURIComponent(id)}`, { signal });
      const texts = messages.map((message) => ({ role: message.role, text: textOf(message) }));
      this.#keep(id, updated, texts);
      return texts;
    } catch (error) {
      if (!signal.aborted && error.status !== 404) this.problem = error.message;
      return [];
    }
  }

  #keep(id, updated, texts) {
    const size = texts.reduce((sum, { text }) => sum + text.length, 0);
    this.#size += size - (this.#kept.get(id)?.size ?? 0);
    this.#kept.delete(id);
    this.#kept.set(id, { updated, texts, size });
    for (const [oldest, { size: freed }] of this.#kept) {
      if (this.#size <= MAX_KEPT) break;
      this.#kept.delete(oldest);
      this.#size -= freed;
    }
  }
}

// `index` is that of the message in the page, which shows no system message.
function hitIn(texts, literal) {
  const shown = texts.filter(({ role }, at) => at > 0 || !["system", "developer"].includes(role));
  for (const [index, { text }] of shown.entries()) {
    const found = literal.exec(text);
    if (!found) continue;
    const end = found.index + found[0].length;
    const before = text.slice(Math.max(0, found.index - AROUND), found.index).replace(HALF_BEFORE, "");
    return { index, before, found: found[0], after: text.slice(end, end + AROUND).replace(HALF_AFTER, "") };
  }
  return null;
}
