// How the engine is, as /health says it: asked every second while it matters, seldom otherwise.

import { t } from "./words.js";

const OFTEN = 1000, SELDOM = 10000; // milliseconds
const WORDS = {
  ready: t`ready`, loading: t`loading`, restarting: t`restarting`, gone: t`no engine answers`,
  incompatible: t`incompatible`, offline: t`no server answers`,
};

// A stage of a load, as the server names it, in the reader's language.
export function inWords(stage) {
  const [, loaded] = stage.match(/^loading (.+) and warming it up$/) ?? [];
  const [, downloaded] = stage.match(/^downloading (.+)$/) ?? [];
  if (loaded) return t`loading ${loaded} and warming it up`;
  return downloaded ? t`downloading ${downloaded}` : t(stage);
}

export class Engine extends EventTarget {
  state = "";
  stage = "";
  progress = 0;
  watched = false; // somebody waits
  #timer;

  get words() {
    return WORDS[this.state] ?? this.state;
  }

  get percent() {
    return `${Math.round(this.progress * 100)}%`;
  }

  async look() {
    clearTimeout(this.#timer);
    let engine = { state: "offline", stage: "", progress: 0 };
    try {
      engine = (await (await fetch("/health", { cache: "no-store", signal: AbortSignal.timeout(5000) })).json()).engine;
    } catch {
      // offline
    }
    Object.assign(this, engine);
    this.dispatchEvent(new Event("change"));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.look(), this.watched || this.state !== "ready" ? OFTEN : SELDOM);
  }

  watch(on) {
    if (on !== this.watched) {
      this.watched = on;
      if (on) this.look();
    }
  }

  // Resolves when requests are taken again; rejects as `signal` does.
  ready(signal) {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const heard = () => this.state === "ready" && end(resolve);
      const aborted = () => end(() => reject(signal.reason));
      const end = (settle) => {
        this.removeEventListener("change", heard);
        signal.removeEventListener("abort", aborted);
        settle();
      };
      this.addEventListener("change", heard);
      signal.addEventListener("abort", aborted);
      this.look();
    });
  }
}
