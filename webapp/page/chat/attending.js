// Shows answers while they are read, whichever conversation is open meanwhile, and what has become of them.

import { alternatives, keepOthers, offerChoice } from "./alternatives.js";
import { Answer } from "./answer.js";
import { askKey } from "./frame.js";
import { leading, textOf } from "../conversations/talk.js";
import { t } from "../shared/words.js";

export const WAS_STOPPED = t`Stopped.`, NOT_COMPLETE = t`This answer was not completed.`;
const $ = (id) => document.getElementById(id);

// Returns a function that reads an answer to the open conversation, with parts of the page and these functions of its own:
// `opened` returns the open conversation, and `open` opens another; `show` and `list` draw what has changed; `buttons` returns
// those of a message; `goOn` goes on with one of several answers.
export function attending({ opened, engine, shelf, drafts, running, transcript, context, show, open, list, buttons, goOn, askForResults }) {
  // `read` is called with the conversation and the answer. `continues`: the answer is the rest of the last message. `again`: it was
  // asked for before, in another tab or before the page was loaded.
  return async function attend(read, continues, again = false) {
    const mine = opened(), index = mine.messages.length - (continues ? 1 : 0);
    const body = continues ? transcript.reopen(index) : transcript.add("assistant", null, index);
    const answer = new Answer(body, continues ? textOf(mine.messages[index]).trimEnd() : "", again);
    running.add(mine, transcript.article(index));
    answer.drawn = () => {
      if (mine !== opened()) return;
      transcript.bottom();
      $("figures").textContent = answer.figures;
    };
    const reading = read(mine, answer);
    shelf.put(mine); // it is listed from its first question on
    drafts.begin(mine.id);
    location.hash = mine.id;
    show();
    list();
    context.renewed();
    const problem = await reading.then(() => null, (error) => error);
    if (problem?.status === 401) askKey();
    if (problem?.status === 0) engine.poll();
    running.end(mine);
    answer.end();
    mine.cut = Boolean(answer.text) && (problem !== null || answer.finish === "length");
    if (shelf.find(mine.id)) shelf.put(mine);
    if (answer.texts.length > 1 && !problem) offerOthers(mine, index, answer);
    if (mine !== opened()) list();
    else if (mine.gone) open(mine.id);
    else finish(mine, index, answer, problem);
  };

  function finish(mine, index, answer, problem) {
    show();
    $("figures").textContent = "";
    const stopped = problem?.name === "AbortError", failure = stopped ? WAS_STOPPED : problem?.message;
    const lost = mine.kept ? "" : t`This browser's storage is full: what you close now is lost.`;
    const note = [failure || answer.warning || answer.figures, lost].filter(Boolean).join(" · ");
    transcript.actions(index, buttons(index), note, Boolean(problem) && !stopped);
    askForResults();
    list();
    context.changed();
    $("prompt").focus({ preventScroll: true });
    if (problem?.code === "context_length_exceeded") context.refused();
  }

  // The first answer is that of the conversation; the others are versions.
  function offerOthers(mine, index, answer) {
    const talks = alternatives(mine, index, answer.texts);
    offerChoice(answer.target, (number) => opened().running || goOn(talks[number]));
    keepOthers(talks, leading(mine.system), (stored) => {
      shelf.put(stored);
      list();
    });
  }
}
