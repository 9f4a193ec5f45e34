"""The OpenAI SDK, unchanged, against the real server."""

import asyncio

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.harness import Hearth

QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Who are you?"}]


@pytest.mark.field("messages")
def test_chat(hearth: Hearth) -> None:
    reply = hearth.openai().chat.completions.create(model="any name", messages=QUESTION, temperature=0)
    assert "Hearth" in (reply.choices[0].message.content or "")
    assert reply.choices[0].message.role == "assistant"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.model == "hearth-demo"
    assert reply.id.startswith("chatcmpl-")
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_streamed_chat_is_the_whole_answer_in_pieces(hearth: Hearth) -> None:
    client = hearth.openai()
    whole = client.chat.completions.create(model="m", messages=QUESTION, temperature=0)
    chunks = list(
        client.chat.completions.create(
            model="m", messages=QUESTION, temperature=0, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert len([piece for piece in pieces if piece]) > 3, "the text came in one piece"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.field("prompt")
def test_completion(hearth: Hearth) -> None:
    reply = hearth.openai().completions.create(
        model="m", prompt="Once upon a time, in a land far away,", temperature=0, max_tokens=20
    )
    assert reply.object == "text_completion"
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 20
    assert len(reply.choices[0].text.split()) > 5


@pytest.mark.field("prompt")
def test_completions_of_several_prompts_are_numbered_prompt_by_prompt(hearth: Hearth) -> None:
    client = hearth.openai()
    prompts = ["Once upon a time, in a land far away,", "Hello"]
    reply = client.completions.create(model="m", prompt=prompts, n=2, temperature=0, max_tokens=6)
    alone = [
        client.completions.create(model="m", prompt=prompt, temperature=0, max_tokens=6).choices[0].text
        for prompt in prompts
    ]
    assert [choice.index for choice in reply.choices] == [0, 1, 2, 3]
    assert [choice.text for choice in reply.choices] == [alone[0], alone[0], alone[1], alone[1]]


def test_async_requests_at_once(hearth: Hearth) -> None:
    async def ask() -> list[str | None]:
        async with hearth.async_openai() as client:
            replies = await asyncio.gather(
                *(client.chat.completions.create(model="m", messages=QUESTION, temperature=0) for _ in range(8))
            )
        return [reply.choices[0].message.content for reply in replies]

    answers = asyncio.run(ask())
    assert len(set(answers)) == 1
    assert "Hearth" in (answers[0] or "")


def test_async_stream(hearth: Hearth) -> None:
    async def ask() -> str:
        async with hearth.async_openai() as client:
            stream = await client.chat.completions.create(model="m", messages=QUESTION, temperature=0, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(ask()) == hearth.chat("Who are you?")


def test_models(hearth: Hearth) -> None:
    client = hearth.openai()
    (model,) = client.models.list().data
    assert model.id == "hearth-demo"
    assert client.models.retrieve("hearth-demo") == model
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-4")
    assert caught.value.code == "model_not_found"


def test_bad_request_is_the_sdks_bad_request(hearth: Hearth) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        hearth.openai().chat.completions.create(model="m", messages=QUESTION, temperature=3)
    assert caught.value.param == "temperature"
    assert caught.value.type == "invalid_request_error"
