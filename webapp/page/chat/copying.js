// What the buttons under a message copy: its text, or the request that produced it.

import { curl, python } from "./snippets.js";
import { Talk, textOf } from "../conversations/talk.js";
import { confirmCopy, copy } from "../shared/clipboard.js";

// Returns functions by button name. `read` returns the open conversation, the settings and the model's name.
export function copying(read) {
  const request = (write) => (index, button) => {
    const { talk, fields, model } = read(), asked = new Talk();
    asked.messages = talk.messages.slice(0, index);
    return confirmCopy(button, copy(write(asked.body(fields, model))));
  };
  const text = (index, button) => confirmCopy(button, copy(textOf(read().talk.messages[index])));
  return { copy: text, curl: request(curl), python: request(python) };
}
