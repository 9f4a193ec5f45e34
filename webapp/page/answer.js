// An answer while it streams: its choices, their token counts and the token rate.

import { element, show } from "./text.js";
import { append } from "./tokens.js";
import { t } from "./words.js";

const REDRAW_EVERY = 80; // milliseconds: each redraw lays out the whole answer again

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
      choice.text += delta.content ?? "";
      choice.thought += delta.reasoning ?? "";
      if (logprobs?.content?.length) {
        choice.scored = true;
        choice.shown = append(choice.content, logprobs.content, choice.text, choice.shown);
      }
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
    this.target.classList.remove("waiting");
  }

  draw() {
    this.#drawing = 0;
    for (const choice of this.choices.filter(Boolean)) {
      if (!choice.scored) show(choice.content, choice.text);
      choice.thinking.hidden = !choice.thought;
      choice.thinking.textContent = choice.thought;
    }
    this.drawn?.();
  }

  get text() {
    return this.choices[0]?.text ?? "";
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
    const content = element("div", { className: "text", dir: "auto" });
    const thinking = element("div", { className: "thought", dir: "auto", hidden: true });
    this.target.append(thinking, content);
    return { text: "", thought: "", finish: null, scored: false, shown: 0, content, thinking };
  }
}
