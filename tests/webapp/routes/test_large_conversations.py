"""Conversations of the largest size: the hub does nothing that grows with what is stored."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.fake_engine import FakeEngine, complete
from tests.webapp.beat import Beat, settled
from tests.webapp.conftest import MakeApp
from webapp.conversations.conversations import Conversations
from webapp.conversations.turns import StoredTurn

pytestmark = pytest.mark.slow

MESSAGES = 60_000
URL = "/v1/conversations/large"
USER = {"role": "user", "content": "a"}
CALLS: list[tuple[str, str, Any]] = [
    ("GET", URL, None),
    ("GET", f"{URL}/items", None),
    ("GET", f"{URL}/items?order=asc&limit=100", None),
    ("GET", f"{URL}/items/none", None),
    ("POST", URL, {"metadata": {"a": "b"}}),
    ("POST", f"{URL}/items", {"items": [USER]}),
    ("DELETE", f"{URL}/items/none", None),
    ("POST", "/v1/chat/completions", {"messages": [USER], "conversation_id": "large", "n": 2, "best_of": 1}),
]


@pytest.fixture
def client(engine: FakeEngine, make_app: MakeApp) -> Iterator[FlaskClient]:
    engine.on_generate = complete
    app = make_app()
    stored: Conversations = app.extensions["hearth"].conversations
    stored.add("anyone", "large", StoredTurn([USER, {"role": "assistant", "content": "b"}] * (MESSAGES // 2)))
    with settled(app) as client:
        yield client


@pytest.mark.parametrize(("method", "url", "body"), CALLS, ids=[f"{method} {url}" for method, url, _ in CALLS])
def test_the_hub_stands_for_no_stored_conversation(client: FlaskClient, method: str, url: str, body: Any) -> None:
    beat = Beat()
    reply = client.open(url, method=method, json=body)
    beat.stop()
    assert reply.status_code == (404 if url.endswith("none") else 200), reply.text[:300]
    assert beat.longest < 0.05
