"""Three models without weights: Llama 3's tokenizer, the demo model's (byte-level, both), and a SentencePiece one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import llama3
from engine_proc.adapter.shortcuts.byte_detokenizer import ByteTable, proved_table
from engine_proc.adapter.shortcuts.encoder import Encoder, quickest
from tests.engine_proc.adapter.shortcuts import sentencepiece_model
from tests.engine_proc.helpers import MODEL

BYTE_LEVEL = ["demo", "llama 3"]
VOCABULARY = 128_256
"""As large as Llama 3's, for all of them: a model's may be padded."""


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


@pytest.fixture(scope="session")
def encoder(tokenizer: Any) -> Encoder:
    found = quickest(tokenizer)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def table(tokenizer: Any, kind: str) -> ByteTable | None:
    """None: a SentencePiece tokenizer has none."""
    found = proved_table(tokenizer, VOCABULARY)
    assert (found is None) == (kind == "sentencepiece")
    return found
