// What is typed as JSON: the functions that the model may call, and the schema that its answer must match.

import { t } from "../shared/words.js";

const MOST = 100_000; // characters
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isFunction = (tool) => isObject(tool) && isObject(tool.function) && typeof tool.function.name === "string" && tool.function.name !== "";

export const areFunctions = (value) => Array.isArray(value) && value.length > 0 && value.every(isFunction);
export const isSchema = isObject;

// Returns the functions that `text` defines, in the form of the API; undefined for an empty text. One function need not be in an array,
// and a function not in an object of type `function`. Throws an Error that says in words what is wrong.
export function functionsOf(text) {
  if (!text.trim()) return undefined;
  const tools = [parsed(text)].flat().map((tool) => (isObject(tool) && isObject(tool.function) ? tool : { type: "function", function: tool }));
  if (!areFunctions(tools)) throw new Error(t`Expected an array of functions, each an object with a name.`);
  const names = tools.map((tool) => tool.function.name), double = names.find((name, at) => names.indexOf(name) < at);
  if (double) throw new Error(t`Two functions have the name ${double}.`);
  const odd = tools.find(({ function: { parameters = {} } }) => !isObject(parameters));
  if (odd) throw new Error(t`The parameters of ${odd.function.name} must be a JSON Schema, which is an object.`);
  return tools;
}

// Returns the JSON Schema that `text` is; undefined for an empty text. Throws an Error that says in words what is wrong.
export function schemaOf(text) {
  if (!text.trim()) return undefined;
  const schema = parsed(text);
  if (!isSchema(schema)) throw new Error(t`Expected a JSON Schema, which is an object.`);
  return schema;
}

export const written = (value) => (value === undefined ? "" : JSON.stringify(value, null, 1));

function parsed(text) {
  if (text.length > MOST) throw new Error(t`This has ${text.length} characters; at most ${MOST} are taken.`);
  try {
    return JSON.parse(text);
  } catch (error) {
    const [, line, column] = error.message.match(/line (\d+) column (\d+)/) ?? []; // not every browser says it, nor of every text
    throw new Error(line ? t`This is not JSON: see line ${line}, column ${column}.` : t`This is not JSON.`);
  }
}
