// The worker that finds what is a keyword, a string, a comment in code: runs of text with the names of their classes.

import highlighter from "../vendor/highlight-11.12.0/highlight.min.js";

const MARK = /<span class="([^"]*)">|<\/span>|([^<]+)/g; // what highlight.js writes, and nothing else
const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'" };

onmessage = ({ data: { number, text, language } }) => {
  const known = highlighter.getLanguage(language);
  postMessage({ number, runs: known ? runs(highlighter.highlight(text, { language, ignoreIllegals: true }).value) : null });
};

postMessage({});

function runs(html) {
  const found = [], open = [];
  for (const [, opened, text] of html.matchAll(MARK)) {
    if (text) found.push([open.at(-1) ?? "", text.replace(/&[^;]+;/g, (entity) => ENTITIES[entity] ?? entity)]);
    else if (opened) open.push(opened);
    else open.pop();
  }
  return found;
}
