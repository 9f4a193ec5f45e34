// Server-sent events of a POST, which EventSource cannot make.

import { ApiError } from "./api.js";
import { t } from "./words.js";

const CUT = t`The connection was lost before the answer was complete.`;

// Yields each event's JSON. Throws where the stream ends without `[DONE]`, or with an error.
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let read;
    try {
      read = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0, CUT);
    }
    if (read.done) throw new ApiError(0, CUT);
    const lines = (rest + read.value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data: ")) continue;
      if (line === "data: [DONE]") return;
      const event = JSON.parse(line.slice(6));
      if (event.error) throw new ApiError(500, event.error.message, event.error.code);
      yield event;
    }
  }
}

// A whole answer in the shape of a stream's one chunk.
export function asChunk(answer) {
  return { ...answer, choices: answer.choices.map(({ message, ...rest }) => ({ ...rest, delta: message })) };
}
