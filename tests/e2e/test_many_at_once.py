"""Many streams at once: all complete, none mixed."""

import asyncio

from tests.harness import Hearth

STREAMS = 64


def test_64_streams_do_not_mix(hearth: Hearth) -> None:
    # Each may write one digit only, so a token of another stream would show.
    async def one(client: object, digit: str) -> tuple[str, int]:
        stream = await client.chat.completions.create(  # type: ignore[attr-defined]
            model="m",
            messages=[{"role": "user", "content": f"Say {digit}."}],
            stream=True,
            stream_options={"include_usage": True},
            max_tokens=40,
            extra_body={"white_list_token": [digit], "ignore_eos": True},
        )
        text, tokens = "", 0
        async for chunk in stream:
            if chunk.choices:
                text += chunk.choices[0].delta.content or ""
            else:
                tokens = chunk.usage.completion_tokens
        return text, tokens

    async def all_at_once() -> list[tuple[str, int]]:
        async with hearth.async_openai() as client:
            return await asyncio.gather(*(one(client, str(index % 10)) for index in range(STREAMS)))

    for index, (text, tokens) in enumerate(asyncio.run(all_at_once())):
        assert set(text.replace(" ", "")) == {str(index % 10)}
        assert tokens == 40
    assert "live requests 0" in hearth.engine("status").stdout
