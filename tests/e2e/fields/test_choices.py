"""Several answers to one prompt."""

from typing import Any, ClassVar

import pytest

from tests.e2e.fields.asking import COMPLETIONS, ENDPOINTS, ask, refused
from tests.harness import Hearth

both = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=["chat", "completions"])


@pytest.mark.field("n")
@both
class TestN:
    def test_n(self, hearth: Hearth, endpoint: str) -> None:
        one = ask(hearth, endpoint, max_tokens=8, ignore_eos=True)
        answer = ask(hearth, endpoint, n=4, temperature=2, seed=1, max_tokens=8, ignore_eos=True)
        assert len(answer.texts) == 4
        assert len(set(answer.texts)) > 1, "each choice draws its own numbers"
        assert answer.completion_tokens == 32
        assert answer.prompt_tokens == one.prompt_tokens, "the prompt counts once"

    def test_n_128(self, hearth: Hearth, endpoint: str) -> None:
        assert len(ask(hearth, endpoint, n=128, max_tokens=1).texts) == 128


@pytest.mark.field("best_of")
@both
class TestBestOf:
    fields: ClassVar[dict[str, Any]] = {"temperature": 1.5, "seed": 5, "max_tokens": 8, "ignore_eos": True}

    def test_best_of_returns_the_highest_mean_logprobs(self, hearth: Hearth, endpoint: str) -> None:
        logprobs = 0 if endpoint == COMPLETIONS else True
        candidates = ask(hearth, endpoint, n=6, logprobs=logprobs, **self.fields)
        ranked = sorted(range(6), key=lambda index: candidates.mean_logprobs[index], reverse=True)
        expected = [candidates.texts[index] for index in ranked[:2]]
        answer = ask(hearth, endpoint, best_of=6, n=2, **self.fields)
        assert answer.texts == expected
        assert answer.completion_tokens == 48, "discarded candidates count"

    def test_best_of_below_n_is_raised_to_it(self, hearth: Hearth, endpoint: str) -> None:
        answer = ask(hearth, endpoint, best_of=3, n=5, **self.fields)
        assert len(answer.texts) == 5
        assert answer.completion_tokens == 40

    def test_best_of_above_n_cannot_be_streamed(self, hearth: Hearth, endpoint: str) -> None:
        error = refused(hearth, endpoint, best_of=3, n=1, stream=True)
        assert error["param"] == "best_of"
        assert "`n`" in error["message"]
