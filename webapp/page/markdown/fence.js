// A block of code that is being written: its lines are added to the page and never parsed again.

import { element } from "../shared/element.js";

const LINES = 50; // that one element has, so that the browser lays out no more than these again
const MAX_LINE = 4000; // characters of an incomplete line, which are then added as they are
const BEGIN = /^ {0,3}(`{3,}|~{3,})[^\n]*\n/;

export class Fence {
  closed = false;
  #line = ""; // the last, incomplete line
  #partial = new Text();
  #lines = null;
  #count = 0;

  // Returns the fence that `text` begins with, and that `node` shows; null if it is complete. `mark`, which says what it is
  // made of, ends with the code.
  static open(text, node, mark) {
    const [begin, marker] = text.match(BEGIN) ?? [];
    if (!begin) return null;
    const closer = new RegExp(`^ {0,3}${marker[0]}{${marker.length},}[ \\t]*$`);
    const fence = new Fence(node, closer, mark);
    fence.add(text.slice(begin.length));
    return fence.closed ? null : fence;
  }

  constructor(node, closer, mark) {
    this.node = node;
    this.closer = closer;
    this.code = node.querySelector("code");
    this.begin = mark.slice(0, mark.length - this.code.textContent.length);
    this.code.replaceChildren(this.#partial);
  }

  get mark() {
    return this.begin + this.code.textContent;
  }

  // Adds text. Returns what follows the fence.
  add(text) {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop();
    const end = lines.findIndex((line) => this.closer.test(line));
    this.closed = end >= 0;
    for (const line of this.closed ? lines.slice(0, end) : lines) this.#show(`${line}\n`);
    if (this.closed) this.#partial.data = "";
    else this.#showPartial();
    return this.closed ? [...lines.slice(end + 1), this.#line].join("\n") : "";
  }

  #showPartial() {
    if (this.#line.length > MAX_LINE) {
      this.#show(this.#line);
      this.#line = "";
    }
    this.#partial.data = /^ {0,3}[`~]*$/.test(this.#line) ? "" : this.#line;
  }

  #show(text) {
    if (this.#count % LINES === 0) {
      this.#lines = new Text();
      this.#partial.before(element("span", { className: "lines" }, this.#lines));
    }
    this.#lines.appendData(text);
    this.#count += 1;
  }
}
