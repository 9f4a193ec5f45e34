// The engine's state, polled from /health: every second while the engine is not ready or a request waits, else rarely.

import { timed } from "./clock.js";
import { t } from "./words.js";

const OFTEN = 1000, RARELY = 10000; // milliseconds between two polls
const LABELS = {
  ready: t`ready`, loading: t`loading`, restarting: t`restarting`, gone: t`engine unreachable`,
  incompatible: t`incompatible versions`, offline: t`server unreachable`,
};

// The name of a load stage in the reader's language. `stage` is the server's (English) name.
export function stageName(stage) {
  const [, loaded] = stage.match(/^loading (.+) and warming it up$/) ?? [];
  const [, downloaded] = stage.match(/^downloading (.+)$/) ?? [];
  if (loaded) return t`loading ${loaded} and warming it up`;
  return downloaded ? t`downloading ${downloaded}` : t(stage);
}

export class Engine extends EventTarget {
  state = "";
  stage = "";
  progress = 0;
  problem = ""; // why no engine runs, where the server knows it
  #watchers = new Set(); // the requests that wait for the engine
  #timer;

  get label() {
    return LABELS[this.state] ?? this.state;
  }

  get percent() {
    return `${Math.round(this.progress * 100)}%`;
  }

  // Asks /health once, dispatches "change", and schedules the next poll.
  async poll() {
    clearTimeout(this.#timer);
    let engine = { state: "offline", stage: "", progress: 0 };
    try {
      engine = (await timed(await fetch("/health", { cache: "no-store", signal: AbortSignal.timeout(5000) })).json()).engine;
    } catch {
      // the server cannot be reached: the state stays "offline"
    }
    Object.assign(this, { problem: "" }, engine);
    this.dispatchEvent(new Event("change"));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.poll(), this.#watchers.size || this.state !== "ready" ? OFTEN : RARELY);
  }

  // Polls often while `on` for any `watcher`.
  watch(watcher, on) {
    const before = this.#watchers.size;
    if (on) this.#watchers.add(watcher);
    else this.#watchers.delete(watcher);
    if (!before && on) this.poll();
  }

  // Resolves when the engine is ready; rejects with the signal's reason when `signal` aborts.
  ready(signal) {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const onChange = () => this.state === "ready" && end(resolve);
      const onAbort = () => end(() => reject(signal.reason));
      const end = (settle) => {
        this.removeEventListener("change", onChange);
        signal.removeEventListener("abort", onAbort);
        settle();
      };
      this.addEventListener("change", onChange);
      signal.addEventListener("abort", onAbort);
      this.poll();
    });
  }
}
