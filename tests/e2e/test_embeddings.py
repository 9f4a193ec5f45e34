"""An engine that serves an embedding model, and fetches it from a hub: the demo model, whose last hidden state vLLM
takes for an embedding.
"""

import base64
import math
from array import array
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import LOAD_SECONDS, Hearth, serving, until
from tests.hub import NAME, Hub

TEXTS = ["Who are you?", "你好", "Who are you?"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture(scope="module")
def embedding(tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Iterator[Hearth]:
    """Ready from the second test on."""
    settings = {
        "HEARTH_MODEL": NAME,
        "HEARTH_ENGINE_ARGS": "--enforce-eager --runner pooling --convert embed",
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path_factory.mktemp("cache")),
    }
    with serving(tmp_path_factory.mktemp("run"), ready=False, **settings) as stack:
        yield stack


def test_the_model_is_downloaded_and_the_wait_says_how_far_it_is(embedding: Hearth, hub: Hub) -> None:
    def downloading() -> float | None:
        engine = embedding.get("/health").json()["engine"]
        return engine["progress"] if engine["stage"] == f"downloading {NAME} (0.01 GB)" else None

    share = until(downloading, LOAD_SECONDS, "bytes have come")
    assert 0.3 < share < 0.7, "of two files, one is there"
    hub.released.set()
    embedding.wait_ready()
    assert embedding.welcome().model == NAME


def test_the_sdk_gets_vectors(embedding: Hearth) -> None:
    reply = embedding.openai().embeddings.create(model="m", input=TEXTS)
    assert [entry.index for entry in reply.data] == [0, 1, 2]
    first, other, again = (entry.embedding for entry in reply.data)
    assert len(first) == 256
    assert math.isclose(sum(value * value for value in first), 1, rel_tol=1e-2)
    assert all(math.isclose(one, two, abs_tol=0.02) for one, two in zip(first, again, strict=True))
    assert first != other
    assert reply.usage.prompt_tokens == reply.usage.total_tokens > 6


def test_numbers_and_bytes_say_the_same(embedding: Hearth) -> None:
    body = {"input": "Hello"}
    numbers = embedding.post("/v1/embeddings", body).json()["data"][0]["embedding"]
    packed = embedding.post("/v1/embeddings", {**body, "encoding_format": "base64"}).json()["data"][0]["embedding"]
    assert array("f", base64.b64decode(packed)).tolist() == pytest.approx(numbers, abs=0.02)


def test_token_ids_are_a_text(embedding: Hearth) -> None:
    tokens = embedding.post("/tokenize", {"prompt": "Hello"}).json()["tokens"]
    ours, theirs = (
        embedding.post("/v1/embeddings", {"input": given}).json()["data"][0]["embedding"] for given in (tokens, "Hello")
    )
    assert ours == pytest.approx(theirs, abs=0.02)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/embeddings", {}, "input"),
        ("/v1/embeddings", {"input": []}, "input"),
        ("/v1/embeddings", {"input": ""}, None),
        ("/v1/embeddings", {"input": "a", "encoding_format": "int8"}, "encoding_format"),
        ("/v1/embeddings", {"input": "a", "dimensions": 3}, "dimensions"),
        ("/v1/embeddings", {"input": "word " * 3000}, "input"),
        ("/v1/embeddings", {"input": [999_999]}, "input"),
        ("/v1/completions", {"prompt": "a"}, "model"),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}]}, "model"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_is_named(embedding: Hearth, path: str, body: dict[str, Any], param: str | None) -> None:
    response = embedding.post(path, body)
    if param is None:  # `<|begin_of_text|>` alone is a text, too
        assert response.status_code == 200
    else:
        assert (response.status_code, response.json()["error"]["param"]) == (400, param), response.text


def test_a_model_that_writes_makes_none(hearth: Hearth) -> None:
    response = hearth.post("/v1/embeddings", {"input": "a"})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "model")
