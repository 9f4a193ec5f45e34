// An answer while it streams: its choices, their token counts and the token rate.

import { element } from "../shared/element.js";
import { addCalls, callList } from "../tools/calls.js";
import { View } from "../messages/view.js";
import { t } from "../shared/words.js";

const REDRAW_EVERY = 80; // milliseconds: each redraw lays out the open block again

export class Answer {
  tokens = 0;
  promptTokens = 0;
  choices = [];
  #sent = performance.now();
  #first = 0;
  #last = 0;
  #drawing = 0;

  // `before` is the text that the answer continues, or "". `again`: it was asked for before, so how fast it comes now tells nothing.
  constructor(target, before = "", again = false) {
    this.target = target;
    this.again = again;
    target.classList.add("waiting");
    if (!before) return;
    this.choices[0] = this.#choice(0);
    this.choices[0].view.add(before);
    this.draw();
  }

  add(chunk) {
    for (const { index, delta, logprobs, finish_reason: finish } of chunk.choices) {
      const choice = (this.choices[index] ??= this.#choice(index));
      choice.view.add(delta.content ?? "", logprobs?.content);
      choice.thought.appendData(delta.reasoning ?? "");
      addCalls(choice.calls, delta.tool_calls ?? []);
      choice.finish = finish ?? choice.finish;
      if (delta.content || delta.reasoning) {
        this.#last = performance.now();
        this.#first ||= this.#last;
      }
    }
    if (chunk.usage) {
      this.tokens = chunk.usage.completion_tokens ?? 0;
      this.promptTokens = chunk.usage.prompt_tokens;
    }
    this.warning = chunk.warning ?? this.warning;
    this.#drawing ||= setTimeout(() => this.draw(), REDRAW_EVERY);
  }

  end() {
    clearTimeout(this.#drawing);
    this.draw();
    for (const { view, calls, above } of this.choices.filter(Boolean)) {
      view.end();
      above.open = false;
      if (calls.length) view.element.after(callList(calls));
    }
    this.target.classList.remove("waiting");
  }

  draw() {
    this.#drawing = 0;
    for (const { view, thought, above } of this.choices.filter(Boolean)) {
      view.draw();
      if (view.text && !above.hidden && !above.dataset.folded) {
        above.open = false; // once: the reader may open it again
        above.dataset.folded = "yes";
      }
      above.hidden = !thought.data;
    }
    this.drawn?.();
  }

  get text() {
    return this.choices[0]?.view.text ?? "";
  }

  get calls() {
    return this.choices[0]?.calls ?? [];
  }

  // The answer as a message of the conversation.
  get message() {
    const calls = this.calls.length ? { tool_calls: this.calls } : {};
    return { role: "assistant", content: this.text, ...calls };
  }

  // The answers that the reader can choose from. Where one calls functions, the conversation goes on with the first.
  get texts() {
    if (this.choices.some((choice) => choice?.calls.length)) return [this.text];
    return Array.from(this.choices, (choice) => choice?.view.text ?? "");
  }

  get finish() {
    return this.choices.find(Boolean)?.finish ?? null;
  }

  get seconds() {
    return (this.#last - this.#first) / 1000;
  }

  // The token counts, token rate, TTFT and finish reason as one line of text.
  get figures() {
    const parts = [t`${this.promptTokens} tokens in`, t`${this.tokens} out`];
    if (!this.again && this.tokens > 1 && this.seconds > 0.05) parts.push(t`${(this.tokens / this.seconds).toFixed(1)} tokens/s`);
    if (!this.again && this.#first) parts.push(t`first token after ${((this.#first - this.#sent) / 1000).toFixed(2)} s`);
    if (this.finish && this.finish !== "stop") parts.push(t`finish reason: ${this.finish}`);
    return parts.join(" · ");
  }

  #choice(number) {
    const view = new View(), thought = new Text();
    const above = element("details", { className: "thought", dir: "auto", hidden: true, open: true }, element("summary", {}, t`Reasoning`), element("div", {}, thought));
    above.dataset.choice = view.element.dataset.choice = number;
    this.target.append(above, view.element);
    this.target.classList.toggle("pair", this.target.querySelectorAll(":scope > .text").length === 2);
    return { view, thought, above, calls: [], finish: null };
  }
}
