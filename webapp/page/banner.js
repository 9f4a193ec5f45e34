// How the engine is, in the page's head, and in a line across it while it is not ready.

import { inWords } from "./engine.js";
import { element } from "./text.js";
import { t } from "./words.js";

const GONE = t`it has just gone`;
const $ = (id) => document.getElementById(id);

export function banner(...children) {
  $("banner").replaceChildren(...children);
  $("banner").hidden = !children.length;
}

// `waited`: an answer is under way.
export function showEngine(engine, waited) {
  const loads = engine.state === "loading" || engine.state === "restarting";
  $("engine").textContent = loads ? `${engine.words} ${engine.percent}` : engine.words;
  $("engine").dataset.state = engine.state;
  if (engine.state === "ready") {
    banner();
    return;
  }
  const sentence = {
    loading: t`The model is being loaded: ${inWords(engine.stage)}.`,
    restarting: t`The engine is being restarted: ${engine.stage ? inWords(engine.stage) : GONE}.`,
    gone: t`No engine answers the web tier; it may be starting. \`make doctor\` tells more.`,
    incompatible: t`The web tier and the engine cannot talk: one of them must be upgraded.`,
    offline: t`The server cannot be reached. This page asks again every second.`,
  }[engine.state];
  const goesOn = waited && engine.state !== "offline" ? t` Your answer goes on when it is ready.` : "";
  const bar = element("progress", { max: 1, value: engine.progress });
  bar.setAttribute("aria-label", t`How far the load has come`);
  banner(sentence + goesOn, ...(loads ? [element("span", { className: "load" }, bar, engine.percent)] : []));
}
