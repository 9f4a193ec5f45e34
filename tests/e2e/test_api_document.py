"""The OpenAPI document against a real server: it is served, it costs little, and real replies are what it says."""

import json
from pathlib import Path

import httpx
import pytest
from openapi_spec_validator import validate

from tests.e2e.test_seed import seed
from tests.harness import Hearth, chat_body
from tests.schemas.openapi.test_document import check

MIB = 1024 * 1024


def test_a_worker_that_has_built_it_is_under_60_mb(tmp_path: Path) -> None:
    """One that has done nothing else: jobs and conversations import SQLAlchemy, and take 15 MB by it."""
    alone = Hearth(tmp_path / "run", HEARTH_ENGINE_SPAWN="0", WEB_CONCURRENCY="1")
    alone.start_web()
    try:
        for path in ("/openapi.json", "/docs", "/docs?language=zh"):
            assert alone.get(path).status_code == 200
        validate(alone.get("/openapi.json").json())
        (worker,) = alone.workers()
        assert worker.memory_info().rss / MIB < 60
    finally:
        alone.stop_web()


@pytest.mark.parametrize(
    ("path", "component"),
    [
        ("/health", "Health"),
        ("/ready", "Ready"),
        ("/version", "Version"),
        ("/v1/models", "ModelList"),
        ("/v1/models/hearth-demo", "Model"),
        ("/v1/models/none", "Error"),
        ("/v1/conversations/none", "Error"),
    ],
)
def test_what_is_read(hearth: Hearth, path: str, component: str) -> None:
    check(component, hearth.get(path).json())


def test_replies(hearth: Hearth) -> None:
    logprobs = {"logprobs": True, "top_logprobs": 2, "max_tokens": 5}
    check("ChatCompletion", hearth.post("/v1/chat/completions", chat_body("Hi", **logprobs)).json())
    check("ChatCompletion", hearth.post("/v1/chat/completions", chat_body("Hi", max_tokens=5)).json())
    scored = {"prompt": "Hello", "logprobs": 2, "max_tokens": 5, "echo": True}
    check("Completion", hearth.post("/v1/completions", scored).json())
    check("Plain", hearth.post("/", {"prompt": "Hi"}).json())
    check("Error", hearth.post("/v1/completions", {"prompt": 5}).json())


def test_chunks(hearth: Hearth) -> None:
    streamed = chat_body("Hi", logprobs=True, max_tokens=5, stream_options={"include_usage": True})
    for path, body, component in [
        ("/v1/chat/completions", streamed, "ChatCompletionChunk"),
        ("/v1/completions", seed("completion_request"), "CompletionChunk"),
    ]:
        with hearth.stream(path, body) as response:
            events = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: ")]
        assert events.pop() == "[DONE]"
        for event in events:
            check(component, json.loads(event))


def test_a_conversation(hearth: Hearth) -> None:
    hearth.post("/v1/chat/completions", chat_body("Hi", conversation_id="documented", max_tokens=5))
    path = "/v1/conversations/documented"
    check("Conversation", hearth.get(path).json())
    check("ConversationDeleted", httpx.delete(hearth.url + path).json())
