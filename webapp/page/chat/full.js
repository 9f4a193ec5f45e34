// What can be done when the context is full: offered before a message is sent that does not fit, and after one was refused.

import { countChat } from "../shared/counting.js";
import { keepFrom, summarise } from "../conversations/shorten.js";
import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const KEPT = 0.5; // of the context, at most, is what is left of a conversation that is shortened
const TOO_LONG = t`The message alone is too long for the context: shorten it.`;
const $ = (id) => document.getElementById(id);

export class Full {
  #working = null; // the AbortController of what was chosen
  #shown = ""; // why something is offered; "": nothing is

  // `read` returns the `messages` before the text that is to be sent, that `text`, the `system` messages before both, and the
  // `model`. `replace` is called with the messages to go on with, none for a new conversation.
  constructor(read, replace) {
    this.read = read;
    this.replace = replace;
  }

  // Offers what can be done about `reason`; if that is "", nothing is.
  offer(reason) {
    if (!this.#working && reason !== this.#shown) this.#draw(reason);
  }

  // Another conversation is open: ends what was chosen.
  close() {
    this.#working?.abort();
    this.#working = null;
    this.#draw("");
  }

  #draw(reason) {
    this.#shown = reason;
    $("full").hidden = !reason;
    const shorter = this.read().messages.length > 0;
    $("full").replaceChildren(
      element("span", {}, reason),
      ...(shorter ? [this.#choice(t`Leave out the oldest turns`, newest), this.#choice(t`Summarise the oldest turns`, summary)] : []),
      this.#choice(t`Begin a new conversation`, () => []),
    );
  }

  #choice(label, make) {
    const button = element("button", { type: "button" }, label);
    button.addEventListener("click", () => this.#do(make));
    return button;
  }

  async #do(make) {
    const { signal } = (this.#working = new AbortController());
    const stop = element("button", { type: "button" }, t`Stop`);
    stop.addEventListener("click", () => this.close());
    $("full").replaceChildren(element("span", {}, t`Shortening the conversation …`), stop);
    try {
      const messages = await make(this.read(), signal);
      if (signal.aborted) return;
      this.close();
      this.replace(messages);
    } catch (error) {
      if (signal.aborted) return;
      this.#working = null;
      this.#draw(error.message);
    }
  }
}

async function newest({ messages, system, text }, signal) {
  let limit = 0;
  const count = async (some) => {
    const counted = await countChat([...system, ...some, { role: "user", content: text || "." }], { signal });
    limit = counted.limit;
    return counted.count;
  };
  if ((await count([])) >= limit) throw new Error(TOO_LONG);
  return messages.slice(await keepFrom(messages, limit * KEPT, count));
}

async function summary(found, signal) {
  const kept = await newest(found, signal);
  const older = found.messages.slice(0, found.messages.length - kept.length);
  return older.length ? [...(await summarise(older, found, signal)), ...kept] : kept;
}
