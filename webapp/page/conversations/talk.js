// A conversation: its messages, and how the next answer is requested.

import { ask, json } from "../shared/api.js";
import { asChunk, events } from "../shared/stream.js";
import { newId } from "./shelf.js";
import { t } from "../shared/words.js";

const SILENCE = 1500; // milliseconds without a stream event after which the engine's state is polled

export class Talk {
  messages = [];
  running = null; // the AbortController of the answer in progress, or null
  stored = false; // the server has the conversation, up to its last answered turn
  failed = false; // the last turn was not answered
  cut = false; // the last answer did not come to its end, and can be continued
  from = ""; // the id of the version that this one was made of,
  at = 0; // and how many messages the two begin with alike

  constructor(id = newId(), root = id) {
    this.id = id;
    this.root = root;
  }

  // The conversation of an entry of the list.
  static of({ id, root, from, at, cut }) {
    return Object.assign(new Talk(id, root), { from, at, cut });
  }

  // Fetches the messages from the server and returns the system message. Throws an ApiError (404) if the conversation is
  // not stored any more.
  async fetch() {
    this.messages = (await json(this.path)).messages;
    const [first] = this.messages;
    return ["system", "developer"].includes(first?.role) ? this.messages.shift().content : "";
  }

  async remove() {
    await ask(this.path, { method: "DELETE", keepalive: true }); // the page may be closed meanwhile
  }

  get path() {
    return `/v1/conversations/${encodeURIComponent(this.id)}`;
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
    return version;
  }

  // The request body. It has the whole conversation every time; the server knows which part is stored already.
  body(fields, model) {
    const system = fields.system ? [{ role: "system", content: fields.system }] : [];
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

  // Sends the request and adds each chunk to `answer`. Waits while the engine loads. Throws an ApiError, or an AbortError
  // if the reader stops it.
  async answer(body, answer, engine) {
    this.running = new AbortController();
    const { signal } = this.running;
    const options = body.stream ? { stream_options: { include_usage: true, continuous_usage_stats: true } } : {};
    const whole = { ...body, ...options, conversation_id: this.id };
    let lastEvent = Date.now();
    const watchdog = setInterval(() => engine.watch(Date.now() - lastEvent > SILENCE), 250);
    try {
      const response = await this.#send(whole, signal, engine);
      if (body.stream) {
        for await (const event of events(response)) {
          lastEvent = Date.now();
          answer.add(event);
        }
      } else {
        answer.add(asChunk(await response.json()));
      }
    } finally {
      clearInterval(watchdog);
      engine.watch(false);
      this.running = null;
    }
  }

  async #send(body, signal, engine) {
    for (;;) {
      try {
        return await ask("/v1/chat/completions", { body, signal });
      } catch (error) {
        if (!["engine_loading", "engine_restarting", "engine_stopping", "engine_gone"].includes(error.code)) throw error;
        engine.watch(true);
        await engine.ready(signal);
      }
    }
  }
}

export function textOf(message) {
  const content = message?.content ?? "";
  return typeof content === "string" ? content : content.map((part) => part.text ?? "").join("");
}
