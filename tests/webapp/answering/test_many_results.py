"""Results are matched to calls in the thread that loads a large body."""

import json
import threading

import pytest
from flask.testing import FlaskClient

from tests.webapp.conftest import MakeApp
from webapp.routes import chat


def test_a_large_bodys_results_are_matched_in_the_thread(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    where: list[int] = []
    monkeypatch.setattr(chat, "check_results", lambda *_: where.append(threading.get_native_id()))
    client: FlaskClient = make_app().test_client()
    messages = [{"role": "user", "content": "a" * 100_000}]
    monkeypatch.setattr("webapp.engine.client.FIRST_ANSWER_SECONDS", 0.02)
    client.post("/v1/chat/completions", data=json.dumps({"messages": messages}), content_type="application/json")
    assert len(where) == 1
    assert where[0] != threading.get_native_id()
