"""The same files give the same fingerprint, other files another."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine_proc.model_files import SAMPLE_BYTES, fingerprint

WEIGHTS = bytes(range(256)) * (3 * SAMPLE_BYTES // 256)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"hidden_size": 256}')
    (model / "model.safetensors").write_bytes(WEIGHTS)
    (model / "chat_template.jinja").write_text("{{ messages }}")
    (model / "MODEL_CARD.md").write_text("a card")
    return model


def flip(position: int) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        weights = bytearray((model / "model.safetensors").read_bytes())
        weights[position] ^= 1
        (model / "model.safetensors").write_bytes(weights)

    return change


@pytest.mark.parametrize(
    "change",
    [
        flip(0),
        flip(SAMPLE_BYTES - 1),
        flip(-SAMPLE_BYTES),
        flip(-1),
        lambda model: (model / "model.safetensors").write_bytes(WEIGHTS + WEIGHTS),
        lambda model: (model / "config.json").write_text('{"hidden_size": 512}'),
        lambda model: (model / "chat_template.jinja").write_text("{{ message }}"),
        lambda model: (model / "config.json").rename(model / "config2.json"),
        lambda model: (model / "generation_config.json").write_text("{}"),
        lambda model: (model / "config.json").unlink(),
    ],
    ids=[
        "first byte of the weights",
        "last byte of the first sample",
        "first byte of the last sample",
        "last byte of the weights",
        "weights twice over",
        "config",
        "chat template",
        "a file renamed",
        "a file more",
        "a file less",
    ],
)
def test_a_change_of_the_model_changes_it(model: Path, change: Callable[[Path], None]) -> None:
    before = fingerprint(str(model))
    change(model)
    assert fingerprint(str(model)) != before


def test_a_copy_elsewhere_has_the_same(model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "another" / "place")
    assert fingerprint(str(copy)) == fingerprint(str(model))


@pytest.mark.parametrize("name", ["MODEL_CARD.md", "train.py", "notes.txt"])
def test_what_is_not_the_model_does_not_matter(model: Path, name: str) -> None:
    before = fingerprint(str(model))
    (model / name).write_text("something new")
    (model / "corpus.json").mkdir()
    assert fingerprint(str(model)) == before


def test_it_is_32_hex_digits(model: Path) -> None:
    digits = fingerprint(str(model))
    assert len(digits) == 32
    assert set(digits) <= set("0123456789abcdef")


def test_a_model_known_by_name_is_known_by_that_name() -> None:
    assert fingerprint("org/model") == fingerprint("org/model")
    assert fingerprint("org/model") != fingerprint("org/other")


@pytest.mark.parametrize("change", [flip(0), lambda model: (model / "adapter_config.json").write_text("{}")])
def test_another_adapter_changes_it(model: Path, tmp_path: Path, change: Callable[[Path], None]) -> None:
    adapter = shutil.copytree(model, tmp_path / "adapter")
    before = fingerprint(str(model), {"adapter one": str(adapter)})
    assert before != fingerprint(str(model))
    assert before != fingerprint(str(model), {"adapter two": str(adapter)})
    moved = shutil.copytree(adapter, tmp_path / "elsewhere")
    assert before == fingerprint(str(model), {"adapter one": str(moved)})
    change(adapter)
    assert before != fingerprint(str(model), {"adapter one": str(adapter)})


def test_the_order_of_adapters_and_options_does_not_matter(model: Path) -> None:
    one, two = {"a": "org/a", "b": "org/b"}, {"b": "org/b", "a": "org/a"}
    assert fingerprint(str(model), one, {"x": 1, "y": {"p": 1, "q": 2}}) == fingerprint(
        str(model), two, {"y": {"q": 2, "p": 1}, "x": 1}
    )


def test_each_option_changes_it(model: Path) -> None:
    options = [None, {"dtype": "float16"}, {"dtype": "float32"}, {"template": "{{ messages }}"}, {"dtype": None}]
    assert len({fingerprint(str(model), None, some) for some in options}) == len(options)


def test_a_file_smaller_than_a_sample_is_read_whole(model: Path) -> None:
    (model / "model.safetensors").write_bytes(b"abc")
    before = fingerprint(str(model))
    (model / "model.safetensors").write_bytes(b"abd")
    assert fingerprint(str(model)) != before
