"""How vLLM is imported, and what of an engine's configuration makes its answers others, and so its fingerprint."""

import gc
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine_proc.adapter.loading import flags, model
from engine_proc.process.assembly import _fingerprint, load_and_attach
from tests.engine_proc.helpers import MODEL, settings_in

ADAPTER = f"demo={MODEL / 'adapter'}"


def of(*argv: str, dtype: str = "torch.float32", **settings: Any) -> str:
    args = model.parse_args(["--model", str(MODEL), *argv])
    config: Any = SimpleNamespace(model_config=SimpleNamespace(dtype=dtype))
    engine: Any = SimpleNamespace(model=str(MODEL), config=config)
    changed: Any = SimpleNamespace(
        default_stops=settings.get("stops", []),
        repeat_max_pattern=settings_in(MODEL).repeat_max_pattern,
        repeat_min_count=settings.get("count", 4),
        control_tokens_in_text=settings.get("control", False),
    )
    return _fingerprint(engine, args, flags.template(args), changed)


@pytest.mark.parametrize(
    "argv",
    [
        ("--enable-lora", "--lora-modules", ADAPTER),
        ("--chat-template", "{{ messages[0]['content'] }}"),
        ("--default-chat-template-kwargs", '{"date": "today"}'),
        ("--kv-cache-dtype", "fp8"),
        ("--quantization", "fp8"),
        ("--revision", "v2"),
        ("--tokenizer", "org/tokenizer"),
        ("--override-generation-config", '{"temperature": 0}'),
        ("--tool-call-parser", "hermes"),
    ],
    ids=lambda argv: argv[0],
)
def test_what_changes_answers_changes_it(argv: tuple[str, ...]) -> None:
    assert of(*argv) != of()
    assert of(*argv) == of(*argv)


def test_so_do_the_number_format_and_the_settings() -> None:
    assert len({of(), of(dtype="torch.bfloat16"), of(stops=["<|eot_id|>"]), of(count=5), of(control=True)}) == 5


@pytest.mark.parametrize(
    "argv",
    [
        ("--max-num-seqs", "3"),
        ("--gpu-memory-utilization", "0.5"),
        ("--max-model-len", "100"),
        ("--enforce-eager",),
        ("--served-model-name", "another"),
        ("--enable-log-requests",),
    ],
    ids=lambda argv: argv[0],
)
def test_what_does_not_leaves_it(argv: tuple[str, ...]) -> None:
    assert of(*argv) == of()


def test_a_template_counts_by_its_text(tmp_path: Path) -> None:
    file = tmp_path / "template.jinja"
    file.write_text("{{ messages }}")
    first = of("--chat-template", str(file))
    moved = file.rename(tmp_path / "moved.jinja")
    assert of("--chat-template", str(moved)) == first
    other = tmp_path / "other.jinja"
    other.write_text("{{ messages[0] }}")
    assert of("--chat-template", str(other)) != first


def test_nothing_is_collected_while_vllm_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    imported, seen = "engine_proc.adapter.calls.parsing", []

    class Finder:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == imported:
                seen.append(gc.isenabled())
                raise ImportError(name)

    server: Any = SimpleNamespace(clock=SimpleNamespace(stage=lambda stage: None))
    monkeypatch.delitem(sys.modules, imported, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(ImportError):
        load_and_attach(settings_in(MODEL), [], server)
    assert seen == [False]
    assert gc.isenabled(), "also after an import that failed"
