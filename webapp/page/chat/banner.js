// The engine's state: a label in the page's header, and a banner below it while the engine is not ready.

import { stageName } from "../shared/engine.js";
import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const GONE = t`it has just exited`;
const $ = (id) => document.getElementById(id);

export function banner(...children) {
  $("banner").replaceChildren(...children);
  $("banner").hidden = !children.length;
}

// `answering`: an answer is in progress, and waits for the engine.
export function showEngine(engine, answering) {
  const loads = engine.state === "loading" || engine.state === "restarting";
  $("engine").textContent = loads ? `${engine.label} ${engine.percent}` : engine.label;
  $("engine").dataset.state = engine.state;
  if (engine.state === "ready") {
    banner();
    return;
  }
  const sentence = {
    loading: t`Loading the model: ${stageName(engine.stage)}.`,
    restarting: t`Restarting the engine: ${engine.stage ? stageName(engine.stage) : GONE}.`,
    gone: t`The web tier cannot reach an engine. It may still be starting; run \`make doctor\` for details.`,
    incompatible: t`The web tier and the engine have incompatible versions: upgrade one of them.`,
    offline: t`The server cannot be reached. Retrying every second.`,
  }[engine.state];
  const problem = engine.problem ? ` ${engine.problem}` : "";
  const resumes = answering && engine.state !== "offline" ? t` Your answer resumes when the engine is ready.` : "";
  const bar = element("progress", { max: 1, value: engine.progress });
  bar.setAttribute("aria-label", t`Load progress`);
  banner(sentence + problem + resumes, ...(loads ? [element("span", { className: "load" }, bar, engine.percent)] : []));
}
