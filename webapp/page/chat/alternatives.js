// Several answers to one question: they stream side by side, the reader goes on with one, and the others are kept as versions.

import { element } from "../shared/element.js";
import { store } from "../conversations/storing.js";
import { load, save } from "../shared/store.js";
import { t } from "../shared/words.js";

const MAX_KEPT = 4;
const $ = (id) => document.getElementById(id);

// Sets up the switch for two answers; returns a function that tells whether it is on.
export function pairSwitch() {
  let on = load("pair", false);
  const show = () => $("pair").setAttribute("aria-pressed", String(on));
  $("pair").addEventListener("click", () => {
    on = !on;
    save("pair", on);
    show();
  });
  show();
  return () => on;
}

// The settings with which a question is answered twice. Only the best of several could not be streamed.
export const twice = ({ system, body: { best_of, use_beam_search, ...body } }) => ({ system, body: { ...body, n: 2 } });

// Returns a conversation for each of the answers `texts` to message `index`: the first is `talk`, which has that answer.
export function alternatives(talk, index, texts) {
  return texts.map((text, number) => {
    if (number === 0) return talk;
    const other = talk.branch(index);
    other.messages.push({ role: "assistant", content: text });
    return other;
  });
}

// Stores the other answers on the server; `stored` is called with each. What cannot be stored now is stored with its next turn, and
// so are conversations with calls, of which only the text could be stored here.
export async function keepOthers(talks, system, stored) {
  if (talks[0].messages.some(({ role, tool_calls: calls }) => role === "tool" || calls?.length)) return;
  for (const talk of talks.slice(1, MAX_KEPT)) {
    try {
      const id = await store([...system, ...talk.messages]);
      if (talk.messages.at(-1).role !== "assistant" || talk.running) continue; // the reader went on, and it is stored so
      talk.storedAs(id);
      stored(talk);
    } catch {
      return;
    }
  }
}

// Puts a button under each answer in `body`; `choose` is called with the number of the one to go on with.
export function offerChoice(body, choose) {
  [...body.querySelectorAll(":scope > .text")].forEach((text, number) => {
    const button = element("button", { type: "button" }, t`Go on with this answer`);
    button.addEventListener("click", () => choose(number));
    const row = element("p", { className: "choose" }, button);
    row.dataset.choice = number;
    text.after(row);
  });
}
