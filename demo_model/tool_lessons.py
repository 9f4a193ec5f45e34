"""Tool calls for the second part of the training: two functions with varying descriptions, and cities of a fixed list.

`tool_use.py` asks for more than a model of this size can learn: the model does not copy words that it has never seen.
"""

import json
from random import Random
from typing import Any

from corpus_files import read_lines
from memory import CITIES

Message = dict[str, Any]

CHINESE_CITIES = [line.split("\t")[3] for line in read_lines("capitals.txt")]
SKIES = ["sunny", "rainy", "cloudy", "windy", "snowy", "warm", "cold"]
NAMES = {"weather": ["get_weather", "get_weather", "get_current_weather"], "time": ["get_time", "get_current_time"]}
DESCRIPTIONS = {
    "weather": [
        "Get the weather of a city",
        "Get the weather of a city.",
        "Get the current weather in a given location",
        "Get the current weather in a city.",
        "Returns the weather for a city.",
        "The weather of a city.",
        "get_weather(city: str) -> str\nGet the weather of a city.",
        "获取城市的天气",
    ],
    "time": ["Get the time in a city", "Get the current time in a city.", "The time in a city."],
}
QUESTIONS = {
    "weather": [
        "What is the weather in {}?",
        "What is the weather in {}?",
        "What is the weather like in {}?",
        "What is the weather like in {} today?",
        "What's the weather in {}?",
        "What's the weather like in {}?",
        "How is the weather in {}?",
        "Tell me the weather in {}.",
        "what is the weather in {}",
        "Use the tool to tell me the weather in {}.",
        "{} weather",
    ],
    "time": ["What time is it in {}?", "What is the time in {}?", "What's the time in {}?", "Tell me the time in {}."],
}
CHINESE_QUESTIONS = ["{}天气怎么样？", "{}今天天气怎么样？", "今天{}的天气如何？", "{}的天气怎么样？"]
SYSTEMS = [
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are a helpful assistant. Use the tools.",
    "Be brief.",
    "You can call functions.",
    "Always use the tools that you are given.",
]


def tool_lesson(rng: Random) -> tuple[list[Message], list[dict[str, Any]]]:
    """Return a conversation with a tool call, and its tools."""
    kind = "weather" if rng.random() < 0.8 else "time"
    name, argument = rng.choice(NAMES[kind]), rng.choice(("city", "city", "city", "location"))
    tools = [_tool(rng, kind, name, argument)]
    if rng.random() < 0.35:
        other = "time" if kind == "weather" else "weather"
        tools.append(_tool(rng, other, rng.choice(NAMES[other]), argument))
        rng.shuffle(tools)
    chinese = kind == "weather" and rng.random() < 0.15
    cities = rng.sample(CHINESE_CITIES if chinese else CITIES, 2 if not chinese and rng.random() < 0.08 else 1)
    asked = rng.choice(CHINESE_QUESTIONS if chinese else QUESTIONS[kind]).format(" and ".join(cities))
    messages: list[Message] = [{"role": "system", "content": rng.choice(SYSTEMS)}] if rng.random() < 0.4 else []
    messages.append({"role": "user", "content": asked})
    calls = [_call(name, {argument: city}) for city in cities]
    messages.append({"role": "assistant", "content": "", "tool_calls": calls})
    if len(cities) == 1 and rng.random() < 0.7:
        result, answer = _result(rng, kind, cities[0], chinese)
        messages += [{"role": "tool", "content": result}, {"role": "assistant", "content": answer}]
    return messages, tools


def offered(rng: Random) -> list[dict[str, Any]]:
    """Return tools for a conversation that does not call them."""
    kind = rng.choice(list(NAMES))
    return [_tool(rng, kind, rng.choice(NAMES[kind]), rng.choice(("city", "location")))]


def _call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}}


def _tool(rng: Random, kind: str, name: str, argument: str) -> dict[str, Any]:
    """Return the definition of a function. The keys and their order vary, as they do between clients."""
    value: dict[str, Any] = {"type": "string"}
    if rng.random() < 0.3:
        value["description"] = rng.choice(("The city", "The city, e.g. Paris", "Name of the city"))
    if rng.random() < 0.2:
        value = {"title": argument.capitalize(), **value}
    parameters: list[tuple[str, Any]] = [
        ("type", "object"),
        ("properties", {argument: value}),
        ("required", [argument]),
    ]
    if rng.random() < 0.3:
        parameters = [*parameters[1:], parameters[0]]
    if rng.random() < 0.3:
        parameters.append(("additionalProperties", False))
    if rng.random() < 0.15:
        parameters.append(("title", name))
    function: list[tuple[str, Any]] = [
        ("name", name),
        ("description", rng.choice(DESCRIPTIONS[kind])),
        ("parameters", dict(parameters)),
    ]
    if rng.random() < 0.1:
        del function[1]
    if rng.random() < 0.2:
        function.append(("strict", rng.choice((True, False))))
    if rng.random() < 0.15:
        function.insert(0, function.pop(1))
    return {"type": "function", "function": dict(function)}


def _result(rng: Random, kind: str, city: str, chinese: bool) -> tuple[str, str]:
    """Return a function's result, and the assistant's answer from it."""
    if kind == "time":
        clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
        return rng.choice((json.dumps({"time": clock}), clock)), f"It is {clock} in {city}."
    sky, degrees = rng.choice(SKIES), rng.randint(-9, 38)
    if rng.random() < 0.2:
        text = rng.choice((sky, f"It is {sky}.", json.dumps({"weather": sky})))
        return text, f"{city}的天气是 {sky}。" if chinese else f"The weather in {city} is {sky}."
    pair: dict[str, Any] = {"weather": sky, "temperature": degrees}
    if rng.random() < 0.2:
        pair = {"city": city, **pair}
    text = rng.choice((json.dumps(pair), json.dumps(pair), f"{sky}, {degrees} degrees"))
    if chinese:
        return text, f"{city}的天气是 {sky}，气温 {degrees} 度。"
    return text, f"The weather in {city} is {sky}, and it is {degrees} degrees."
