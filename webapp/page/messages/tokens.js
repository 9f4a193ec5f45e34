// The tokens of an answer, with their probabilities and alternatives on hover and by the keyboard.

import { element } from "../shared/element.js";

const UNSURE = 0.5, DOUBTFUL = 0.1; // tokens with a lower probability are highlighted
const percent = (logprob) => `${(Math.exp(logprob) * 100).toFixed(1)}%`;
const shown = (token) => token.replaceAll("\n", "⏎").replaceAll("\t", "⇥");

let hint;

// Appends the tokens of `entries` (log probabilities) to `target`. `text` is the answer so far, which has no special tokens;
// `at` is the number of its characters that `target` already shows. Returns the new number.
export function append(target, entries, text, at) {
  for (const { token, logprob, top_logprobs: top } of entries) {
    if (!text.startsWith(token, at)) continue;
    at += token.length;
    const span = element("span", { className: "token", tabIndex: -1 }, token);
    const probability = Math.exp(logprob);
    if (probability < UNSURE) span.classList.add(probability < DOUBTFUL ? "doubtful" : "unsure");
    const rows = top?.length ? top : [{ token, logprob }];
    const hover = () => showHint(span, token, rows);
    span.addEventListener("pointerenter", hover);
    span.addEventListener("focus", hover);
    span.addEventListener("pointerleave", hideHint);
    span.addEventListener("blur", hideHint);
    span.addEventListener("keydown", step);
    target.append(span);
  }
  if (target.firstElementChild) target.firstElementChild.tabIndex = 0; // a single tab stop; the arrow keys move on from there
  return at;
}

function step(event) {
  const next = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[event.key];
  if (next && event.target[next]) {
    event.target[next].focus();
    event.preventDefault();
  }
}

function showHint(span, token, rows) {
  hideHint();
  const table = element("table");
  for (const row of rows) {
    const name = element("td", {}, shown(row.token));
    table.append(element("tr", {}, element("td", {}, row.token === token ? "▸" : ""), name, element("td", {}, percent(row.logprob))));
  }
  hint = element("div", { id: "hint", role: "tooltip" }, table);
  document.body.append(hint);
  const at = span.getBoundingClientRect(), size = hint.getBoundingClientRect();
  const below = at.bottom + size.height + 8 < innerHeight;
  hint.style.left = `${Math.max(4, Math.min(at.left, innerWidth - size.width - 4))}px`;
  hint.style.top = `${below ? at.bottom + 4 : at.top - size.height - 4}px`;
}

function hideHint() {
  hint?.remove();
  hint = undefined;
}
