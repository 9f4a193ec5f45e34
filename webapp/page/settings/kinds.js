// The kinds of controls that request fields have: how one is made, read and written, and which values it can show.

import { areFunctions, functionsOf, isSchema, schemaOf, written } from "../tools/definitions.js";
import { element } from "../shared/element.js";
import { t } from "../shared/words.js";

const EMPTY = t`an empty value`;
const isText = (value) => typeof value === "string";
const isNumber = (value) => Number.isFinite(value);
const isFlag = (value) => typeof value === "boolean";
const listOf = (fits) => (value) => Array.isArray(value) && value.every(fits);
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
    fits: isNumber,
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
    fits: isFlag,
    make: () => element("input", { type: "checkbox" }),
    read: (input, spec) => (input.checked === spec.default ? undefined : input.checked),
    write: (input, value, spec) => (input.checked = value ?? spec.default),
  },
  choice: {
    fits: isFlag,
    make: () => element("select", {}, ...["", "true", "false"].map((value) => element("option", { value }, value || t`default`))),
    read: (input) => (input.value === "" ? undefined : input.value === "true"),
    write: (input, value) => (input.value = value === undefined ? "" : String(value)),
  },
  string: {
    fits: isText,
    make: text(2, ""),
    read: (input) => input.value || undefined,
    write: (input, value) => (input.value = value ?? ""),
  },
  strings: {
    fits: listOf(isText),
    make: text(2, t`one per line; \\n is a newline`),
    read: (input) => orUndefined(lines(input)),
    write: (input, value) => (input.value = (value ?? []).map(escape).join("\n")),
  },
  numbers: {
    fits: listOf(isNumber),
    make: text(1, "128009, 128001"),
    read: (input) => orUndefined(input.value.split(/[\s,]+/).filter(Boolean).map(number)),
    write: (input, value) => (input.value = (value ?? []).join(", ")),
  },
  functions: {
    fits: areFunctions,
    make: text(4, '[{"name": "weather", "parameters": {}}]'),
    read: (input) => functionsOf(input.value),
    write: (input, value) => (input.value = written(value)),
  },
  schema: {
    fits: isSchema,
    make: text(4, '{"type": "object"}'),
    read: (input) => schemaOf(input.value),
    write: (input, value) => (input.value = written(value)),
  },
  option: {
    fits: isText,
    make: ({ options }) => element("select", {}, ...["", ...options].map((value) => element("option", { value }, value || t`default`))),
    read: (input) => input.value || undefined,
    write: (input, value) => (input.value = value ?? ""),
  },
  biases: {
    fits: (value) => value !== null && typeof value === "object" && !Array.isArray(value) && Object.values(value).every(isNumber),
    make: text(2, t`one per line: token -1.5`),
    read: (input) => {
      const pairs = lines(input).map((line) => [line.slice(0, line.lastIndexOf(" ")), number(line.slice(line.lastIndexOf(" ") + 1))]);
      return pairs.length ? Object.fromEntries(pairs) : undefined;
    },
    write: (input, value) => (input.value = Object.entries(value ?? {}).map(([token, bias]) => `${escape(token)} ${bias}`).join("\n")),
  },
};

// `control` names the kind of a field that is the page's own.
export function kindOf(spec) {
  if (spec.control) return KINDS[spec.control];
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
