"""A whole answer with many log probabilities: it is built in a thread, so that other requests have their turn."""

from _thread import get_ident
from typing import Any

import pytest
from flask.testing import FlaskClient

from schemas import wire
from schemas.replies.shape import Shape
from tests.fake_engine import FakeEngine
from tests.webapp.answering.test_answer import BODIES, CHAT, both_urls, text_of
from webapp.answering.answer import LARGE_LOGPROBS


@both_urls
@pytest.mark.parametrize(("tokens", "in_thread"), [(LARGE_LOGPROBS, False), (LARGE_LOGPROBS + 1, True)])
def test_a_whole_answer_with_many_log_probabilities_is_built_in_a_thread(
    served: FlaskClient, engine: FakeEngine, url: str, tokens: int, in_thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    build = Shape.whole

    def whole(shape: Shape) -> bytes:
        threads.append(get_ident())
        return build(shape)

    def score(engine: FakeEngine, generate: wire.Generate) -> None:
        entries = [wire.TokenLogprob("a", 1, -0.5, [("a", 1, -0.5)]) for _ in range(tokens)]
        engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
        engine.send(
            wire.Deltas(batch=[wire.Delta(generate.id, 0, "a" * tokens, [1] * tokens, "stop", logprobs=entries)])
        )

    monkeypatch.setattr(Shape, "whole", whole)
    engine.on_generate = score
    scored: dict[str, Any] = {"logprobs": True, "top_logprobs": 1} if url == CHAT else {"logprobs": 1}
    response = served.post(url, json={**BODIES[url], **scored})
    assert text_of(url, response.get_json()["choices"][0]) == "a" * tokens
    assert [thread != get_ident() for thread in threads] == [in_thread]
