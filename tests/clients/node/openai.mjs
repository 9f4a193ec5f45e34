// OpenAI's SDK for Node: a chat, a stream, a tool call, a typed answer, responses.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.env.HEARTH_URL}/v1`, apiKey: "none", maxRetries: 0 });
const model = "hearth-demo";
const messages = [{ role: "user", content: "Who are you?" }];

const whole = await client.chat.completions.create({ model, messages, temperature: 0 });
const text = whole.choices[0].message.content;
assert.match(text, /Hearth/);

let streamed = "";
for await (const chunk of await client.chat.completions.create({ model, messages, temperature: 0, stream: true })) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
}
assert.equal(streamed, text);

const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const description = "Get the weather of a city";
const runner = client.chat.completions.runTools({
  model,
  messages: [{ role: "user", content: "What is the weather in Paris?" }],
  temperature: 0,
  tools: [
    {
      type: "function",
      function: {
        name: "get_weather",
        description,
        parameters,
        parse: JSON.parse,
        function: ({ city }) => {
          assert.equal(city, "Paris");
          return { weather: "sunny", temperature: 22 };
        },
      },
    },
  ],
});
assert.match(await runner.finalContent(), /sunny/);

const schema = { type: "object", properties: { yes: { type: "boolean" } }, required: ["yes"], additionalProperties: false };
const typed = await client.chat.completions.parse({
  model,
  messages: [{ role: "user", content: "Hello" }],
  response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } },
});
assert.equal(typeof JSON.parse(typed.choices[0].message.content).yes, "boolean");

const first = await client.responses.create({ model, input: "Who are you?", temperature: 0 });
assert.equal(first.output_text, text);
const events = await client.responses.stream({ model, input: "Who are you?", temperature: 0 });
assert.equal((await events.finalResponse()).output_text, text);
assert.equal((await client.responses.retrieve(first.id)).output_text, text);
