"""What the shortcuts are tried on when the model is loaded: odd texts, random Unicode, random tokens, and odd chats."""

import copy
import random
from collections.abc import Sequence
from typing import Any

SEED = 20261128
"""The samples are the same at each load: a shortcut that is used once is used always."""

ODD_TEXTS = [
    "",
    " ",
    "  \n",
    "\n\n\n \t\r\n x",
    "a",
    " a",
    "Hello, world! It's what we'll see; they've said 'DON'T'.",
    "1234567890 3.14159 0x1F600 10^-12 2026-11-28T06:00:00Z",
    "def f(x):\n    return {'a': [x ** 2, -1]}  # why?\n\n\n",
    "snake_case camelCase SCREAMING_CASE kebab-case",
    "naïve café — «déjà vu» … “quoted” ‘single’",
    "e\u0301 \u00e9 \u1e9b\u0323 ﬁ ² Ⅻ ①",
    "今天天气怎么样？我们去公园吧。",
    "日本語 𠮷野家 かな カナ ｶﾅ",
    "한국어 텍스트와 자모 ㄱㄴㄷ",
    "Привет, мир! ЁЖИК ǅ ß ẞ İ ı",
    "مرحبا بالعالم ١٢٣ שלום עולם",
    "हिन्दी क्षत्रिय தமிழ் ไทยไม่มีวรรค",
    "🔥🔥🦉 👨‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ☃\ufe0f",
    "\u200b\u200d\ufeff\u00a0\u2003\u3000\u2028\u2029",
    "\x00\x01\x1b\x7f\x80\x9f",
    "\ufffd\ufffe\uffff\U0010ffff\ue000",
    "a" * 300,
    " " * 100 + "x" + "\n" * 50,
    "ab" * 100 + "!?" * 50,
    "<|endoftext|> <s> </s> [INST] <<SYS>> <0x0A> <unk> <pad>",
    "▁Ġ Ċ ĉ ▁▁",
    "https://example.org/a?b=c&d=%20#e user@example.org C:\\dir\\file",
]

BLOCKS = [(0x20, 0x7F)] * 4 + [
    (0x00, 0x20),
    (0x80, 0x250),
    (0x300, 0x370),
    (0x370, 0x530),
    (0x590, 0x700),
    (0x900, 0xE00),
    (0x1100, 0x1200),
    (0x2000, 0x2C00),
    (0x3000, 0x3100),
    (0x4E00, 0xA000),
    (0xAC00, 0xD7A4),
    (0xE000, 0x10000),
    (0x10000, 0x11000),
    (0x1F000, 0x1FB00),
    (0x20000, 0x110000),
]
"""Ranges of code points, from the first to before the last. ASCII is as frequent as four others."""


def random_texts(count: int, longest: int = 60) -> list[str]:
    """Return texts of random characters of one, two or three of the `BLOCKS`."""
    draw = random.Random(SEED)  # noqa: S311
    texts = []
    for _ in range(count):
        blocks = draw.choices(BLOCKS, k=draw.randint(1, 3))
        texts.append("".join(chr(draw.randrange(*draw.choice(blocks))) for _ in range(draw.randint(1, longest))))
    return texts


def with_inserted(texts: Sequence[str], inserted: Sequence[str]) -> list[str]:
    """Return each of the `texts` with one of `inserted` at a random place, alone or twice."""
    if not inserted:
        return []
    draw = random.Random(SEED)  # noqa: S311
    places = ((text, draw.randint(0, len(text)), draw.choice(inserted) * draw.randint(1, 2)) for text in texts)
    return [text[:place] + extra + text[place:] for text, place, extra in places]


def random_sequences(token_ids: Sequence[int], count: int, length: int) -> list[list[int]]:
    """Return `count` sequences of `length` random tokens of `token_ids`."""
    draw = random.Random(SEED)  # noqa: S311
    return [draw.choices(token_ids, k=length) for _ in range(count)] if token_ids else []


TOOL = {"type": "function", "function": {"name": "weather", "description": "", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Zürich"}'}}


def chats() -> list[dict[str, Any]]:
    """Return chats as arguments: `messages`, and where they are not as usual `tools`, `template` and the flags.

    A template may refuse some of them.
    """
    odd = ODD_TEXTS[6:22]
    ask = {"role": "user", "content": "Who are you?"}
    answer = {"role": "assistant", "content": " I am \n"}
    system = {"role": "system", "content": "Be brief.\n"}
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": " two "}]
    calling = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "rain"}
    samples: list[dict[str, Any]] = [
        *({"messages": [{"role": "user", "content": text}]} for text in (*odd, "", " x ", "a\n\n")),
        *({"messages": [{"role": "system", "content": text}, ask, answer, ask]} for text in odd[:4]),
        {"messages": [system, ask]},
        {"messages": [system, ask, answer], "add_generation_prompt": False},
        {"messages": [ask, answer], "add_generation_prompt": False, "continue_final_message": True},
        {"messages": [{**ask, "name": "Ann"}]},
        {"messages": [{"role": "user", "content": parts}]},
        {"messages": [{"role": "system", "content": "x-anthropic-billing-header: 1\nBe brief."}, ask]},
        {"messages": [{"role": "developer", "content": "Be brief."}, ask]},
        {"messages": [ask], "template": {"enable_thinking": False, "add_vision_id": True, "unknown": 1}},
        {"messages": [ask], "tools": [TOOL]},
        {"messages": [ask, calling, result], "tools": [TOOL]},
        {"messages": [ask, {**answer, "reasoning": "Hm."}, ask]},
        {"messages": [ask, {"role": "assistant", "content": ""}, ask]},
    ]
    return copy.deepcopy(samples)  # vLLM changes the calls in messages
