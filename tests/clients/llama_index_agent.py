"""LlamaIndex: a chat, a stream, and an agent that calls a tool."""

import asyncio
import os

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

called: list[str] = []


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    called.append(city)
    return '{"weather": "sunny", "temperature": 22}'


llm = OpenAILike(
    model="hearth-demo",
    api_base=os.environ["HEARTH_URL"] + "/v1",
    api_key="none",
    is_chat_model=True,
    is_function_calling_model=True,
    temperature=0,
)
question = [ChatMessage(role="user", content="Who are you?")]
assert "Hearth" in str(llm.chat(question).message.content)
assert "Hearth" in "".join(chunk.delta or "" for chunk in llm.stream_chat(question))


async def agent() -> str:
    return str(await FunctionAgent(tools=[get_weather], llm=llm).run("What is the weather in Paris?"))


answer = asyncio.run(agent())
assert called == ["Paris"], called
assert "sunny" in answer, answer
