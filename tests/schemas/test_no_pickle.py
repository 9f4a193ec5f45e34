"""Nothing that Hearth reads can run code: none of its modules imports a library that would."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.shared.endpoint import PROJECT_ROOT

RUNS_CODE = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "yaml"}
CALLS = {"recv_pyobj", "send_pyobj", "eval", "exec"}
MODULES = sorted(file for room in ("schemas", "webapp", "engine_proc") for file in (PROJECT_ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(PROJECT_ROOT)))
def test_a_module_unpickles_nothing(file: Path) -> None:
    source = file.read_text()
    assert set(_names(ast.parse(source))) & (RUNS_CODE | CALLS) == set()
    assert "VLLM_ALLOW_INSECURE_SERIALIZATION" not in source


def _names(tree: ast.AST) -> Iterator[str]:
    """The top packages that are imported, and what is called by name or as an attribute."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module)):
                yield module.partition(".")[0]
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
                yield name
