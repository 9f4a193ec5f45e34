// GitHub's Markdown and LaTeX as markdown-it's tokens. HTML is text: it is shown, and never becomes elements.

import MarkdownIt from "../vendor/markdown-it-15.0.3/markdown-it.min.mjs";
import { addFormulas } from "./formulas.js";

const MAX_NESTING = 20; // of quotes, lists and emphasis

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
