// Makes a conversation fit the context again: finds which of its newest turns to keep, and has the older ones summarised.

import { countChat } from "../shared/counting.js";
import { json } from "../shared/api.js";
import { t } from "../shared/words.js";

const SUMMARISE = t`Summarise our conversation so far in at most 150 words.`;
const LENGTH = 300; // tokens of a summary, at most
const SHARE = 0.25; // of the room in the context, at most

// Resolves to the index of the first message to keep, so that `messages` from there on have at most `wanted` tokens. They begin with
// a question. `count` resolves to the token count of messages; it is called about log2(turns) times.
export async function keepFrom(messages, wanted, count) {
  const starts = messages.flatMap(({ role }, index) => (role === "user" ? [index] : []));
  let low = 0, high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((await count(messages.slice(starts[middle]))) <= wanted) high = middle;
    else low = middle + 1;
  }
  return starts[low] ?? messages.length;
}

// Resolves to two messages that stand for `messages`: a question, and the model's summary of what of them the context has room
// for, the newest first. `system`: the messages before them.
export async function summarise(messages, { system, model }, signal) {
  const question = { role: "user", content: SUMMARISE };
  const { count, limit } = await countChat([...system, question], { signal });
  const length = Math.max(1, Math.min(LENGTH, Math.floor((limit - count) * SHARE)));
  const counted = async (some) => (await countChat([...system, ...some, question], { signal })).count;
  const from = await keepFrom(messages, limit - length, counted);
  const body = { model, messages: [...system, ...messages.slice(from), question], max_tokens: length, temperature: 0 };
  const { choices } = await json("/v1/chat/completions", { body, signal });
  return [question, { role: "assistant", content: choices[0].message.content ?? "" }];
}
