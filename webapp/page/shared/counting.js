// How many tokens a conversation has: the server counts them, with the model's own chat template.

import { json } from "./api.js";

export const MAX_COUNTED = 1_000_000; // characters; more is not sent for the sake of a number

// Resolves to the token count of `messages`, and the context's length as `limit`. `tools` are in the prompt, too.
export async function countChat(messages, { tools, signal } = {}) {
  const counted = await json("/tokenize", { body: { messages, tools }, signal });
  return { count: counted.count, limit: counted.max_model_len };
}

export async function countText(prompt, signal) {
  return prompt ? (await json("/tokenize", { body: { prompt, add_special_tokens: false }, signal })).count : 0;
}

// The size of `messages` in characters, for which nothing is rendered.
export function sizeOf(messages) {
  let size = 0;
  for (const { content } of messages) size += typeof content === "string" ? content.length : JSON.stringify(content ?? "").length;
  return size;
}
