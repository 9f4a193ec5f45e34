// Form controls for the request fields. Types, ranges, defaults and descriptions come from the API (/openapi.json).

import { kindOf } from "./kinds.js";
import { load, save } from "../shared/store.js";
import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const GROUPS = {
  Instructions: ["force_prompt"],
  Length: ["max_tokens", "stop", "stop_token_ids", "add_default_stop", "ignore_eos", "include_stop_str_in_output", "enable_repeat_stopper"],
  Sampling: ["temperature", "top_p", "top_k", "min_p", "seed"],
  Penalties: ["presence_penalty", "frequency_penalty", "repetition_penalty"],
  Choices: ["n", "best_of", "use_beam_search", "length_penalty"],
  Tokens: ["logit_bias", "white_list_token", "white_list_token_ids", "skip_special_tokens", "spaces_between_special_tokens"],
  Tools: [],
  Prompt: ["echo", "add_generation_prompt", "user"],
};
const TITLES = {
  Instructions: t`Instructions`, Length: t`Length`, Sampling: t`Sampling`, Penalties: t`Penalties`, Choices: t`Choices`, Tokens: t`Tokens`,
  Tools: t`Tools`, Prompt: t`Prompt`,
};
const SYSTEM = { description: t`The system message: the model reads it before the conversation.`, type: "string" };
const LOGPROBS = { description: t`Show each token's probability and the alternatives when you point at the token.`, type: "boolean", default: false };

const OWN = {
  system: SYSTEM,
  logprobs: LOGPROBS,
  tools: { control: "functions", description: t`Functions that the model may call, as JSON. Their calls are shown, and you type the results.` },
  tool_choice: { control: "option", options: ["auto", "required", "none"], description: t`Whether the model calls a function: as it likes, always or never.` },
  schema: { control: "schema", description: t`The answer is JSON that matches this JSON Schema.` },
};
const OWN_GROUPS = { Instructions: ["system", "logprobs"], Tools: ["tools", "tool_choice", "schema"] };

export class Fields extends EventTarget {
  #values = load("fields", {});
  #own = this.#values.system; // the system message of new conversations
  #specs = null; // by field: its part of the API's schema; null: not known yet
  #controls = new Map();

  // Adds the controls to `target`, below `above`. `schema` is the API's schema of a chat request, or null if it could not be fetched.
  build(target, schema, above) {
    const named = Object.values(GROUPS).flat().filter((name) => schema?.properties[name]);
    this.#specs = new Map([...Object.entries(OWN), ...named.map((name) => [name, schema.properties[name]])]);
    if (schema) this.#values = this.#fitting(this.#values);
    const reset = element("button", { type: "button" }, t`Reset all`);
    reset.addEventListener("click", () => this.take({}));
    target.replaceChildren(element("h2", {}, t`Settings`), above, reset);
    for (const [group, names] of Object.entries(GROUPS)) {
      const own = OWN_GROUPS[group] ?? [];
      const fields = [...own, ...names].filter((name) => this.#specs.has(name)).map((name) => this.#field(name, this.#specs.get(name)));
      target.append(element("fieldset", {}, element("legend", {}, TITLES[group]), ...fields));
    }
    this.#tell();
  }

  // The values that differ from the defaults, by field. "change" is dispatched when they are others than before.
  get values() {
    return { ...this.#values };
  }

  // Replaces all values.
  take(values) {
    this.#values = this.#fitting(values);
    this.#own = this.#values.system;
    for (const control of this.#controls.values()) control.show();
    this.#keep();
  }

  reset(name) {
    this.#set(name, undefined);
    this.#controls.get(name)?.show();
  }

  get system() {
    return this.#values.system ?? "";
  }

  // Sets the system message of an opened conversation. The reader's own setting is kept for new conversations.
  set system(text) {
    this.#put("system", text || undefined);
    this.#controls.get("system")?.show();
    this.#tell();
  }

  get own() {
    return this.#own ?? "";
  }

  // The request fields that differ from the API's defaults.
  get body() {
    return bodyOf(this.#values);
  }

  // What a browser keeps may be anything: returns the values that their controls can show.
  #fitting(values) {
    if (!this.#specs) return { ...values };
    return Object.fromEntries(Object.entries(values).filter(([name, value]) => this.#specs.has(name) && kindOf(this.#specs.get(name)).fits(value)));
  }

  #put(name, value) {
    if (value === undefined) delete this.#values[name];
    else this.#values[name] = value;
    this.#controls.get(name)?.mark();
  }

  #set(name, value) {
    this.#put(name, value);
    if (name === "system") this.#own = value;
    this.#keep();
  }

  #keep() {
    save("fields", { ...this.#values, system: this.#own });
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }

  #field(name, spec) {
    const kind = kindOf(spec), input = kind.make(spec), id = `field-${name}`;
    const description = element("small", { id: `${id}-description` }, t(spec.description ?? "").replaceAll("`", ""));
    Object.assign(input, { id, name });
    input.setAttribute("aria-describedby", description.id);
    const label = element("label", { htmlFor: id }, name);
    const reset = element("button", { type: "button", className: "reset" }, t`Reset`);
    reset.setAttribute("aria-label", t`Reset ${name}`);
    reset.addEventListener("click", () => this.reset(name));
    const box = element("div", { className: "field" }, label);
    (input.tagName === "TEXTAREA" ? box : label).append(input);
    box.append(reset, description);
    const mark = () => {
      reset.hidden = this.#values[name] === undefined;
      box.classList.toggle("changed", !reset.hidden);
    };
    const show = () => {
      input.setCustomValidity("");
      kind.write(input, this.#values[name], spec);
      mark();
    };
    input.addEventListener("change", () => {
      try {
        const value = kind.read(input, spec);
        input.setCustomValidity("");
        this.#set(name, value);
      } catch (error) {
        input.setCustomValidity(error.message);
      }
      input.reportValidity();
    });
    this.#controls.set(name, { show, mark });
    show();
    return box;
  }
}

// The request fields of values: log probabilities are asked for with their alternatives, a schema as a format.
export function bodyOf({ system, logprobs, schema, tool_choice, ...rest }) {
  const body = logprobs ? { ...rest, logprobs: true, top_logprobs: 5 } : rest;
  if (schema) body.response_format = { type: "json_schema", json_schema: { name: "answer", schema } };
  if (tool_choice && rest.tools) body.tool_choice = tool_choice;
  return body;
}
