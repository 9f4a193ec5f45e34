// The context of the model in the page: how full it is, and what can be done when it is full.

import { Full } from "./full.js";
import { Gauge } from "./gauge.js";
import { textOf } from "../conversations/talk.js";
import { t } from "../shared/words.js";

const NEARLY_FULL = t`The context is nearly full.`;
const TOO_LONG = t`The conversation is too long for the context.`;
const $ = (id) => document.getElementById(id);

// `read` returns the open conversation, the settings, the model's name and what is `typed`. `replace` is called with the messages to go on with
// instead of the conversation's, and with the question that is still to be answered, or "".
export class Context {
  #refused = false;

  constructor(read, replace) {
    this.read = read;
    this.gauge = new Gauge($("context"), () => this.#contents(), () => this.#offer());
    this.full = new Full(() => this.#contents(), (messages) => replace(messages, unanswered(read().talk)));
    $("prompt").addEventListener("input", () => this.changed());
  }

  // Counts anew when nothing has changed for a moment.
  changed() {
    this.gauge.changed();
  }

  // Another conversation is open, or other messages of this one.
  renewed() {
    this.#refused = false;
    this.full.close();
    this.changed();
  }

  // The server has refused the conversation: it is longer than the context.
  refused() {
    this.#refused = true;
    this.#offer();
  }

  #offer() {
    const { talk } = this.read();
    if (talk.running) return;
    this.full.offer(this.#refused ? TOO_LONG : this.gauge.nearlyFull ? NEARLY_FULL : "");
  }

  #contents() {
    const { talk, fields, model, typed } = this.read();
    const question = unanswered(talk);
    const leading = [fields.system, fields.body.force_prompt].filter(Boolean).join("\n\n");
    return {
      answering: Boolean(talk.running),
      system: leading ? [{ role: "system", content: leading }] : [],
      messages: question ? talk.messages.slice(0, -1) : talk.messages,
      text: question || typed,
      tools: fields.body.tools,
      model,
    };
  }
}

// The last question, if the model could not answer it.
const unanswered = (talk) => (talk.failed && talk.messages.at(-1)?.role === "user" ? textOf(talk.messages.at(-1)) : "");
