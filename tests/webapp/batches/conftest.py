"""Batches over HTTP, with the whole web tier over a fake engine."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from openai.types import Batch

from tests.fake_engine import FakeEngine
from tests.sdk_types import check
from tests.webapp.conftest import MakeApp, wait_until
from tests.webapp.workers import quicken
from webapp.batches import results, run

CHAT = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")


def line(custom_id: str, url: str = CHAT, **body: Any) -> bytes:
    body = body or {"messages": [{"role": "user", "content": "Hello"}]}
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body}).encode()


def some(count: int) -> bytes:
    return b"".join(line(f"q{n}") + b"\n" for n in range(count))


class Web:
    """A client of the web tier."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def upload(self, content: bytes, purpose: str = "batch") -> str:
        form = {"purpose": purpose, "file": (io.BytesIO(content), "in.jsonl")}
        response = self.client.post("/v1/files", data=form)
        assert response.status_code == 200, response.text
        return str(response.get_json()["id"])

    def post(self, **body: Any) -> Any:
        return self.client.post("/v1/batches", json={"endpoint": CHAT, "completion_window": "24h", **body})

    def make(self, content: bytes, **body: Any) -> str:
        response = self.post(input_file_id=self.upload(content), **body)
        assert response.status_code == 200, response.text
        check(Batch, response.get_json())
        return str(response.get_json()["id"])

    def get(self, batch: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/v1/batches/{batch}").get_json()
        check(Batch, found)
        return found

    def ended(self, batch: str, seconds: float = 15.0) -> dict[str, Any]:
        wait_until(lambda: self.get(batch)["status"] in ENDED, seconds)
        return self.get(batch)

    def results(self, file: str | None) -> list[dict[str, Any]]:
        assert file is not None
        response = self.client.get(f"/v1/files/{file}/content")
        assert response.status_code == 200, response.text
        return [json.loads(each) for each in response.data.splitlines()]

    def answered(self, content: bytes, **body: Any) -> dict[str, Any]:
        return self.ended(self.make(content, **body))


MakeWeb = Callable[..., Web]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)
    monkeypatch.setattr(results, "PAUSE", 0.01)
    monkeypatch.setattr(run, "BUSY_SECONDS", 0.01)


@pytest.fixture
def make_web(engine: FakeEngine, make_app: MakeApp) -> MakeWeb:
    def make(*, connected: bool = True, **settings: Any) -> Web:
        app = make_app(**settings)
        if connected:
            app.extensions["hearth"].engine.state()
        return Web(app.test_client())

    return make


@pytest.fixture
def web(make_web: MakeWeb) -> Web:
    return make_web()
