"""Bodies of 64 kB that cost the most CPU time for their size, on every path: the hub stands for none of them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.fake_engine import FakeEngine, complete
from tests.webapp.beat import Beat, settled
from tests.webapp.conftest import MakeApp
from webapp.answering.request_body import LARGE

pytestmark = pytest.mark.slow

CHAT, TOKENIZE, RESPONSES, CONVERSATIONS = "/v1/chat/completions", "/tokenize", "/v1/responses", "/v1/conversations"
MESSAGES = "/v1/messages"
USER = {"role": "user", "content": "a"}
PART = {"type": "text", "text": ""}
CALL = {"function": {"name": "f", "arguments": {}}}
FILL = "\ud800"


def filled(before: dict[str, Any], element: Any, *, most: int = 10**6, end: str = "") -> bytes:
    """A body of almost 64 kB: `before`, with a list of as many `element`s as there is room for in place of FILL."""
    head, tail = json.dumps(before | json.loads(f"{{{end}}}")).split(json.dumps(FILL))
    text = json.dumps(element)
    count = min(most, (LARGE - len(head) - len(tail) - 2) // (len(text) + 1))
    return f"{head}[{','.join([text] * count)}]{tail}".encode()


def messages(element: Any, end: str = "") -> bytes:
    return filled({"messages": FILL}, element, end=end)


WRONG = '"model": 1'
"""What is wrong at the end makes marshmallow load the whole body a second time."""
ASKED = {"max_tokens": 1, "messages": [USER]}
USE = {"type": "tool_use", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": ""}


def turn(element: Any, content: Any = FILL, role: str = "user") -> tuple[str, bytes]:
    """A request of Anthropic's API with one turn, which has FILL somewhere in its content."""
    return MESSAGES, filled({**ASKED, "messages": [{"role": role, "content": content}]}, element, end=WRONG)


CALLING = {"role": "assistant", "tool_calls": [CALL] * 50}
BODIES = {
    "messages": (CHAT, messages(USER, WRONG)),
    "messages to tokenise": (TOKENIZE, messages(USER, WRONG)),
    "good messages to tokenise": (TOKENIZE, messages(USER)),
    "nothing": (TOKENIZE, messages({}, WRONG)),
    "results that are JSON": (CHAT, messages({"role": "tool", "content": {}}, WRONG)),
    "calls": (TOKENIZE, messages(CALLING, WRONG)),
    "calls of one message": (TOKENIZE, messages({"role": "assistant", "tool_calls": [CALL] * 1024}, WRONG)),
    "one call each": (TOKENIZE, messages({"role": "assistant", "tool_calls": [CALL]}, WRONG)),
    "older calls": (TOKENIZE, messages({"role": "assistant", "function_call": CALL["function"]}, WRONG)),
    "parts": (CHAT, filled({"messages": [{"role": "user", "content": FILL}]}, PART, end=WRONG)),
    "tools": (TOKENIZE, filled({"messages": [USER], "tools": FILL}, {"type": "function", "function": {"name": ""}})),
    "other tools": (TOKENIZE, filled({"messages": [USER], "tools": FILL}, {"type": "x"}, end=WRONG)),
    "functions": (CHAT, filled({"messages": [USER], "functions": FILL}, {"name": "", "strict": 1}, most=128)),
    "items": (RESPONSES, filled({"input": FILL}, {"type": "reasoning"}, end=WRONG)),
    "items of others": (RESPONSES, filled({"input": FILL}, {"type": "mcp_call", "id": "a"}, end=WRONG)),
    "items to store": (CONVERSATIONS, filled({"items": FILL}, USER, end='"metadata": 1')),
    "turns": (MESSAGES, filled({**ASKED, "messages": FILL}, {"role": "user", "content": ""}, end=WRONG)),
    "turns that call": (
        MESSAGES,
        filled({**ASKED, "messages": FILL}, {"role": "assistant", "content": [USE]}, end=WRONG),
    ),
    "blocks": turn(PART),
    "calls of a turn": turn(USE, role="assistant"),
    "results of a turn": turn(RESULT),
    "blocks of a result": turn(PART, [{**RESULT, "content": FILL}]),
    "texts of a system prompt": (MESSAGES, filled({**ASKED, "system": FILL}, PART, end=WRONG)),
    "tools of Anthropic's API": (MESSAGES, filled({**ASKED, "tools": FILL}, {"name": "", "input_schema": {}})),
    "surrogates": (CHAT, b'{"user": ["\\ud800", ' + b'"\\ud800", ' * 5000 + b'"\\ud800"]}'),
    "depth beside a surrogate": (
        CHAT,
        b'{"a":"\\ud800","b":' + b"[" * 900 + b"[]," * 20_000 + b"1" + b"]" * 901 + b"}",
    ),
    "history": ("/", filled({"prompt": 1, "history": FILL}, ["", ""])),
    "prompts": ("/v1/completions", filled({"prompt": FILL}, [1], end=WRONG)),
    "inputs": ("/v1/embeddings", filled({"input": FILL}, [1], end=WRONG)),
    "tokens": ("/detokenize", filled({"tokens": FILL}, 1.0, end=WRONG)),
    "a schema": (CHAT, filled({"messages": [USER], "guided_json": FILL}, [])),
}


@pytest.fixture
def client(engine: FakeEngine, make_app: MakeApp) -> Iterator[FlaskClient]:
    engine.on_generate = complete
    with settled(make_app()) as client:
        yield client


@pytest.mark.parametrize(("path", "body"), BODIES.values(), ids=BODIES)
def test_the_hub_stands_for_no_body_of_64_kb(client: FlaskClient, path: str, body: bytes) -> None:
    assert len(body) <= LARGE
    beat = Beat()
    client.post(path, data=body, content_type="application/json")
    beat.stop()
    assert beat.longest < 0.03
