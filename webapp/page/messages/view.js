// A message's text on the page: its source, or rendered Markdown. The renderer is loaded with the first message, and a message
// is rendered when it comes near to what the reader sees.

import { element } from "../shared/element.js";
import { append } from "./tokens.js";

const MAX_LENGTH = 200_000; // characters; a longer message is shown as its source
const FOLDED = 1000; // a longer message of the reader scrolls, and so must be reached by keyboard
const NEAR = "100%"; // of what is seen, above and below
const views = new WeakMap();
const near = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => views.get(target).approach()),
  { rootMargin: NEAR },
);
let renderer = null, loading = null;

async function load() {
  loading ??= import("../markdown/growing.js").then(({ Growing }) => (renderer = Growing), () => (loading = null));
  await loading;
  return renderer;
}

export class View {
  text = "";
  #source = new Text();
  #tokens = null; // shown instead of the source, where the answer has log probabilities
  #rendered = null;
  #growing = null;
  #new = ""; // what was added since the last `draw`
  #scored = 0; // the characters that the tokens show

  constructor() {
    this.element = element("div", { className: "text source", dir: "auto" }, this.#source);
    views.set(this.element, this);
  }

  static of(node) {
    return views.get(node);
  }

  // Shows a text that is complete.
  static whole(text) {
    const view = new View();
    view.text = view.#source.data = text;
    if (text.length > FOLDED) view.element.tabIndex = 0;
    near.observe(view.element);
    return view;
  }

  get isSource() {
    return this.element.classList.contains("source");
  }

  // Adds text; `draw` shows it.
  add(text, entries) {
    this.text += text;
    this.#new += text;
    if (!entries?.length) return;
    this.#tokens ??= element("div");
    this.#scored = append(this.#tokens, entries, this.text, this.#scored);
    if (!this.#tokens.isConnected) this.element.replaceChildren(this.#tokens);
  }

  draw() {
    if (this.#tokens) return;
    const renders = renderer && this.text.length <= MAX_LENGTH;
    if (!renderer) load();
    if (renders) this.#grow();
    else if (!this.isSource) this.#show(this.#source, true);
    else this.#source.appendData(this.#new);
    this.#new = "";
  }

  // Shows that the text is complete.
  async end() {
    this.draw();
    if (!this.#tokens) await this.#render();
  }

  async approach() {
    near.unobserve(this.element);
    await this.#render();
  }

  // Shows the source instead of the rendered text, or the reverse.
  async toggle() {
    if (this.isSource) await this.#render();
    else this.#show(this.#tokens ?? this.#source, true);
  }

  #grow() {
    if (!this.#growing) {
      this.#rendered = element("div");
      this.#growing = new renderer(this.#rendered);
      this.#show(this.#rendered, false);
      this.#new = this.text;
    }
    this.#growing.add(this.#new);
  }

  async #render() {
    if (this.text.length > MAX_LENGTH || !(await load())) return;
    if (!this.#rendered || this.#growing) {
      this.#rendered ??= element("div");
      this.#show(this.#rendered, false);
      const done = (this.#growing ?? new renderer(this.#rendered)).end(this.text);
      this.#growing = null;
      if (!done) this.#rendered = this.#source;
    }
    this.#show(this.#rendered, this.#rendered === this.#source);
  }

  #show(node, source) {
    if (node === this.#source) this.#source.data = this.text;
    this.element.classList.toggle("source", source);
    if (this.element.firstChild !== node) this.element.replaceChildren(node);
  }
}
