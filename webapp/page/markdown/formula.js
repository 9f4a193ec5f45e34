// A formula: its LaTeX until KaTeX has drawn it. KaTeX is loaded with the first one.

import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const KATEX = new URL("../vendor/katex-0.19.1/", import.meta.url);
const TURN = 8; // milliseconds of drawing, after which the reader has a turn
const KEPT = 200; // drawn formulas: the paragraph that is being written shows the same ones again and again
const DEFINES = /\\(?:[egx]?def|(?:future)?let|global|long|(?:re|provide)?newcommand|renewcommand|providecommand)(?![a-zA-Z])/; // and so repeats without end
const STYLED = /\\(?:pmb|fcolorbox)(?![a-zA-Z])/; // KaTeX styles their MathML in attributes, which the policy forbids
const OPTIONS = { throwOnError: true, trust: false, strict: "ignore", maxExpand: 1000, maxSize: 20, errorColor: "var(--bad)" };
const waiting = [];
const drawn = new Map();
let loading = null, working = false;

export function formula(tex, display) {
  const key = `${display} ${tex}`;
  const source = element("span", { className: display ? "formula display" : "formula" });
  if (display) source.tabIndex = 0; // it scrolls where it is wider than the message
  if (drawn.has(key)) {
    source.append(drawn.get(key).cloneNode(true));
  } else {
    source.append(element("code", {}, tex));
    waiting.push({ source, tex, display, key });
    if (!working) work();
  }
  return source;
}

async function work() {
  working = true;
  const katex = await load();
  await turn(); // the formulas of this turn are in the page now, or are not any more
  for (let began = performance.now(); katex && waiting.length; ) {
    draw(katex, waiting.shift());
    if (performance.now() - began > TURN) {
      await turn();
      began = performance.now();
    }
  }
  waiting.length = 0;
  working = false;
}

const turn = () => new Promise((resolve) => setTimeout(resolve));

async function load() {
  loading ??= (async () => {
    document.head.append(element("link", { rel: "stylesheet", href: new URL("katex.min.css", KATEX) }));
    await import(new URL("katex.min.js", KATEX));
    return globalThis.katex;
  })().catch(() => (loading = null)); // formulas stay LaTeX, and the next one tries again
  return loading;
}

function draw(katex, { source, tex, display, key }) {
  if (!source.isConnected || DEFINES.test(tex)) return;
  const styled = STYLED.test(tex);
  const made = element("span");
  try {
    katex.render(tex, made, { ...OPTIONS, displayMode: display, output: styled ? "html" : "htmlAndMathml" });
  } catch {
    source.title = t`This formula is not valid LaTeX.`;
    return;
  }
  if (styled) {
    made.setAttribute("role", "img");
    made.setAttribute("aria-label", tex);
  }
  if (drawn.size >= KEPT) drawn.delete(drawn.keys().next().value);
  drawn.set(key, made.cloneNode(true));
  source.replaceChildren(made);
}
