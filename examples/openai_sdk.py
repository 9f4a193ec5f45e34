"""Use Hearth with OpenAI's own SDK. Fields that OpenAI's API does not have go into `extra_body`.

    pip install openai
    make run                           # in one terminal
    python examples/openai_sdk.py      # in another

HEARTH_URL is the server's address (default http://127.0.0.1:6006), HEARTH_API_KEY one of its keys, where it has any.
Every field is explained at /docs on the server.
"""

import os
import uuid

from openai import BadRequestError, OpenAI
from openai.types.chat import (
    ChatCompletionMessageFunctionToolCallParam,
    ChatCompletionMessageParam,
    ChatCompletionToolParam,
)

URL = os.environ.get("HEARTH_URL", "http://127.0.0.1:6006")
client = OpenAI(base_url=f"{URL}/v1", api_key=os.environ.get("HEARTH_API_KEY", "none"))
model = client.models.list().data[0].id


def chat() -> None:
    reply = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Who are you?"}], temperature=0
    )
    print("chat:", reply.choices[0].message.content)


def stream() -> None:
    print("streamed: ", end="")
    for chunk in client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Who are you?"}], temperature=0, stream=True
    ):
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()


def white_list() -> None:
    reply = client.completions.create(
        model=model,
        prompt="Say something:",
        max_tokens=8,
        seed=7,
        extra_body={
            "white_list_token": ["hello", "world"],  # the answer consists of these words alone
            "top_k": 50,
            "min_p": 0.05,
            "repetition_penalty": 1.1,
        },
    )
    print("white list:", reply.choices[0].text)


def beams() -> None:
    reply = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Hello!"}],
        n=2,
        max_tokens=12,
        extra_body={"use_beam_search": True, "best_of": 4, "length_penalty": 1.2},
    )
    for choice in reply.choices:
        print(f"beam {choice.index}:", choice.message.content)


def tool() -> None:
    """The model calls a function; the client sends the result back as a message."""
    weather: ChatCompletionToolParam = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Paris?"}]
    calling = client.chat.completions.create(model=model, messages=messages, tools=[weather], temperature=0)
    for call in calling.choices[0].message.tool_calls or []:
        if call.type == "function":
            function = call.function
            print("calls:", function.name, function.arguments)
            repeated: ChatCompletionMessageFunctionToolCallParam = {
                "id": call.id,
                "type": "function",
                "function": {"name": function.name, "arguments": function.arguments},
            }
            messages.append({"role": "assistant", "tool_calls": [repeated]})
            result = '{"weather": "sunny", "temperature": 22}'
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    reply = client.chat.completions.create(model=model, messages=messages, tools=[weather], temperature=0)
    print("with its result:", reply.choices[0].message.content)


def typed() -> None:
    """The answer is JSON that matches this schema."""
    schema: dict[str, object] = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}
    reply = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Hello!"}],
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
        temperature=0,
    )
    print("typed:", reply.choices[0].message.content)


def response() -> None:
    """OpenAI's Responses API: the server stores each response, and the next request names it."""
    first = client.responses.create(model=model, input="Who are you?", temperature=0)
    second = client.responses.create(model=model, input="Hello!", previous_response_id=first.id, temperature=0)
    print("response:", second.output_text)


def conversation() -> None:
    """The server stores the conversation: each request sends only its new messages."""
    name = f"sdk-{uuid.uuid4()}"
    for text in ("Hello!", "Who are you?"):
        reply = client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": text}],
            temperature=0,
            extra_body={"conversation_id": name, "force_prompt": "Answer briefly."},
        )
        print("in a conversation:", reply.choices[0].message.content)
    stored = client.get(f"/conversations/{name}", cast_to=dict[str, object])
    print("stored:", stored["messages"])
    client.delete(f"/conversations/{name}", cast_to=dict[str, object])


def mistake() -> None:
    try:
        client.completions.create(model=model, prompt="Hello", extra_body={"top_k": -5})
    except BadRequestError as error:
        print(f"a mistake: {error.param}: {error.body}")


if __name__ == "__main__":
    for show in (chat, stream, white_list, beams, tool, typed, response, conversation, mistake):
        show()
