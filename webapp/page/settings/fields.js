// Form controls for the request fields. Types, ranges, defaults and descriptions come from the API (/openapi.json).

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
  Prompt: ["echo", "add_generation_prompt", "user"],
};
const TITLES = {
  Instructions: t`Instructions`, Length: t`Length`, Sampling: t`Sampling`, Penalties: t`Penalties`, Choices: t`Choices`, Tokens: t`Tokens`,
  Prompt: t`Prompt`,
};
const EMPTY = t`an empty value`;
const SYSTEM = { description: t`The system message: the model reads it before the conversation.`, type: "string" };
const LOGPROBS = { description: t`Show each token's probability and the alternatives when you point at the token.`, type: "boolean", default: false };

export class Fields {
  #values = load("fields", {});
  #own = this.#values.system; // the system message of new conversations
  #controls = new Map();

  // Adds the controls to `target`. `schema` is the API's schema of a chat request, or null if it could not be fetched.
  build(target, schema) {
    const reset = element("button", { type: "button" }, t`Reset all`);
    reset.addEventListener("click", () => this.#reset());
    target.replaceChildren(element("h2", {}, t`Settings`), reset);
    for (const [group, names] of Object.entries(GROUPS)) {
      const fieldset = element("fieldset", {}, element("legend", {}, TITLES[group]));
      if (group === "Instructions") fieldset.append(this.#field("system", SYSTEM), this.#field("logprobs", LOGPROBS));
      for (const name of names) if (schema?.properties[name]) fieldset.append(this.#field(name, schema.properties[name]));
      target.append(fieldset);
    }
  }

  get system() {
    return this.#values.system ?? "";
  }

  // Sets the system message of an opened conversation. The reader's own setting is kept for new conversations.
  set system(text) {
    this.#put("system", text || undefined);
    this.#controls.get("system")?.show();
  }

  get own() {
    return this.#own ?? "";
  }

  // The request fields that differ from the API's defaults.
  get body() {
    const { system, logprobs, ...rest } = this.#values;
    return logprobs ? { ...rest, logprobs: true, top_logprobs: 5 } : rest;
  }

  #put(name, value) {
    if (value === undefined) delete this.#values[name];
    else this.#values[name] = value;
    this.#controls.get(name)?.box.classList.toggle("changed", value !== undefined);
  }

  #set(name, value) {
    this.#put(name, value);
    if (name === "system") this.#own = value;
    save("fields", { ...this.#values, system: this.#own });
  }

  #reset() {
    this.#values = {};
    this.#own = undefined;
    save("fields", {});
    for (const control of this.#controls.values()) {
      control.show();
      control.box.classList.remove("changed");
    }
  }

  #field(name, spec) {
    const kind = kindOf(spec), input = kind.make(spec), id = `field-${name}`;
    const description = element("small", { id: `${id}-description` }, t(spec.description ?? "").replaceAll("`", ""));
    Object.assign(input, { id, name });
    input.setAttribute("aria-describedby", description.id);
    const label = element("label", { htmlFor: id }, name);
    const box = element("div", { className: "field" }, label);
    (input.tagName === "TEXTAREA" ? box : label).append(input);
    box.append(description);
    const show = () => kind.write(input, this.#values[name], spec);
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
    this.#controls.set(name, { show, box });
    show();
    box.classList.toggle("changed", this.#values[name] !== undefined);
    return box;
  }
}

const lines = (input) => input.value.split("\n").filter((line) => line !== "").map(unescape);
const unescape = (line) => line.replace(/\\([nt\\])/g, (_, letter) => ({ n: "\n", t: "\t", "\\": "\\" })[letter]);
const escape = (text) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\t", "\\t");
const orUndefined = (list) => (list.length ? list : undefined);

function number(text) {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new Error(t`${text.trim() || EMPTY} is not a number`);
  return value;
}

const text = (rows, placeholder) => () => element("textarea", { rows, placeholder, spellcheck: false });

const KINDS = {
  number: {
    make: (spec) => Object.assign(element("input", { type: "number", placeholder: placeholder(spec) }), range(spec)),
    read: (input) => {
      if (input.validity.badInput || input.validity.rangeOverflow || input.validity.rangeUnderflow || input.validity.stepMismatch) {
        throw new Error(t`must be from ${input.min} to ${input.max}`);
      }
      return input.value === "" ? undefined : Number(input.value);
    },
    write: (input, value) => (input.value = value ?? ""),
  },
  boolean: {
    make: () => element("input", { type: "checkbox" }),
    read: (input, spec) => (input.checked === spec.default ? undefined : input.checked),
    write: (input, value, spec) => (input.checked = value ?? spec.default),
  },
  choice: {
    make: () => element("select", {}, ...["", "true", "false"].map((value) => element("option", { value }, value || t`default`))),
    read: (input) => (input.value === "" ? undefined : input.value === "true"),
    write: (input, value) => (input.value = value === undefined ? "" : String(value)),
  },
  string: {
    make: text(2, ""),
    read: (input) => input.value || undefined,
    write: (input, value) => (input.value = value ?? ""),
  },
  strings: {
    make: text(2, t`one per line; \\n is a newline`),
    read: (input) => orUndefined(lines(input)),
    write: (input, value) => (input.value = (value ?? []).map(escape).join("\n")),
  },
  numbers: {
    make: text(1, "128009, 128001"),
    read: (input) => orUndefined(input.value.split(/[\s,]+/).filter(Boolean).map(number)),
    write: (input, value) => (input.value = (value ?? []).join(", ")),
  },
  biases: {
    make: text(2, t`one per line: token -1.5`),
    read: (input) => {
      const pairs = lines(input).map((line) => [line.slice(0, line.lastIndexOf(" ")), number(line.slice(line.lastIndexOf(" ") + 1))]);
      return pairs.length ? Object.fromEntries(pairs) : undefined;
    },
    write: (input, value) => (input.value = Object.entries(value ?? {}).map(([token, bias]) => `${escape(token)} ${bias}`).join("\n")),
  },
};

function kindOf(spec) {
  const types = [spec, ...(spec.anyOf ?? [])].flatMap((option) => option.type ?? []);
  if (types.includes("array")) {
    const items = spec.items ?? spec.anyOf.find((option) => option.items).items;
    return KINDS[items.type === "integer" ? "numbers" : "strings"];
  }
  if (types.includes("object")) return KINDS.biases;
  if (types.includes("boolean")) return KINDS[spec.default === null ? "choice" : "boolean"];
  return types.includes("string") ? KINDS.string : KINDS.number;
}

const placeholder = (spec) => t(String(spec["x-default"] ?? spec.default ?? "")).replaceAll("`", "");

function range(spec) {
  const whole = [spec.type].flat().includes("integer");
  return { min: spec.minimum ?? spec.exclusiveMinimum ?? "", max: spec.maximum ?? "", step: whole ? 1 : "any" };
}
