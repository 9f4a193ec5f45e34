// OpenAI's SDK for Node: a chat, a stream, a tool call, a typed answer, responses, one in the background, a file and a batch.
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

const settled = async (look, live) => {
  let found = await look();
  while (live.includes(found.status)) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    found = await look();
  }
  return found;
};

const later = await client.responses.create({ model, input: "Who are you?", temperature: 0, background: true });
assert.equal(later.status, "queued");
const done = await settled(() => client.responses.retrieve(later.id), ["queued", "in_progress"]);
assert.equal(done.output_text, text);
const rest = [];
for await (const event of await client.responses.retrieve(later.id, { stream: true, starting_after: 2 })) rest.push(event);
assert.deepEqual(rest.map((event) => event.sequence_number), rest.map((_, index) => index + 3));
assert.equal(rest.at(-1).type, "response.completed");
assert.equal((await client.responses.cancel(later.id)).status, "completed");
const told = [];
const live = await client.responses.create({ model, input: "Who are you?", temperature: 0, background: true, stream: true });
for await (const event of live) told.push(event.type);
assert.deepEqual(told.slice(0, 3), ["response.created", "response.queued", "response.in_progress"]);

const url = "/v1/chat/completions";
const lines = ["a", "b"].map((custom_id) => JSON.stringify({ custom_id, method: "POST", url, body: { model, messages, temperature: 0 } }));
const file = await client.files.create({ file: await OpenAI.toFile(Buffer.from(lines.join("\n")), "in.jsonl"), purpose: "batch" });
assert.equal((await client.files.waitForProcessing(file.id)).status, "processed");
const made = await client.batches.create({ input_file_id: file.id, endpoint: url, completion_window: "24h" });
const batch = await settled(() => client.batches.retrieve(made.id), ["validating", "in_progress", "finalizing"]);
assert.deepEqual([batch.status, batch.request_counts.completed, batch.model], ["completed", 2, model]);
const output = await (await client.files.content(batch.output_file_id)).text();
const results = output.trim().split("\n").map((line) => JSON.parse(line));
assert.deepEqual(results.map((each) => each.custom_id), ["a", "b"]);
for (const each of results) assert.equal(each.response.body.choices[0].message.content, text);
const listed = [];
for await (const each of client.batches.list({ limit: 1 })) listed.push(each.id);
assert.ok(listed.includes(batch.id));
await assert.rejects(client.batches.cancel(batch.id), OpenAI.BadRequestError);
assert.ok((await client.files.delete(file.id)).deleted);
