"""pydantic-ai: an answer, a stream, a typed answer, and an agent that calls a tool, over both of OpenAI's APIs."""

import asyncio
import os

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider


class Answer(BaseModel):
    """Yes or no."""

    yes: bool


async def main() -> None:
    provider = OpenAIProvider(base_url=os.environ["HEARTH_URL"] + "/v1", api_key="none")
    for model in (OpenAIChatModel, OpenAIResponsesModel):
        hearth = model("hearth-demo", provider=provider, settings={"temperature": 0})
        text = (await Agent(hearth).run("Who are you?")).output
        assert "Hearth" in text
        async with Agent(hearth).run_stream("Who are you?") as stream:
            assert [piece async for piece in stream.stream_text()][-1] == text
        typed = await Agent(hearth, output_type=NativeOutput(Answer)).run("Hello")
        assert isinstance(typed.output, Answer)
        agent = Agent(hearth)

        @agent.tool_plain
        def get_weather(city: str) -> str:
            """Get the weather of a city."""
            assert city == "Paris"
            return '{"weather": "sunny", "temperature": 22}'

        assert "sunny" in (await agent.run("What is the weather in Paris?")).output


asyncio.run(main())
