// Turns that the server has not stored, kept in this browser: answers that are being written, were stopped, or have failed.

import { now } from "../shared/clock.js";
import { load, namesFrom, remove, save } from "../shared/store.js";

const MOST = 50; // turns; the oldest are forgotten
const STATES = ["running", "stopped", "failed"];
export const RUNNING = "running", STOPPED = "stopped", FAILED = "failed";
export const TURN = "turn.";

// Returns the turn of conversation `id`, or null: `messages` follow the first `count` that the server has of conversation `of`;
// `system` is the system message, `stream` names the stream of the answer ("" where it cannot be read again), `state` is of STATES;
// `continues`: the answer is the rest of the last message.
export function find(id) {
  const { of = id, count = 0, messages, system = "", stream = "", state, continues = false, at = 0 } = load(TURN + id, {});
  const valid = Array.isArray(messages) && messages.length > 0 && messages.every((message) => typeof message?.role === "string");
  return valid && STATES.includes(state) && Number.isInteger(count) ? { of: String(of), count, messages, system: String(system), stream: String(stream), state, continues: continues === true, at } : null;
}

// Returns whether the browser has stored the turn.
export function put(id, turn) {
  const stored = save(TURN + id, { ...turn, at: now() });
  const ids = namesFrom(TURN);
  if (ids.length > MOST) {
    const oldest = ids.sort((one, other) => (find(one)?.at ?? 0) - (find(other)?.at ?? 0));
    for (const old of oldest.filter((each) => each !== id).slice(0, ids.length - MOST)) drop(old);
  }
  return stored;
}

export function drop(id) {
  remove(TURN + id);
}
