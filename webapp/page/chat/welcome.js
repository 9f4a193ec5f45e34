// What the page shows before the first question.

import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const SUGGESTIONS = [t`Who are you?`, t`How do I restart the web tier?`, t`Write quicksort in Python.`];

// Returns some questions to begin with; `send` is called with the one that is chosen.
export function welcome(send) {
  const box = element("div", { className: "empty" }, element("p", {}, t`Ask the model a question:`));
  for (const text of SUGGESTIONS) {
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", () => send(text));
    box.append(button);
  }
  return box;
}
