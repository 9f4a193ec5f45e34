"""A whole answer with many log probabilities: they are encoded as they come, and other requests have their turn."""

from typing import Any

import gevent
import pytest
from flask.testing import FlaskClient

from schemas import wire
from schemas.replies.chat import ChatShape
from schemas.replies.completion import CompletionShape
from tests.fake_engine import FakeEngine
from tests.webapp.answering.test_answer import BODIES, CHAT, both_urls, text_of
from webapp.connection import yielding
from webapp.engine import shares

TOKENS = 100


@pytest.mark.parametrize("most", [1, 10, TOKENS], ids=["a token a part", "parts", "whole, as an older engine has it"])
@both_urls
def test_log_probabilities_are_encoded_as_they_come(
    served: FlaskClient, engine: FakeEngine, url: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "MOST_LOGPROBS", 40)
    kind, encoded = ChatShape if url == CHAT else CompletionShape, list[int]()
    others: list[int] = []
    encode = kind._logprobs

    def logprobs(shape: Any, entries: list[wire.TokenLogprob], offset: int) -> dict[str, Any]:
        encoded.append(len(entries))
        return encode(shape, entries, offset)

    def other_work() -> None:
        while True:
            others.append(sum(encoded))
            gevent.sleep(0)

    def score(engine: FakeEngine, generate: wire.Generate) -> None:
        entries = [wire.TokenLogprob(f"{n:03}", n, -0.5, ((f"{n:03}", n, -0.5),) * 3) for n in range(TOKENS)]
        text, tokens = "".join(entry.text for entry in entries), list(range(TOKENS))
        engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
        answer = wire.Delta(generate.id, 0, text, tokens, "stop", None, entries)
        engine.send(wire.Deltas(batch=[*wire.split(answer, most * 4)]))

    monkeypatch.setattr(kind, "_logprobs", logprobs)
    engine.on_generate = score
    scored: dict[str, Any] = {"logprobs": True, "top_logprobs": 3} if url == CHAT else {"logprobs": 3}
    work = gevent.spawn(other_work)
    response = served.post(url, json={**BODIES[url], **scored})
    work.kill()
    choice = response.get_json()["choices"][0]
    assert text_of(url, choice) == "".join(f"{n:03}" for n in range(TOKENS))
    told = choice["logprobs"]
    tokens = [entry["token"] for entry in told["content"]] if url == CHAT else told["tokens"]
    assert tokens == [f"{n:03}" for n in range(TOKENS)]
    assert max(encoded) <= 10
    assert len(set(others)) > 5, "other greenlets run between"


def test_a_long_body_is_written_in_several_turns(
    served: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yielding, "MOST_BYTES", 20_000)

    def score(engine: FakeEngine, generate: wire.Generate) -> None:
        entries = [wire.TokenLogprob("a" * 1000, 1, -0.5)] * TOKENS
        engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
        answer = wire.Delta(generate.id, 0, "a", [1] * TOKENS, "stop", None, entries)
        engine.send(wire.Deltas(batch=[*wire.split(answer, 20)]))

    engine.on_generate = score
    response = served.post(CHAT, json={**BODIES[CHAT], "logprobs": True}, buffered=False)
    pieces = list(response.iter_encoded())
    assert len(pieces) > 2
    assert sum(map(len, pieces)) == int(response.headers["Content-Length"])
