// Finds LaTeX in Markdown: \( \) and $ $ in a line; \[ \] and $$ $$ displayed, in a line or on lines of their own.

const CLOSERS = { "\\(": "\\)", "\\[": "\\]", $$: "$$", $: "$" };
const MAX_LENGTH = 2000; // characters of a formula; a longer one stays its source
const MAX_LINES = 100;

export function addFormulas(markdown) {
  markdown.inline.ruler.before("escape", "formula", inline);
  markdown.block.ruler.before("fence", "formula_block", block, { alt: ["paragraph", "blockquote", "list"] });
}

function inline(state, silent) {
  const { src, pos } = state;
  const opener = opens(src, pos);
  const from = pos + opener.length;
  if (!opener || (opener === "$" && /\s/.test(src[from] ?? ""))) return false;
  const searched = (state.formulas ??= {}); // by opener, up to where there is no closer: no character is searched twice
  const limit = Math.min(state.posMax, from + MAX_LENGTH);
  const end = endOf(src, Math.max(from, searched[opener] ?? 0), limit, opener);
  if (end < 0) searched[opener] = Math.max(limit, searched[opener] ?? 0);
  const tex = src.slice(from, end);
  if (end < 0 || !tex.trim()) return false;
  if (!silent) push(state, tex, opener === "$$" || opener === "\\[");
  state.pos = end + opener.length;
  return true;
}

function opens(src, at) {
  if (src[at] === "$") return src[at + 1] === "$" ? "$$" : "$";
  const two = src[at] === "\\" ? src.slice(at, at + 2) : "";
  return two in CLOSERS ? two : "";
}

// Returns the index of the closer of a formula between `from` and `limit`, or -1. A price is none: `$` after a space or
// before a digit does not close.
function endOf(src, from, limit, opener) {
  const closer = CLOSERS[opener], within = src.slice(0, limit + 1);
  for (let at = within.indexOf(closer, from); at >= 0 && at + closer.length <= limit; at = within.indexOf(closer, at + 1)) {
    const escaped = closer[0] === "$" && src[at - 1] === "\\";
    const price = opener === "$" && (/\s/.test(src[at - 1]) || /[\d$]/.test(src[at + 1] ?? ""));
    if (!escaped && !price) return at;
  }
  return -1;
}

function push(state, tex, display) {
  const token = state.push("formula", "", 0);
  token.content = tex.trim();
  token.info = display ? "display" : "";
}

function block(state, startLine, endLine, silent) {
  const start = state.bMarks[startLine] + state.tShift[startLine];
  const opener = state.src.slice(start, start + 2);
  if ((opener !== "$$" && opener !== "\\[") || state.sCount[startLine] - state.blkIndent >= 4) return false;
  const { line, closed, tex } = lines(state, startLine, endLine, start + 2, CLOSERS[opener]);
  if (!closed && !(state.env.streaming && line === endLine)) return false;
  if (silent) return true;
  const token = state.push(closed ? "formula_block" : "formula_open", "", 0);
  token.content = closed ? tex.trim() : state.src.slice(start, state.eMarks[line - 1]);
  token.block = true;
  token.map = [startLine, line];
  state.line = line;
  return true;
}

// Reads the lines of a formula up to its closer, which must end a line. Returns the line after it, or `line` -1 where there
// is no formula: one has no empty line, and is not endless.
function lines(state, startLine, endLine, from, closer) {
  let tex = "";
  for (let line = startLine; line < endLine; line += 1) {
    const begin = line === startLine ? from : state.bMarks[line] + state.tShift[line];
    const text = state.src.slice(begin, state.eMarks[line]).trimEnd();
    const at = text.indexOf(closer);
    const closed = at >= 0 && at === text.length - closer.length && Boolean((tex + text.slice(0, at)).trim());
    if (closed) return { line: line + 1, closed, tex: tex + text.slice(0, at) };
    if (at >= 0 || (!text && line > startLine) || tex.length > MAX_LENGTH || line - startLine > MAX_LINES) return { line: -1, closed, tex };
    tex += `${text}\n`;
  }
  return { line: endLine, closed: false, tex };
}
