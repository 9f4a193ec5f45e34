// An answer while it streams: its choices, their token counts and the token rate.

import { element } from "../shared/element.js";
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

  constructor(target) {
    this.target = target;
    target.classList.add("waiting");
  }

  add(chunk) {
    for (const { index, delta, logprobs, finish_reason: finish } of chunk.choices) {
      const choice = (this.choices[index] ??= this.#choice());
      choice.view.add(delta.content ?? "", logprobs?.content);
      choice.thought.appendData(delta.reasoning ?? "");
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
    for (const { view } of this.choices.filter(Boolean)) view.end();
    this.target.classList.remove("waiting");
  }

  draw() {
    this.#drawing = 0;
    for (const { view, thought } of this.choices.filter(Boolean)) {
      view.draw();
      thought.parentNode.hidden = !thought.data;
    }
    this.drawn?.();
  }

  get text() {
    return this.choices[0]?.view.text ?? "";
  }

  get seconds() {
    return (this.#last - this.#first) / 1000;
  }

  // The token counts, token rate, TTFT and finish reason as one line of text.
  get figures() {
    const parts = [t`${this.promptTokens} tokens in`, t`${this.tokens} out`];
    if (this.tokens > 1 && this.seconds > 0.05) parts.push(t`${(this.tokens / this.seconds).toFixed(1)} tokens/s`);
    if (this.#first) parts.push(t`first token after ${((this.#first - this.#sent) / 1000).toFixed(2)} s`);
    const finish = this.choices.find(Boolean)?.finish;
    if (finish && finish !== "stop") parts.push(t`finish reason: ${finish}`);
    return parts.join(" · ");
  }

  #choice() {
    const view = new View(), thought = new Text();
    this.target.append(element("div", { className: "thought", dir: "auto", hidden: true }, thought), view.element);
    return { view, thought, finish: null };
  }
}
