// A conversation: its messages, and how the next answer is requested.

import { ask, json } from "../shared/api.js";
import { t } from "../shared/words.js";
import { Asking, cancel } from "./asking.js";
import { Drafts } from "./drafts.js";
import { newId } from "./shelf.js";
import { drop, FAILED, find, put, RUNNING, STOPPED } from "./unstored.js";

const PASSING = [0, 401]; // the statuses of failures after which the answer may still be read
const GONE = ["stream_not_found", "cancelled"]; // the errors of an answer that somebody has ended

export class Talk {
  messages = [];
  running = null; // the Asking of the answer in progress, or null
  stored = false; // the server has the conversation, up to its last answered turn
  failed = false; // the last turn was not answered
  cut = false; // the last answer did not come to its end, and can be continued
  from = ""; // the id of the version that this one was made of,
  at = 0; // and how many messages the two begin with alike
  system = ""; // the system message
  turn = null; // the last turn, where the server has not stored it (unstored.js)
  kept = true; // this browser has stored that turn
  gone = false; // the answer was ended by others: they or the server know what there is of it
  #base; // the server has the first `count` messages of the conversation `of`

  constructor(id = newId(), root = id) {
    this.id = id;
    this.root = root;
    this.#base = { of: id, count: 0 };
  }

  // The conversation of an entry of the list.
  static of({ id, root, from, at, cut }) {
    return Object.assign(new Talk(id, root), { from, at, cut });
  }

  // Fetches the messages from the server, and adds those that only this browser has. Throws an ApiError (404) if there are none.
  async fetch() {
    const turn = find(this.id);
    let stored = await this.#stored(this.id, turn);
    if (turn && !stored.some && turn.of !== this.id) {
      stored = await this.#stored(turn.of, turn);
      stored.messages.length = Math.min(stored.messages.length, turn.count);
    } else if (turn && isAnswered(turn, stored.messages)) {
      drop(this.id);
      return this.#take(stored, null);
    } else if (turn?.continues) {
      stored.messages.length = Math.min(stored.messages.length, turn.count);
    }
    return this.#take(stored, turn);
  }

  // The messages that the server has of conversation `id`; none where there is a turn that it has not.
  async #stored(id, turn) {
    try {
      const { messages } = await json(pathOf(id));
      const system = ["system", "developer"].includes(messages[0]?.role) ? textOf(messages.shift()) : "";
      return { messages, system, some: true };
    } catch (error) {
      if (error.status !== 404 || !turn) throw error;
      return { messages: [], system: turn.system, some: false };
    }
  }

  #take({ messages, system, some }, turn) {
    this.#base = { of: turn?.of ?? this.id, count: messages.length };
    this.messages = [...messages, ...(turn?.messages ?? [])];
    this.system = turn?.system ?? system;
    this.stored = some;
    this.turn = turn;
    this.failed = Boolean(turn);
    if (turn) this.cut = this.messages.at(-1).role === "assistant";
  }

  // Deletes the conversation, here and on the server; an answer that is being written ends.
  // `closing`: the page is being closed, and waits for nothing.
  async remove(closing) {
    const stream = find(this.id)?.stream;
    const ended = stream && cancel(stream);
    if (!closing) await ended;
    drop(this.id);
    Drafts.forget(this.id);
    await ask(pathOf(this.id), { method: "DELETE", keepalive: true }); // the page may be closed meanwhile
  }

  get title() {
    return textOf(this.messages.find((message) => message.role === "user")).trim().slice(0, 80) || t`New conversation`;
  }

  // Returns another version of the conversation, which starts with its first `count` messages.
  branch(count) {
    const version = new Talk(newId(), this.root);
    version.messages = this.messages.slice(0, count);
    if (this.stored) Object.assign(version, { from: this.id, at: count });
    else Object.assign(version, { from: this.from, at: Math.min(this.at, count) });
    version.#base = { ...this.#base, count: Math.min(this.#base.count, count) };
    return version;
  }

  // The request body. It has the whole conversation every time; the server knows which part is stored already.
  body(fields, model) {
    const system = leading(fields.system);
    this.system = fields.system;
    const body = { model, messages: [...system, ...this.messages], ...fields.body };
    const ranked = body.best_of > (body.n ?? 1) && !body.use_beam_search; // the best choices are known only at the end
    return ranked ? body : { ...body, stream: true };
  }

  // The request body for the rest of the last answer. Templates trim a message, so that it must not end with a space.
  continuation(fields, model) {
    const { n, best_of, use_beam_search, echo, logprobs, top_logprobs, ...body } = this.body(fields, model);
    const messages = body.messages.with(-1, { role: "assistant", content: textOf(this.messages.at(-1)).trimEnd() });
    return { ...body, messages, stream: true, add_generation_prompt: false, continue_final_message: true };
  }

  // The server has all of it, under this id.
  storedAs(id) {
    this.id = id;
    this.#onStored();
  }

  // Asks for the answer, as `Asking.ask` does, and keeps the turn in this browser until the server has it. `continues`: the answer
  // is the rest of the last message.
  async answer(body, answer, engine, continues = false) {
    const options = body.stream ? { stream_options: { include_usage: true, continuous_usage_stats: true } } : {};
    const asking = new Asking(engine, (stream) => this.#keep(RUNNING, continues, stream));
    this.#keep(RUNNING, continues);
    await this.#read(asking, () => asking.ask({ ...body, ...options, conversation_id: this.id }, answer), answer);
  }

  // Reads the answer that another tab has asked for, or this one before it was closed.
  async follow(answer, engine) {
    const asking = new Asking(engine);
    await this.#read(asking, () => asking.follow(this.turn.stream, answer), answer);
  }

  async #read(asking, read, answer) {
    const { continues } = this.turn;
    this.running = asking;
    this.gone = false;
    try {
      await read();
    } catch (error) {
      this.#onFailure(error, answer, continues);
      throw error;
    } finally {
      this.running = null;
    }
    this.#say(answer.message, continues);
    this.#onStored();
  }

  #say(message, continues) {
    this.messages[this.messages.length - (continues ? 1 : 0)] = message;
  }

  #onStored() {
    this.failed = false;
    this.stored = true;
    this.#base = { of: this.id, count: this.messages.length };
    this.turn = null;
    drop(this.id);
  }

  // Keeps what there is of the answer. One that can still be read, when the network is back, stays as it is.
  #onFailure(error, answer, continues) {
    const other = find(this.id), wasWhole = continues && !this.failed;
    if (answer.text || answer.calls.length) this.#say(answer.message, continues);
    this.failed ||= !continues; // what was there before has not failed
    if (PASSING.includes(error.status) && other?.stream) return;
    this.gone = GONE.includes(error.code);
    if (this.gone && other?.state === STOPPED) this.turn = other;
    else if (wasWhole && textOf(other?.messages.at(-1)).trimEnd() === answer.text) drop(this.id); // nothing was added
    else this.#keep(error.name === "AbortError" ? STOPPED : FAILED, continues);
  }

  #keep(state, continues, stream = "") {
    const { of } = this.#base, count = Math.min(this.#base.count, this.messages.length - 1);
    this.turn = { of, count, messages: this.messages.slice(count), system: this.system, stream, state, continues };
    this.kept = put(this.id, this.turn);
  }
}

// Returns whether the server has answered a turn, whose messages follow the first `count` that it has.
function isAnswered({ count, messages, continues }, stored) {
  const same = textOf(stored[count]) === textOf(messages[0]) || (continues && messages.length === 1);
  if (!same || stored.length <= count) return false;
  return !continues || textOf(stored[count + messages.length - 1]).length > textOf(messages.at(-1)).trimEnd().length;
}

const pathOf = (id) => `/v1/conversations/${encodeURIComponent(id)}`;

// Returns the messages that a conversation with this system message begins with.
export const leading = (system) => (system ? [{ role: "system", content: system }] : []);

export function textOf(message) {
  const content = message?.content ?? "";
  return typeof content === "string" ? content : content.map((part) => part.text ?? "").join("");
}
