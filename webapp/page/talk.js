// A conversation: what has been said, and how the next answer is had.

import { ask, json } from "./api.js";
import { asChunk, events } from "./stream.js";
import { newId } from "./shelf.js";
import { t } from "./words.js";

const SILENCE = 1500; // milliseconds without a word after which it is looked what the engine does

export class Talk {
  messages = [];
  running = null; // what stops the answer that is being made
  stored = false; // the server has it, as far as its last turn that was answered
  failed = false; // its last turn was not

  constructor(id = newId(), root = id) {
    this.id = id;
    this.root = root;
  }

  // What was said so far, from the server. Throws an ApiError (404) where it is not kept any more.
  async fetch() {
    this.messages = (await json(this.path)).messages;
    const [first] = this.messages;
    return ["system", "developer"].includes(first?.role) ? this.messages.shift().content : "";
  }

  async forget() {
    await ask(this.path, { method: "DELETE" });
  }

  get path() {
    return `/v1/conversations/${encodeURIComponent(this.id)}`;
  }

  get title() {
    return textOf(this.messages.find((message) => message.role === "user")).trim().slice(0, 80) || t`New conversation`;
  }

  // Another version, which begins with the first `count` messages.
  branch(count) {
    const other = new Talk(newId(), this.root);
    other.messages = this.messages.slice(0, count);
    return other;
  }

  // The whole conversation goes along each time: the server knows what it has of it.
  body(fields, model) {
    const system = fields.system ? [{ role: "system", content: fields.system }] : [];
    const body = { model, messages: [...system, ...this.messages], ...fields.body };
    const chosen = body.best_of > (body.n ?? 1) && !body.use_beam_search; // which is best is known at the end
    return chosen ? body : { ...body, stream: true };
  }

  // Gives `answer` what comes. Waits for an engine that loads. Throws an ApiError, or AbortError when it is stopped.
  async answer(body, answer, engine) {
    this.running = new AbortController();
    const { signal } = this.running;
    const options = body.stream ? { stream_options: { include_usage: true, continuous_usage_stats: true } } : {};
    const whole = { ...body, ...options, conversation_id: this.id };
    let heard = Date.now();
    const pulse = setInterval(() => engine.watch(Date.now() - heard > SILENCE), 250);
    try {
      const response = await this.#asked(whole, signal, engine);
      if (body.stream) {
        for await (const event of events(response)) {
          heard = Date.now();
          answer.add(event);
        }
      } else {
        answer.add(asChunk(await response.json()));
      }
    } finally {
      clearInterval(pulse);
      engine.watch(false);
      this.running = null;
    }
  }

  async #asked(body, signal, engine) {
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
