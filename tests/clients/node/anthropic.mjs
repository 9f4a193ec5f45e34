// Anthropic's SDK for Node: a message, a stream, a tool, a count, an error.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: process.env.HEARTH_URL, apiKey: "none", maxRetries: 0 });
const greedy = { model: "hearth-demo", max_tokens: 100, temperature: 0 };
const messages = [{ role: "user", content: "Who are you?" }];
const textOf = (message) => message.content.map((block) => block.text ?? "").join("");

const whole = await client.messages.create({ ...greedy, messages });
assert.match(textOf(whole), /Hearth/);
assert.equal(whole.stop_reason, "end_turn");

let streamed = "";
const stream = client.messages.stream({ ...greedy, messages }).on("text", (piece) => (streamed += piece));
assert.equal(textOf(await stream.finalMessage()), textOf(whole));
assert.equal(streamed, textOf(whole));

const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ name: "get_weather", description: "Get the weather of a city", input_schema: city }];
const asked = [{ role: "user", content: "What is the weather in Paris?" }];
const called = await client.messages.stream({ ...greedy, tools, messages: asked }).finalMessage();
const call = called.content.find((block) => block.type === "tool_use");
assert.deepEqual(call.input, { city: "Paris" });
const result = { type: "tool_result", tool_use_id: call.id, content: '{"weather": "sunny", "temperature": 22}' };
const turns = [...asked, { role: "assistant", content: called.content }, { role: "user", content: [result] }];
assert.match(textOf(await client.messages.create({ ...greedy, tools, messages: turns })), /sunny/);

const counted = await client.messages.countTokens({ model: "hearth-demo", messages });
assert.ok(counted.input_tokens > 0);

const image = { type: "image", source: { type: "url", url: "http://localhost/a.png" } };
await assert.rejects(client.messages.create({ ...greedy, messages: [{ role: "user", content: [image] }] }), (error) => {
  assert.ok(error instanceof Anthropic.BadRequestError);
  assert.equal(error.error.error.type, "invalid_request_error");
  return true;
});
