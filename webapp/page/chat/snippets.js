// A request as a curl command or a Python program. The API key is never included.

import { key } from "../shared/api.js";

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export function curl(body) {
  const lines = [`curl -sN ${location.origin}/v1/chat/completions`, "-H 'Content-Type: application/json'"];
  if (key()) lines.push('-H "Authorization: Bearer $HEARTH_API_KEY"');
  return [...lines, `-d ${quoted(JSON.stringify(body, null, 2))}`].join(" \\\n  ");
}

// The SDK's own parameters; all other fields go into `extra_body`.
const OWN = new Set(("messages model temperature top_p n max_tokens stop presence_penalty frequency_penalty logit_bias user seed " +
  "logprobs top_logprobs stream stream_options").split(" "));

const STREAMED = ["for chunk in stream:", "    if chunk.choices:", '        print(chunk.choices[0].delta.content or "", end="", flush=True)'];
const WHOLE = ['print(answer.choices[0].message.content, end="")'];

export function python(body) {
  const own = Object.entries(body).filter(([name]) => OWN.has(name));
  const extra = Object.entries(body).filter(([name]) => !OWN.has(name));
  const lines = own.map(([name, value]) => `    ${name}=${literal(value)},`);
  if (extra.length) lines.push(`    extra_body=${literal(Object.fromEntries(extra))},`);
  return [
    ...(key() ? ["import os", ""] : []),
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url="${location.origin}/v1", api_key=${key() ? 'os.environ["HEARTH_API_KEY"]' : '"none"'})`,
    `${body.stream ? "stream" : "answer"} = client.chat.completions.create(`,
    ...lines,
    ")",
    ...(body.stream ? STREAMED : WHOLE),
    "",
  ].join("\n");
}

function literal(value) {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${literal(item)}`).join(", ")}}`;
  return JSON.stringify(value); // numbers and strings have the same syntax in JSON and Python
}
