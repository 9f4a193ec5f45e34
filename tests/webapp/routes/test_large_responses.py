"""Responses of the largest size: the hub does nothing that grows with the input, or with what is stored."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from schemas.requests.parts.response_items import Item
from tests.fake_engine import FakeEngine, complete
from tests.webapp.beat import Beat, settled
from tests.webapp.conftest import MakeApp
from webapp.conversations.stored_responses import Responses, StoredResponse

pytestmark = pytest.mark.slow

URL = "/v1/responses"
ITEMS = 10_000
STORED, MANY_INPUTS = (f"resp_{'0' * 31}{number}" for number in (1, 2))


def item_id(response_id: str, number: int) -> str:
    return f"msg_{response_id.removeprefix('resp_')}{number:04x}"


PARTS = [{"type": "input_text", "text": "a"}]
CALLS: dict[str, tuple[str, str, Callable[[], Any]]] = {
    "many items": ("POST", URL, lambda: {"input": [{"role": "user", "content": "a"}] * ITEMS}),
    "many items that are not stored": (
        "POST",
        URL,
        lambda: {"input": [{"role": "user", "content": "a"}] * ITEMS, "store": False},
    ),
    "many parts": ("POST", URL, lambda: {"input": [{"role": "user", "content": PARTS * 600}] * 200}),
    "many items to count": (
        "POST",
        f"{URL}/input_tokens",
        lambda: {"input": [{"role": "user", "content": "a"}] * ITEMS},
    ),
    "many items in a conversation": (
        "POST",
        URL,
        lambda: {"input": [{"role": "user", "content": "a"}] * ITEMS, "conversation": "conv_a", "store": False},
    ),
    "a previous response": ("POST", URL, lambda: {"input": "a", "previous_response_id": STORED, "store": False}),
    "references to the input": (
        "POST",
        URL,
        lambda: {"input": [{"type": "item_reference", "id": item_id(STORED, i)} for i in range(1000)], "store": False},
    ),
    "its items": ("GET", f"{URL}/{MANY_INPUTS}/input_items", lambda: None),
    "its last items": (
        "GET",
        f"{URL}/{MANY_INPUTS}/input_items?after={item_id(MANY_INPUTS, 100)}&limit=100",
        lambda: None,
    ),
}


def items_of(response_id: str, count: int) -> list[Item]:
    head = {"type": "message", "role": "user", "status": "completed"}
    return [{"id": item_id(response_id, number), **head, "content": PARTS} for number in range(count)]


@pytest.fixture
def client(engine: FakeEngine, make_app: MakeApp) -> Iterator[FlaskClient]:
    engine.on_generate = complete
    app = make_app(max_body_bytes=16 * 10**6)
    stored: Responses = app.extensions["hearth"].responses
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}] * 30_000
    many = items_of(STORED, 10_000)
    assert stored.keep("anyone", StoredResponse({"id": STORED, "output": []}, many, history)) is None
    many = items_of(MANY_INPUTS, 26_000)
    assert stored.keep("anyone", StoredResponse({"id": MANY_INPUTS, "output": []}, many, [])) is None
    del history, many
    with settled(app) as client:
        yield client


@pytest.mark.parametrize(("method", "url", "make"), CALLS.values(), ids=CALLS)
def test_the_hub_stands_for_no_large_response(
    client: FlaskClient, method: str, url: str, make: Callable[[], Any]
) -> None:
    body = json.dumps(made) if (made := make()) else None
    beat = Beat()
    reply = client.open(url, method=method, data=body, content_type="application/json")
    beat.stop()
    assert reply.status_code == 200, reply.text[:300]
    assert beat.longest < 0.015
