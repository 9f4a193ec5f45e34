"""LiteLLM: a chat, a stream, a text completion, a tool call, a response."""

import json
import os

import litellm

SERVER = {"model": "openai/hearth-demo", "api_base": os.environ["HEARTH_URL"] + "/v1", "api_key": "none"}
QUESTION = [{"role": "user", "content": "Who are you?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

whole = litellm.completion(messages=QUESTION, temperature=0, **SERVER)
text = whole.choices[0].message.content
assert "Hearth" in text
assert whole.usage.prompt_tokens_details.cached_tokens >= 0
chunks = litellm.completion(messages=QUESTION, temperature=0, stream=True, **SERVER)
assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
asked = [{"role": "user", "content": "What is the weather in Paris?"}]
(call,) = litellm.completion(messages=asked, tools=[WEATHER], temperature=0, **SERVER).choices[0].message.tool_calls
assert json.loads(call.function.arguments) == {"city": "Paris"}
story = {**SERVER, "model": "text-completion-openai/hearth-demo"}
assert litellm.text_completion(prompt="Once upon a time,", max_tokens=8, temperature=0, **story).choices[0].text
assert litellm.responses(input="Who are you?", temperature=0, **SERVER).output_text == text
