"""The demo model's tokenizer and renderer, without its weights."""

from typing import Any

import pytest

from tests.engine_proc.helpers import MODEL


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """As transformers loads it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MODEL)


@pytest.fixture(scope="session")
def renderer() -> Any:
    """vLLM's renderer, as the engine makes it."""
    from vllm import EngineArgs
    from vllm.renderers import renderer_from_config

    renderer = renderer_from_config(EngineArgs(model=str(MODEL), enforce_eager=True).create_engine_config())
    yield renderer
    renderer.shutdown()
