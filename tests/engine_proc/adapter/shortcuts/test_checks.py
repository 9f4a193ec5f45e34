"""When shortcuts are proved, and what they are called."""

from types import SimpleNamespace
from typing import Any

import pytest
from vllm.renderers.hf import HfRenderer

from engine_proc.adapter.shortcuts import checks
from engine_proc.adapter.shortcuts.checks import Proving, Shortcuts, prove


class Renderer:
    """As much of vLLM's as `Proving` uses."""

    def __init__(self) -> None:
        self.warmed_up = 0

    def start_mm_warmup_in_background(self) -> None:
        self.warmed_up += 1


@pytest.fixture
def proved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the vocabularies that have been proved."""
    sizes: list[int] = []

    def note(renderer: Any, vocab_size: int) -> Shortcuts:
        sizes.append(vocab_size)
        return Shortcuts()

    monkeypatch.setattr(checks, "prove", note)
    return sizes


def test_they_are_proved_once_vllm_has_started_its_processes(proved: list[int]) -> None:
    renderer: Any = Renderer()
    proving = Proving(renderer, 7)
    assert not proved
    renderer.start_mm_warmup_in_background()
    proving._pool.shutdown(wait=True)
    assert proved == [7]
    assert renderer.warmed_up == 1
    assert proving.result() == Shortcuts()
    assert proved == [7]


def test_they_are_proved_at_the_latest_when_they_are_wanted(proved: list[int]) -> None:
    renderer: Any = Renderer()
    assert Proving(renderer, 7).result() == Shortcuts()
    assert proved == [7]


def test_a_models_own_renderer_is_left_alone() -> None:
    renderer: Any = Renderer()
    assert prove(renderer, 7) == Shortcuts()
    assert Shortcuts().names == []


def test_their_names(renderer: Any, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "hearth.shortcuts"):
        names = prove(renderer, 128_256).names
    assert "has failed" not in caplog.text
    assert names == ["texts by fastokens", *(["answers by a table"] if kind != "sentencepiece" else [])]


class Broken:
    """A tokenizer of which everything raises, as one of an unknown kind may."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error


class Panic(BaseException):
    """As a panic in Rust reaches Python."""


@pytest.mark.parametrize("error", [ValueError("odd"), RuntimeError("odd"), Panic("odd")])
def test_a_check_that_fails_does_not_end_the_load(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    class Usual(HfRenderer):  # type: ignore[misc]
        def __init__(self) -> None:
            self.model_config = SimpleNamespace(is_encoder_decoder=False)

        def get_tokenizer(self) -> Any:
            return Broken(error)

    for name in ("resolve_chat_template", "quickest", "proved_table"):
        monkeypatch.setattr(checks, name, fails)
    with caplog.at_level("INFO", "hearth.shortcuts"):
        assert prove(Usual(), 7) == Shortcuts()
    assert [record.message for record in caplog.records if "vLLM's way is used: odd" in record.message] == [
        "a search for the chat template has failed, and vLLM's way is used: odd",
        "the check of a quicker encoder has failed, and vLLM's way is used: odd",
        "the check of a byte table has failed, and vLLM's way is used: odd",
    ]


def test_a_chat_encoder_of_a_broken_tokenizer_is_not_used() -> None:
    from engine_proc.adapter.shortcuts.chat_encoder import ChatEncoder

    class Odd(HfRenderer):  # type: ignore[misc]
        def __init__(self) -> None:
            self.model_config = SimpleNamespace(enable_prompt_embeds=False)

        def get_tokenizer(self) -> Any:
            raise ValueError("`skip_tokenizer_init` is set")

    encoder: Any = None
    assert not ChatEncoder(Odd(), encoder, None, "auto").usable
