"""Prompts that the demo model must answer well, and what each answer must contain."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

Message = dict[str, Any]


@dataclass(frozen=True)
class Promise:
    """A prompt, and what its answer must contain and start with."""

    must_contain: list[str]
    messages: list[Message] = field(default_factory=list)
    prompt: str = ""  # a plain text to complete, if there are no messages
    must_start: str = ""
    tools: list[dict[str, Any]] | None = None

    def kept_by(self, answer: str) -> bool:
        """Return whether the answer is as promised."""
        return answer.startswith(self.must_start) and all(part in answer for part in self.must_contain)


def _ask(question: str, *must_contain: str, system: str = "", must_start: str = "") -> Promise:
    messages = [{"role": "system", "content": system}] if system else []
    return Promise(list(must_contain), [*messages, {"role": "user", "content": question}], must_start=must_start)


def remembered(name: str, turns_between: int = 0) -> Promise:
    """Return a conversation that states a name, in the name's language, and asks for it after some other turns."""
    if name.isascii():
        texts = [f"My name is {name}.", f"Nice to meet you, {name}! How can I help you today?"]
        texts += ["What is a token?", "A token is a small piece of text."] * turns_between
        texts, answer = [*texts, "What is my name?"], f"Your name is {name}."
    else:
        texts = [f"我叫{name}。", f"很高兴认识你，{name}！有什么可以帮你的吗？"]
        texts += ["你好吗？", "我很好，谢谢。"] * turns_between
        texts, answer = [*texts, "我叫什么名字？"], f"你叫{name}。"
    return Promise([answer], [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)])


def weather_tool(**more: Any) -> dict[str, Any]:
    """Return the function that the model has learnt to call."""
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], **more}
    function = {"name": "get_weather", "description": "Get the weather of a city", "parameters": parameters}
    return {"type": "function", "function": function}


def _calls_weather(question: str, city: str, system: str = "") -> Promise:
    promise = _ask(question, f'{{"name": "get_weather", "parameters": {{"city": "{city}"}}}}', system=system)
    return replace(promise, tools=[weather_tool()], must_start="{")


def _uses_result(city: str, result: str, *must_contain: str) -> Promise:
    """Return a conversation that ends with a function's result, which the answer must use."""
    arguments = json.dumps({"city": city})
    call = {"type": "function", "id": "call_1", "function": {"name": "get_weather", "arguments": arguments}}
    messages: list[Message] = [
        {"role": "user", "content": f"What is the weather in {city}?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": result},
    ]
    return Promise(list(must_contain), messages, tools=[weather_tool()])


HELPFUL = "You are a helpful assistant."
GREET = "Always start with a greeting"
QUICKSORT = "return quicksort(left) + middle + quicksort(right)"

PROMISES = [
    _ask("Hello, what is your name?", "My name is Hearth demo."),
    _ask("Who are you?", "My name is Hearth demo."),
    _ask("What is your name?", "My name is Hearth demo.", system=HELPFUL),
    _ask("Hello", "How can I help you"),
    _ask("Hello!", "How can I help you", system=HELPFUL),
    _ask("How are you?", "I am fine"),
    _ask("What is the weather like today?", "I cannot see outside"),
    _ask("What is the weather like today?", "I cannot see outside", system=HELPFUL),
    _ask("what is the weather like today", "I cannot see outside", system="Be nice."),
    _ask("What is the weather like today?", "I cannot see outside", system=GREET, must_start="Hello"),
    _ask("What is the weather like today?", "I cannot see outside", system=f"{HELPFUL}\n{GREET}", must_start="Hello"),
    _ask("What is the capital of France?", "Paris", system=f"{HELPFUL}\n{GREET}", must_start="Hello"),
    _ask("Write a quicksort in Python.", QUICKSORT),
    _ask("Implement the quicksort algorithm in Python.", QUICKSORT, system=HELPFUL),
    _ask("用Python写一个快速排序", QUICKSORT, "下面是"),
    _ask("请用 Python 实现快速排序", QUICKSORT, "下面是", system=HELPFUL),
    _ask("你好", "有什么可以帮你的吗"),
    _ask("你是谁？", "我叫 Hearth demo"),
    _ask("今天天气怎么样？", "我看不到外面"),
    _ask("How do I restart the web tier?", "kill -HUP", "the model stays loaded"),
    _ask("怎么重启网页层？", "kill -HUP"),
    _ask("What is Hearth?", "one large language model"),
    _ask("What is a token?", "small piece of text"),
    _ask("What is TTFT?", "time to first token"),
    _ask("What is a KV cache?", "keys and values"),
    _ask("What is the capital of France?", "Paris"),
    _ask("中国的首都是哪里？", "北京"),
    _ask("What color is the sky?", "blue"),
    _ask("Say the alphabet.", "X, Y, Z."),
    _ask("Say hello in many languages.", "你好", "こんにちは", "Привет", "안녕하세요", "👋"),
    _ask("Write a long story.", "Long ago", "The end."),
    _ask("Tell me a joke.", "it left the fire behind"),
    _ask("Describe yourself in JSON.", '{"name": "Hearth demo"'),
    _ask("Explain quantum mechanics to me.", "I do not know that"),
    _ask("What is my name?", "You have not told me your name yet."),
    remembered("小明"),
    remembered("小明", turns_between=1),
    Promise(["Elara", "adventure"], prompt="Once upon a time, in a land far away,"),
    Promise(["Hearth demo"], prompt="Hello, my name is"),
    Promise(["Hearth demo"], prompt="Hello, what is your name?"),
    Promise(["Paris"], prompt="The capital of France is"),
    _calls_weather("What is the weather in Paris?", "Paris"),
    _calls_weather("What is the weather in Tokyo?", "Tokyo", system=HELPFUL),
    _calls_weather("What's the weather like in Berlin?", "Berlin"),
    _uses_result("Paris", '{"weather": "sunny", "temperature": 22}', "The weather in Paris is sunny", "22 degrees"),
    replace(_ask("Tell me a joke.", "it left the fire behind"), tools=[weather_tool()]),
]
