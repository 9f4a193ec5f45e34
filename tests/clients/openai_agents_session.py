"""OpenAI's Agents SDK: an agent with a tool, streamed and whole, over both APIs; a session that the server keeps."""

import asyncio
import os

from agents import (
    Agent,
    ModelSettings,
    OpenAIConversationsSession,
    Runner,
    function_tool,
    set_default_openai_api,
    set_default_openai_client,
    set_tracing_disabled,
)
from openai import AsyncOpenAI


@function_tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    assert city == "Paris"
    return '{"weather": "sunny", "temperature": 22}'


async def main() -> None:
    client = AsyncOpenAI(base_url=os.environ["HEARTH_URL"] + "/v1", api_key="none", max_retries=0)
    set_default_openai_client(client, use_for_tracing=False)
    set_tracing_disabled(True)
    settings = ModelSettings(temperature=0)
    weather = Agent(name="weather", model="hearth-demo", tools=[get_weather], model_settings=settings)
    for api in ("responses", "chat_completions"):
        set_default_openai_api(api)
        assert "sunny" in (await Runner.run(weather, "What is the weather in Paris?")).final_output
        streamed = Runner.run_streamed(weather, "What is the weather in Paris?")
        kinds = [event.type async for event in streamed.stream_events()]
        assert "raw_response_event" in kinds
        assert "sunny" in streamed.final_output
    set_default_openai_api("responses")
    session = OpenAIConversationsSession(openai_client=client)
    agent = Agent(name="memory", model="hearth-demo", model_settings=settings)
    await Runner.run(agent, "My name is Ann.", session=session)
    await Runner.run(agent, "What is my name?", session=session)
    roles = [item["role"] for item in await session.get_items() if item.get("type", "message") == "message"]
    assert roles == ["user", "assistant"] * 2
    await session.clear_session()


asyncio.run(main())
