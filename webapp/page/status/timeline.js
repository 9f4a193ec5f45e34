// What has happened to both tiers: loads of the model, restarts, and web workers that came and went. Times are the server's, counted
// back from ages that it tells: the browser's clock does not matter.

import { element } from "../shared/element.js";
import { load, save } from "../shared/store.js";
import { t } from "../shared/words.js";

const MOST = 50; // events; the oldest are forgotten
const SPAN = 3600_000; // milliseconds that the line shows
const $ = (id) => document.getElementById(id);

export class Timeline {
  #events = load("events", []).filter((event) => Number.isFinite(event?.at) && typeof event.text === "string" && typeof event.key === "string");
  #workers = null; // the pids at the last look
  #state = "";
  #drawn = "";

  // Notes what is new in a status of the server's, which it has sent at `now`.
  see({ engine, web }, now) {
    if (engine.pid && engine.state === "ready") {
      const age = (engine.uptime_seconds ?? 0) * 1000;
      this.#note(`load ${engine.pid} ${engine.load_count}`, now - age, t`The model is loaded, by process ${engine.pid}: load ${engine.load_count}`, "engine");
    }
    if (this.#state === "ready" && engine.state !== "ready") this.#note(`lost ${now}`, now, t`The engine is not ready: ${engine.state}`, "lost");
    this.#state = engine.state;
    const pids = new Set(web.workers.map((worker) => worker.pid));
    for (const worker of web.workers) this.#note(`worker ${worker.pid}`, now - worker.age_seconds * 1000, t`Web worker ${worker.pid} began`, "web");
    if (pids.size) {
      for (const pid of this.#workers ?? []) if (!pids.has(pid)) this.#note(`gone ${pid} ${now}`, now, t`Web worker ${pid} ended`, "lost");
      this.#workers = pids;
    }
    this.#draw(now);
  }

  #note(key, at, text, kind) {
    if (this.#events.some((event) => event.key === key && Math.abs(event.at - at) < SPAN)) return; // a pid may come again, later
    this.#events = [...this.#events, { key, at, text, kind }].sort((a, b) => b.at - a.at).slice(0, MOST);
    save("events", this.#events);
  }

  #draw(now) {
    const recent = this.#events.filter((event) => now - event.at < SPAN && event.at <= now);
    $("line").replaceChildren(...recent.map((event) => {
      const mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [name, value] of Object.entries({ x: 300 - ((now - event.at) / SPAN) * 298, y: 4, width: 2, height: 24, class: event.kind })) mark.setAttribute(name, value);
      return mark;
    }));
    const keys = this.#events.map((event) => event.key).join();
    if (keys === this.#drawn) return;
    this.#drawn = keys;
    $("events").replaceChildren(...this.#events.map((event) => element("li", { className: event.kind }, element("time", {}, new Date(event.at).toLocaleString()), ` ${event.text}`)));
  }
}
