"""LangChain: a chat, a stream, a typed answer, and an agent that calls a tool."""

import os

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


class Answer(BaseModel):
    """Yes or no."""

    yes: bool


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return '{"weather": "sunny", "temperature": 22}'


model = ChatOpenAI(model="hearth-demo", base_url=os.environ["HEARTH_URL"] + "/v1", api_key="none", temperature=0)
assert "Hearth" in str(model.invoke("Who are you?").content)
pieces = [str(chunk.content) for chunk in model.stream("Who are you?")]
assert len(pieces) > 3
assert "Hearth" in "".join(pieces)
assert isinstance(model.with_structured_output(Answer).invoke("Hello"), Answer)

agent = create_agent(model, tools=[get_weather])
messages = agent.invoke({"messages": [{"role": "user", "content": "What is the weather in Paris?"}]})["messages"]
assert [message.type for message in messages] == ["human", "ai", "tool", "ai"], messages
assert messages[1].tool_calls[0]["args"] == {"city": "Paris"}
assert "sunny" in messages[-1].content
