// A block of code: its language, a button that copies it, and colours that a worker finds.

import { element } from "../shared/element.js";
import { confirmCopy, copy } from "../shared/clipboard.js";
import { t } from "../shared/words.js";

const MAX_LENGTH = 50_000; // characters; longer code has no colours
const MAX_TIME = 5000; // milliseconds, after which the worker is ended: code can be written to be slow
const waiting = new Map(); // code elements by number, which the worker has not answered
let worker = null, ready = false, deadline = 0, last = 0;

// Returns the element of a block of code. Its colours come once `colour` is called with it, or with what contains it.
export function codeBlock(text, language) {
  const button = element("button", { type: "button", title: t`Copy the code` }, t`Copy`);
  const code = element("code", {}, text);
  if (language) code.dataset.language = language;
  button.addEventListener("click", () => confirmCopy(button, copy(code.textContent)));
  const bar = element("div", { className: "bar" }, element("span", {}, language), button);
  return element("div", { className: "code" }, bar, element("pre", { tabIndex: 0 }, code));
}

export function colour(node) {
  for (const code of node.querySelectorAll("code[data-language]")) {
    const { textContent: text, dataset: { language } } = code;
    delete code.dataset.language;
    if (text.length > MAX_LENGTH) continue;
    worker ??= start();
    waiting.set(++last, code);
    worker.postMessage({ number: last, text, language });
    watch();
  }
}

function start() {
  const made = new Worker(new URL("colours.js", import.meta.url), { type: "module" });
  made.onmessage = ({ data: { number, runs } }) => {
    if (runs) waiting.get(number)?.replaceChildren(...runs.map(([name, text]) => (name ? element("span", { className: name }, text) : text)));
    waiting.delete(number);
    ready = true; // it begins with an empty message: how long it takes to load is no fault of the code's
    clearTimeout(deadline);
    deadline = 0;
    watch();
  };
  return made;
}

function watch() {
  if (ready && waiting.size) deadline ||= setTimeout(restart, MAX_TIME);
}

// What the worker stands at keeps no colours, and neither does what waits behind it.
function restart() {
  worker.terminate();
  worker = null;
  ready = false;
  deadline = 0;
  waiting.clear();
}
