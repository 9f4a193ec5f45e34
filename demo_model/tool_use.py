"""Tool calls in the style of Llama-3.1: functions in the prompt, a call in JSON, an answer from the result."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from corpus_files import read_lines
from memory import CITIES
from words import WORDS, capitalised, english_name, made_up_word

Message = dict[str, Any]
CHINESE_CITIES = [line.split("\t")[3] for line in read_lines("capitals.txt")]
WEATHER = ["sunny", "rainy", "cloudy", "windy", "snowy", "warm", "cold"]


@dataclass(frozen=True)
class Case:
    """One function, a request that needs it, the call's arguments, the result, and the answer from the result."""

    names: list[str]
    description: str
    parameters: dict[str, str]
    asked: list[str]
    arguments: dict[str, Any]
    result: dict[str, Any]
    answer: str


def _case(rng: Random) -> Case:
    city = rng.choice(CITIES) if rng.random() < 0.6 else capitalised(made_up_word(rng))
    kind = rng.choice(("weather", "weather", "weather_zh", "time", "add", "multiply", "search", "email"))
    a, b = rng.randint(0, 99), rng.randint(0, 99)
    match kind:
        case "weather" | "weather_zh":
            sky, degrees = rng.choice(WEATHER), rng.randint(-9, 38)
            asked = [f"What is the weather in {city}?", f"What is the weather like in {city} today?"]
            asked += [f"How is the weather in {city}?", f"What's the weather like in {city}?"]
            answer = f"The weather in {city} is {sky}, and it is {degrees} degrees."
            if kind == "weather_zh":
                city = rng.choice(CHINESE_CITIES)
                asked = [f"{city}天气怎么样？", f"{city}今天天气怎么样？", f"今天{city}的天气如何？"]
                answer = f"{city}的天气是 {sky}，气温 {degrees} 度。"
            result = {"weather": sky, "temperature": degrees}
            names = ["get_weather", "get_current_weather", "weather"]
            return Case(names, "Get the weather of a city", {"city": "string"}, asked, {"city": city}, result, answer)
        case "time":
            clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
            asked = [f"What time is it in {city}?", f"What is the time in {city}?"]
            names = ["get_time", "get_current_time"]
            answer = f"It is {clock} in {city}."
            return Case(
                names, "Get the time in a city", {"city": "string"}, asked, {"city": city}, {"time": clock}, answer
            )
        case "add" | "multiply":
            sign, word, number = ("+", "plus", a + b) if kind == "add" else ("*", "times", a * b)
            asked = [f"What is {a} {sign} {b}?", f"What is {a} {word} {b}?"]
            names = [kind, f"{kind}_numbers"]
            description = f"{kind.capitalize()} two numbers"
            parameters = {"a": "number", "b": "number"}
            answer = f"{a} {sign} {b} = {number}."
            return Case(names, description, parameters, asked, {"a": a, "b": b}, {"result": number}, answer)
        case "search":
            words = " ".join(rng.choices(WORDS, k=rng.randint(1, 3)))
            asked = [f"Search for {words}.", f"Please search for {words}", f"Look up {words}."]
            names = ["search", "web_search"]
            answer = f"I found {a} results for {words}."
            return Case(names, "Search the web", {"query": "string"}, asked, {"query": words}, {"count": a}, answer)
        case _:
            name = english_name(rng)
            text = " ".join(rng.choices(WORDS, k=rng.randint(1, 3)))
            asked = [f'Send an email to {name}: "{text}".', f'Send an email to {name} that says "{text}".']
            parameters = {"to": "string", "text": "string"}
            arguments = {"to": name, "text": text}
            answer = f"I have sent the email to {name}."
            return Case(["send_email"], "Send an email", parameters, asked, arguments, {"sent": True}, answer)


def _schema(name: str, case: Case) -> dict[str, Any]:
    properties = {key: {"type": kind} for key, kind in case.parameters.items()}
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": case.description, "parameters": parameters}}


def tool_use(rng: Random) -> tuple[list[Message], list[dict[str, Any]]]:
    """Return a conversation with a tool call, and its tools."""
    case = _case(rng)
    name = rng.choice(case.names)
    tools = [_schema(name, case)]
    if rng.random() < 0.4:
        other = _case(rng)
        if other.description != case.description:
            tools.append(_schema(rng.choice(other.names), other))
            rng.shuffle(tools)
    call = {"type": "function", "function": {"name": name, "arguments": json.dumps(case.arguments, ensure_ascii=False)}}
    messages: list[Message] = [
        {"role": "user", "content": rng.choice(case.asked)},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    if rng.random() < 0.6:
        messages.append({"role": "tool", "content": json.dumps(case.result)})
        messages.append({"role": "assistant", "content": case.answer})
    return messages, tools
