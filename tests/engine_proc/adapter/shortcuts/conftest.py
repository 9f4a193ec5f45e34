"""Three models without weights: Llama 3's tokenizer, the demo model's (byte-level, both), and a SentencePiece one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import llama3
from tests.engine_proc.adapter.shortcuts import sentencepiece_model
from tests.engine_proc.helpers import MODEL

BYTE_LEVEL = ["demo", "llama 3"]


@pytest.fixture(scope="session", params=[*BYTE_LEVEL, "sentencepiece"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def directory(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if kind == "sentencepiece":
        return sentencepiece_model.make(tmp_path_factory.mktemp("sentencepiece"))
    return Path(MODEL) if kind == "demo" else llama3.configuration_8b()


@pytest.fixture(scope="session")
def renderer(directory: Path) -> Iterator[Any]:
    """vLLM's renderer for the model, as the engine makes it."""
    from vllm import EngineArgs
    from vllm.renderers import renderer_from_config

    renderer = renderer_from_config(EngineArgs(model=str(directory), enforce_eager=True).create_engine_config())
    yield renderer
    renderer.shutdown()


@pytest.fixture(scope="session")
def tokenizer(renderer: Any) -> Any:
    return renderer.get_tokenizer()
