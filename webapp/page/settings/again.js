// Another answer with other settings, which are used this once: a preset, and the settings that are changed most.

import { presets } from "./presets.js";
import { bodyOf } from "./fields.js";
import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const NUMBERS = ["temperature", "top_p", "max_tokens", "seed"];
const CURRENT = "current", DEFAULT = "default", PRESET = "preset ";
const $ = (id) => document.getElementById(id);

// Asks for the settings of an answer; `answer` is called with them, as `system` and the `body` of a request.
export function askAgain(fields, answer) {
  const choice = $("again-preset");
  const values = () => {
    if (choice.value === DEFAULT) return {};
    return choice.value === CURRENT ? fields.values : (presets().get(choice.value.slice(PRESET.length)) ?? fields.values);
  };
  const show = () => {
    for (const name of NUMBERS) $(`again-${name}`).value = values()[name] ?? "";
  };
  choice.replaceChildren(
    element("option", { value: CURRENT }, t`The present settings`),
    element("option", { value: DEFAULT }, t`The defaults`),
    ...[...presets().keys()].map((name) => element("option", { value: PRESET + name }, name)),
  );
  choice.onchange = show;
  $("again").onclose = () => {
    if ($("again").returnValue !== "answer") return;
    const { system, ...chosen } = values();
    for (const name of NUMBERS) {
      const text = $(`again-${name}`).value;
      if (text === "") delete chosen[name];
      else chosen[name] = Number(text);
    }
    answer({ system: system ?? fields.system, body: bodyOf(chosen) });
  };
  show();
  $("again").returnValue = "";
  $("again").showModal();
}
