// The top-level blocks of a Markdown text, and the parts (items, rows) of those that grow by parts.

// Returns for each block: `tokens`; `kind`, which a block that continues another one shares with it; `line`, the number of its
// first line; `parts`, which begin at a `line` and have a `mark`; `own`, the mark of the rest. What has the same marks looks the same.
export function blocksOf(tokens) {
  const blocks = [];
  let begin = 0;
  tokens.forEach((token, index) => {
    if (token.level > 0 || token.nesting > 0) return;
    blocks.push(block(tokens.slice(begin, index + 1)));
    begin = index + 1;
  });
  return blocks;
}

function block(tokens) {
  const [{ type, tag, markup, map }] = tokens;
  const part = { bullet_list_open: "list_item_open", ordered_list_open: "list_item_open", table_open: "tr_open" }[type];
  const starts = part ? tokens.flatMap((token, index) => (token.type === part && token.level === (part === "tr_open" ? 2 : 1) ? [index] : [])) : [];
  if (part === "tr_open") starts.shift(); // that of the heads
  const parts = starts.map((start, index) => ({ line: tokens[start].map[0], mark: mark(tokens.slice(start, starts[index + 1])) }));
  const own = mark(tokens.slice(0, starts[0]));
  return { tokens, kind: `${type} ${tag} ${part ? markup : ""}`, line: map[0], parts, own };
}

const mark = (tokens) => tokens.filter(({ nesting }) => nesting >= 0).map(({ type, info, hidden, content }) => `${type} ${info} ${hidden} ${content}`).join("\n");

// Returns the offset of the line with this number.
export function offsetOf(text, line) {
  let at = 0;
  for (let count = 0; count < line; count += 1) at = text.indexOf("\n", at) + 1;
  return at;
}
