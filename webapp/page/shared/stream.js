// Server-sent events in the response to a POST, which EventSource does not support.

import { ApiError } from "./api.js";
import { inWords } from "./errors.js";
import { t } from "./words.js";

const CUT = t`The connection was lost before the answer was complete.`;

// Yields each event's JSON, with its number where it has one, else null. Throws an ApiError if the stream contains an error
// or ends without `[DONE]`, with the status 0 in the latter case and when `signal` aborts. `heard` is called with whatever comes.
export async function* events(response, { signal, heard }) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  signal.addEventListener("abort", () => reader.cancel().catch(() => {}), { once: true });
  let buffer = "", number = null;
  for (;;) {
    let read;
    try {
      read = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0, CUT);
    }
    heard();
    if (read.done || signal.aborted) throw new ApiError(0, CUT);
    const lines = (buffer + read.value).split("\n");
    buffer = lines.pop();
    for (const line of lines) {
      if (line.startsWith("id: ")) number = Number(line.slice(4));
      if (!line.startsWith("data: ")) continue;
      if (line === "data: [DONE]") return;
      const event = JSON.parse(line.slice(6));
      if (event.error) throw new ApiError(500, await inWords(500, event.error.message), event.error.code);
      yield { number, event };
    }
  }
}

// Converts a non-streamed answer to the format of a stream chunk.
export function asChunk(answer) {
  return { ...answer, choices: answer.choices.map(({ message, ...rest }) => ({ ...rest, delta: message })) };
}
