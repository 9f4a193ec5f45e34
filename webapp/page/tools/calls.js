// The calls of functions in an answer, and a form for their results: the reader runs the functions.

import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const LONGEST = 20_000; // characters of arguments that are shown

// Adds the pieces `deltas` of a stream to `calls`, which are in the form of the API.
export function addCalls(calls, deltas) {
  for (const { index = calls.length, id, function: { name, arguments: more } = {} } of deltas) {
    const call = (calls[index] ??= { id: "", type: "function", function: { name: "", arguments: "" } });
    call.id ||= id ?? "";
    call.function.name ||= name ?? "";
    call.function.arguments += more ?? "";
  }
}

export function callList(calls) {
  return element("div", { className: "calls" }, ...calls.map(({ function: { name, arguments: given } }) =>
    element("details", { open: true },
      element("summary", {}, t`Call of`, " ", element("code", {}, name)),
      element("pre", { tabIndex: 0, dir: "ltr" }, pretty(given).slice(0, LONGEST)))));
}

// `send` is called with the messages that have the results, one for each call.
export function resultForm(calls, send) {
  const fields = calls.map(({ function: { name } }) => {
    const field = element("textarea", { rows: 2, dir: "auto", spellcheck: false });
    field.setAttribute("aria-label", t`Result of ${name}`);
    field.placeholder = t`Result of ${name}`;
    return field;
  });
  const button = element("button", { className: "first" }, calls.length > 1 ? t`Send the results` : t`Send the result`);
  const form = element("form", { className: "results" }, ...fields, element("p", { className: "actions" }, button));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(calls.map(({ id }, at) => ({ role: "tool", tool_call_id: id, content: fields[at].value })));
  });
  return form;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // it was cut off
  }
}
