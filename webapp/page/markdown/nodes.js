// Markdown's tokens as DOM nodes. Every element and attribute is made here, by name: none comes from the text.

import { element } from "../shared/element.js";
import { t } from "../shared/words.js";
import { codeBlock } from "./code.js";
import { formula } from "./formula.js";

const TAGS = new Set("p ul ol li blockquote table thead tbody tr th td em strong s hr br".split(" "));
const DIRECTED = new Set("p ul ol li blockquote th td".split(" ")); // each has the direction of its own text
const TASK = /^\[([ xX])\] /;

const LEAVES = {
  text: (token) => token.content,
  softbreak: () => element("br"),
  hardbreak: () => element("br"),
  hr: () => element("hr"),
  code_inline: (token) => element("code", {}, token.content),
  fence: (token) => codeBlock(token.content, token.info.trim().split(/\s/)[0]),
  code_block: (token) => codeBlock(token.content, ""),
  image: (token) => link(token.attrGet("src"), token.content || token.attrGet("src")), // nothing is fetched from another host
  formula: (token) => formula(token.content, token.info === "display"),
  formula_block: (token) => formula(token.content, true),
  formula_open: (token) => element("pre", {}, token.content),
};

// Returns the nodes of `tokens`. `outline.level` is the level of the last heading before them: no level is left out.
export function build(tokens, outline) {
  const root = new DocumentFragment(), open = [root];
  tokens.forEach((token, index) => {
    if (token.type === "inline") open.at(-1).append(inline(token, tokens[index - 2], open));
    else if (token.type in LEAVES) open.at(-1).append(LEAVES[token.type](token));
    else if (token.nesting === 1 && !token.hidden) open.push(begin(token, open.at(-1), outline));
    else if (token.nesting === -1 && !token.hidden) open.pop();
  });
  return root;
}

function begin(token, parent, outline) {
  let made;
  if (token.type === "link_open") made = link(token.attrGet("href"));
  else if (token.type === "heading_open") made = heading(Number(token.tag[1]), outline);
  else made = element(TAGS.has(token.tag) ? token.tag : "span");
  if (DIRECTED.has(token.tag)) made.dir = "auto";
  if (token.tag === "ol") made.start = Number(token.attrGet("start") ?? 1);
  const align = token.attrGet("style")?.replace("text-align:", ""); // a cell's; the policy forbids styles in attributes
  if (align) made.className = align;
  parent.append(token.tag === "table" ? element("div", { className: "table", tabIndex: 0 }, made) : made);
  return made;
}

function inline(token, before, open) {
  const nodes = build(token.children);
  const [, mark] = before?.type === "list_item_open" ? (token.content.match(TASK) ?? []) : [];
  if (mark) {
    const box = element("input", { type: "checkbox", disabled: true, checked: mark !== " " });
    box.setAttribute("aria-label", mark === " " ? t`to do` : t`done`);
    nodes.firstChild.data = nodes.firstChild.data.slice(3);
    nodes.prepend(box);
    open.findLast((node) => node.localName === "li").className = "task";
  }
  return nodes;
}

// The page's own headings are two levels above a message's.
function heading(level, outline) {
  outline.level = Math.min(level + 2, outline.level + 1, 6);
  return element(`h${outline.level}`, { dir: "auto" });
}

const link = (href, ...children) => element("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children);
