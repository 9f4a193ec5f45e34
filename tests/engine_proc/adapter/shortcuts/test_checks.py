"""When shortcuts are proved, and what they are called."""

from typing import Any

import pytest

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


def test_their_names(renderer: Any, kind: str) -> None:
    names = prove(renderer, 128_256).names
    assert names == ["texts by fastokens", *(["answers by a table"] if kind != "sentencepiece" else [])]
