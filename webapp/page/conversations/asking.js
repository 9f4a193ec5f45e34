// One answer of the server's, asked for as a stream that can be resumed, and read to its end whatever becomes of the connection.
// A server that knows no such streams sends an ordinary one.

import { ApiError, ask } from "../shared/api.js";
import { asChunk, events } from "../shared/stream.js";

const QUIET = 1500; // milliseconds without an event after which the engine's state is polled
const SILENT = 40_000; // milliseconds without anything, pings included, after which the connection is lost
const WOKEN_SILENT = 17_000; // the same where the page was asleep: the server pings every 15 seconds
const PAUSE = 500, LONGEST_PAUSE = 8000; // milliseconds between two tries to connect again
const PATIENCE = 3600_000; // milliseconds of trying
const PASSING = [0, 429, 502, 503, 504]; // the statuses of what passes
const UNREADY = ["engine_loading", "engine_restarting", "engine_stopping", "engine_gone"];
const NAME = /^chatcmpl-/; // the id of an answer: other ids are the server's name for the request alone

export class Asking {
  stream = ""; // the answer's id, once it is known
  resumable; // whether the server keeps the answer for those who come again; undefined: it is not known yet
  #stop = new AbortController();
  #last = -1; // the number of the last event
  #heard = 0;
  #event = 0;
  #connection = null; // aborts the connection that is read
  #wake = null; // ends the pause before the next try

  // `onStream` is called once the answer's id is known.
  constructor(engine, onStream = () => {}) {
    this.engine = engine;
    this.onStream = onStream;
  }

  // Sends the request, and adds each chunk to `answer`. Waits while the engine loads. Throws an ApiError, or an AbortError if
  // it is stopped.
  async ask(body, answer) {
    await this.#attended(async () => {
      const response = await this.#send(body);
      if (!body.stream) answer.add(asChunk(await response.json()));
      else await this.#read(response, answer);
    });
  }

  // Adds all chunks of a stream that was asked for before to `answer`. Throws as `ask` does.
  async follow(stream, answer) {
    this.stream = stream;
    this.resumable = true;
    await this.#attended(async () => this.#read(await this.#again(), answer));
  }

  // Has the server end the answer, too.
  stop() {
    this.#stop.abort();
    if (this.stream && this.resumable !== false) cancel(this.stream);
  }

  async #attended(work) {
    this.#heard = this.#event = Date.now();
    const watchdog = setInterval(() => this.#watch(SILENT), 250);
    const woken = () => this.#watch(WOKEN_SILENT), online = () => this.#watch(0);
    document.addEventListener("visibilitychange", woken);
    addEventListener("online", online);
    try {
      await work();
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      throw error;
    } finally {
      clearInterval(watchdog);
      document.removeEventListener("visibilitychange", woken);
      removeEventListener("online", online);
      this.engine.watch(this, false);
    }
  }

  #watch(silent) {
    this.engine.watch(this, Date.now() - this.#event > QUIET);
    if (silent < SILENT) this.#wake?.();
    if (this.resumable && Date.now() - this.#heard > silent) this.#connection?.abort();
  }

  async #send(body) {
    const { signal } = this.#stop;
    let headers = body.stream ? { "X-Resumable": "1" } : {};
    for (;;) {
      signal.throwIfAborted();
      // The server goes on with a resumable stream when the connection is cut: one that is stopped must be cancelled by its id.
      const response = ask("/v1/chat/completions", { body, headers, signal: headers["X-Resumable"] ? undefined : signal });
      try {
        const accepted = await Promise.race([response, aborted(signal)]);
        this.#named(accepted.headers.get("X-Request-ID") ?? "");
        return accepted;
      } catch (error) {
        if (signal.aborted) response.then(discard, () => {});
        if (error.code === "too_many_jobs" && headers["X-Resumable"]) headers = {};
        else if (UNREADY.includes(error.code)) await this.#ready(signal);
        else throw error;
      }
    }
  }

  async #ready(signal) {
    this.engine.watch(this, true);
    await this.engine.ready(signal);
  }

  #named(name) {
    if (this.stream || !NAME.test(name)) return;
    this.stream = name;
    this.onStream(name);
  }

  async #read(first, answer) {
    for (let response = first; ;) {
      try {
        this.#connection = new AbortController();
        await this.#readOnce(response, answer);
        return;
      } catch (error) {
        const cut = error.status === 0 || error.code === "job_store_unavailable";
        if (this.#stop.signal.aborted || !cut || !this.stream || this.resumable === false) throw error;
        response = await this.#again(error);
      }
    }
  }

  async #readOnce(response, answer) {
    const signal = AbortSignal.any([this.#stop.signal, this.#connection.signal]);
    const heard = () => (this.#heard = Date.now());
    for await (const { number, event } of events(response, { signal, heard })) {
      this.#event = Date.now();
      if (number !== null) {
        this.#last = number;
        this.#named(event.id ?? "");
      }
      this.resumable = number !== null;
      answer.add(event);
    }
  }

  // Returns the rest of the stream, after the connection was lost by `cut`. Tries again while the network or the server fails.
  async #again(cut = null) {
    const { signal } = this.#stop, until = Date.now() + PATIENCE;
    const path = `/v1/streams/${encodeURIComponent(this.stream)}`, headers = this.#last < 0 ? {} : { "Last-Event-ID": String(this.#last) };
    for (let pause = PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        const response = await ask(path, { headers, signal });
        this.#heard = Date.now();
        return response;
      } catch (error) {
        if (cut && error.status === 404 && this.resumable === undefined) throw cut; // it was an ordinary stream
        if (!PASSING.includes(error.status) || Date.now() > until) throw error;
      }
      await Promise.race([this.#paused(pause), aborted(signal)]);
    }
  }

  #paused(milliseconds) {
    return new Promise((resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, milliseconds);
    });
  }
}

// Has the server end an answer, and forget it.
export async function cancel(stream) {
  await ask(`/v1/streams/${encodeURIComponent(stream)}`, { method: "DELETE", keepalive: true }).catch((error) => {
    if (!(error instanceof ApiError)) throw error; // it has ended, or nobody reads it and it ends by itself
  });
}

function discard(response) {
  const name = response.headers.get("X-Request-ID") ?? "";
  response.body.cancel();
  if (NAME.test(name)) cancel(name);
}

function aborted(signal) {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
