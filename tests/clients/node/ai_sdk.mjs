// The AI SDK: text, a stream, an object, and a loop of tools, by its provider for such servers and by OpenAI's own.
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const server = { name: "hearth", baseURL: `${process.env.HEARTH_URL}/v1`, apiKey: "none" };
const compatible = createOpenAICompatible({ ...server, supportsStructuredOutputs: true })("hearth-demo");
const openai = createOpenAI(server);
const settings = { temperature: 0, maxRetries: 0 };

for (const model of [compatible, openai.chat("hearth-demo"), openai("hearth-demo")]) {
  const { text } = await generateText({ model, prompt: "Who are you?", ...settings });
  assert.match(text, /Hearth/);

  let streamed = "";
  for await (const piece of streamText({ model, prompt: "Who are you?", ...settings }).textStream) streamed += piece;
  assert.equal(streamed, text);

  const output = Output.object({ schema: z.object({ yes: z.boolean() }) });
  const typed = await generateText({ model, output, prompt: "Hello", ...settings });
  assert.equal(typeof typed.output.yes, "boolean");

  const get_weather = tool({
    description: "Get the weather of a city",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      assert.equal(city, "Paris");
      return { weather: "sunny", temperature: 22 };
    },
  });
  const prompt = "What is the weather in Paris?";
  const loop = await generateText({ model, prompt, tools: { get_weather }, stopWhen: stepCountIs(3), ...settings });
  assert.equal(loop.steps.length, 2);
  assert.match(loop.text, /sunny/);
}
