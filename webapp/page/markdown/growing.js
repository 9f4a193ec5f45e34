// Shows Markdown while it grows. Blocks that have ended stay as they are; only the last, open one is parsed again, and of a
// list or a table only the last item or row. So a token costs the same at the end of a long answer as at its beginning.

import { element } from "../shared/element.js";
import { blocksOf, offsetOf } from "./blocks.js";
import { colour } from "./code.js";
import { Fence } from "./fence.js";
import { build } from "./nodes.js";
import { isShowable, parse } from "./parser.js";

const MAX_OPEN = 8000; // characters of an open block; what follows is shown as its source until the end
const UNDECIDED = /^[-=*+_#>|~`$\\[\]:.)\s\d]{0,40}$/; // a line that can still become anything

export class Growing {
  #rest = ""; // the text of the open block, or of its last part
  #head = ""; // the first lines of an open table, without which its last row cannot be parsed
  #marks = []; // for each block in the page, what it was made of; of an open one, its settled parts
  #openMark = null; // what the open nodes were made of
  #open = []; // the nodes that the next text replaces
  #growing = null; // the open list or table: its kind, and the element that has its parts
  #fence = null; // the open block of code
  #plain = null; // shows what is too long to be parsed again and again
  #outline = { level: 2 };

  constructor(target) {
    this.target = target;
  }

  // Adds text to the end.
  add(text) {
    let added = text.replace(/\r\n?/g, "\n");
    if (this.#fence) {
      added = this.#fence.add(added);
      if (!this.#fence.closed) return;
      this.#marks.push(this.#fence.mark);
      colour(this.#fence.node);
      this.#fence = null;
    }
    if (this.#plain) {
      this.#plain.appendData(added);
    } else if (this.#rest.length > MAX_OPEN) {
      this.#showPlain(added);
    } else {
      this.#rest += added;
      this.#redraw();
    }
  }

  #showPlain(text) {
    this.#plain = new Text(text);
    this.target.append(element("p", { className: "source" }, this.#plain));
  }

  // Shows the whole text and keeps every block that is as it was. Returns whether it could: see `isShowable`.
  end(text) {
    const references = {}, outline = { level: 2 };
    const tokens = parse(text, { references });
    if (!isShowable(tokens)) return false;
    const before = [...this.target.childNodes];
    const kept = Object.keys(references).length ? [] : this.#allMarks();
    const now = blocksOf(tokens).map((block, index) => {
      const made = build(block.tokens, outline).firstChild;
      return before[index] && kept[index] === markOf(block) ? before[index] : made;
    });
    if (now.length !== before.length || now.some((node, index) => node !== before[index])) this.target.replaceChildren(...now);
    colour(this.target);
    return true;
  }

  #allMarks() {
    if (this.#openMark === null) return this.#marks;
    return this.#growing ? [...this.#marks.slice(0, -1), `${this.#marks.at(-1)}\n${this.#openMark}`] : [...this.#marks, this.#openMark];
  }

  #redraw() {
    for (const node of this.#open.splice(0)) node.remove();
    this.#openMark = null;
    const text = this.#head + this.#rest;
    const line = text.lastIndexOf("\n") + 1;
    const shown = UNDECIDED.test(text.slice(line)) ? text.slice(0, line) : text;
    const tokens = parse(shown, { streaming: true });
    if (!isShowable(tokens)) {
      this.#showPlain(this.#rest);
      return;
    }
    const blocks = blocksOf(tokens);
    if (!blocks.length) return;
    const continues = blocks[0].kind === this.#growing?.kind;
    for (const block of blocks.slice(0, -1)) this.#settle(block, continues && block === blocks[0]);
    this.#leaveOpen(blocks.at(-1), continues && blocks.length === 1, text);
  }

  // Shows a block that has ended.
  #settle(block, continues) {
    const made = this.#place(block, continues);
    if (!continues) this.#marks.push(block.own);
    this.#note(block.parts);
    for (const node of made) colour(node);
    this.#growing = null;
    this.#head = "";
  }

  // Shows the last block, and remembers from where it is to be parsed again.
  #leaveOpen(block, continues, text) {
    if (continues && !block.parts.length) return; // a table's head alone
    const level = this.#outline.level;
    const made = this.#place(block, continues);
    const last = block.parts.at(-1);
    this.#rest = text.slice(offsetOf(text, (last ?? block).line));
    this.#head = "";
    if (last) {
      if (!continues) this.#marks.push(block.own);
      this.#note(block.parts.slice(0, -1));
      this.#open = [made.pop()];
      for (const node of made) colour(node);
      if (block.tokens[0].type === "table_open") this.#head = text.slice(offsetOf(text, block.line), offsetOf(text, block.line + 2));
    } else {
      this.#growing = null;
      this.#outline.level = level;
      this.#fence = block.tokens[0].type === "fence" ? Fence.open(this.#rest, made[0], block.own) : null;
      this.#open = this.#fence ? [] : made;
      if (this.#fence) this.#rest = "";
    }
    if (!this.#fence) this.#openMark = (last ?? { mark: block.own }).mark;
  }

  // Puts a block into the page. Returns its nodes: its parts if it has some.
  #place(block, continues) {
    const made = build(block.tokens, this.#outline).firstChild;
    const parts = made.querySelector("tbody") ?? made;
    const nodes = block.parts.length ? [...parts.children] : [made];
    if (continues) {
      this.#growing.element.append(...nodes);
    } else {
      this.target.append(made);
      this.#growing = { kind: block.kind, element: parts };
    }
    return nodes;
  }

  #note(parts) {
    for (const { mark } of parts) this.#marks.push(`${this.#marks.pop()}\n${mark}`);
  }
}

const markOf = ({ own, parts }) => [own, ...parts.map(({ mark }) => mark)].join("\n");
