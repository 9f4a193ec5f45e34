// GitHub's Markdown and LaTeX as markdown-it's tokens. HTML is text: it is shown, and never becomes elements.

import MarkdownIt from "../vendor/markdown-it-15.0.3/markdown-it.min.mjs";
import { addFormulas } from "./formulas.js";

const MAX_NESTING = 50; // of quotes and lists; markdown-it leaves out what is deeper
const MAX_TOKENS = 50_000;

const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true, maxNesting: MAX_NESTING });
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false }); // `setup.py` is a file, not a host in Paraguay
markdown.validateLink = (url) => /^(https?:\/\/|mailto:)/i.test(url);
markdown.inline.ruler.after("escape", "line_break", (state, silent) => {
  const [tag] = state.src.startsWith("<br", state.pos) ? (state.src.slice(state.pos, state.pos + 6).match(/^<br ?\/?>/) ?? []) : [];
  if (!tag) return false;
  if (!silent) state.push("hardbreak", "br", 0); // models end the lines of a table's cell with it
  state.pos += tag.length;
  return true;
});
addFormulas(markdown);

// Returns the tokens of `text`. In `streaming` text, a formula that has no end yet is a block of its own. `references` takes
// up the link references that the text defines.
export const parse = (text, { streaming = false, references = {} } = {}) => markdown.parse(text, { streaming, references });

// Returns whether tokens have all of the text, and are no more than a page can show: else its source is shown.
export const isShowable = (tokens) =>
  tokens.every(({ level }) => level < MAX_NESTING - 1) && tokens.reduce((count, token) => count + 1 + (token.children?.length ?? 0), 0) <= MAX_TOKENS;
