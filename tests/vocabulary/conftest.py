"""A Hearth with Llama 3's whole vocabulary: the demo model's has 2,560 tokens, and hides what 128,256 may break."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from bench import llama3
from tests.harness import Hearth, serving, until

FLAGS = "--enforce-eager --dtype float32 --max-model-len 2048 --max-num-seqs 32"
"""In float32 a text is the same whatever else is in the batch."""


@pytest.fixture(scope="session")
def model() -> Path:
    """The directory of the tiny model. The first run makes it, in some seconds."""
    return llama3.tiny()


@pytest.fixture(scope="session")
def tokenizer(model: Path) -> Tokenizer:
    return Tokenizer.from_file(str(model / "tokenizer.json"))


@pytest.fixture(scope="session")
def running_llama(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    """One load for all tests of this directory."""
    run_dir = tmp_path_factory.mktemp("llama")
    with serving(run_dir, HEARTH_MODEL=str(model), HEARTH_ENGINE_ARGS=FLAGS) as stack:
        yield stack


@pytest.fixture
def llama(running_llama: Hearth) -> Iterator[Hearth]:
    """The running Hearth. After the test it must hold no request."""
    yield running_llama
    until(lambda: running_llama.live() == 0, 5, "no request is live")
