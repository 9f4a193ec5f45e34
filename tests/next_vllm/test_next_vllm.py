"""`make next-vllm` over two small made-up vLLMs: the installed one is a directory, the next one a wheel."""

import zipfile
from pathlib import Path

import pytest

from tests.next_vllm import __main__ as command
from tests.next_vllm.compare import Comparison
from tests.next_vllm.package import Package
from tests.next_vllm.uses import read_uses

HEARTH = """
from vllm import Params, envs, params
from vllm.engine import Client, make
from vllm.parsers import Parser

class OurParser(Parser):
    def parse(self, text):
        return super().parse(text) + self.suffix

class OurParams(params.Params):
    def check(self):
        return self.top_p

async def use(config):
    client: Client = make(config, log=True)
    await client.add(Params(top_p=1.0), envs.LIMIT)
    return [output.prefill.cached for output in (await client.outputs()).rows]
"""
VLLM = {
    "__init__": """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from vllm.params import Params
MODULE_ATTRS = {"Params": ".params:Params"}
def __getattr__(name): ...
__all__ = ["Params"]
""",
    "envs": """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    LIMIT: int = 0
variables = {"LIMIT": lambda: 1}
def __getattr__(name): ...
""",
    "params": """
class Params(Struct):
    temperature: float = 1.0
    top_p: float = 1.0
    def check(self): ...
""",
    "parsers": """
class Parser:
    suffix: str = ""
    def parse(self, text: str) -> str: ...
""",
    "engine/__init__": """
from .client import Client
from .making import *
""",
    "engine/making": """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from vllm.engine.client import Client
def make(config, log: bool) -> "Client": ...
""",
    "engine/client": """
from dataclasses import dataclass
@dataclass
class Prefill:
    cached: int
@dataclass
class Output:
    prefill: Prefill | None = None
@dataclass
class Outputs:
    rows: list["Output"]
class Client:
    async def add(self, params, limit: int) -> None: ...
    async def outputs(self) -> Outputs: ...
""",
}


def compare(directory: Path, new: dict[str, str], hearth: str = HEARTH, old: dict[str, str] = VLLM) -> list[str]:
    hearth_file = directory / "hearth.py"
    hearth_file.write_text(hearth)
    for name, text in old.items():
        file = directory / "installed" / "vllm" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    with zipfile.ZipFile(directory / "next.whl", "w") as wheel:
        for name, text in new.items():
            wheel.writestr(f"vllm/{name}.py", text)
    uses = read_uses([hearth_file], directory)
    findings = Comparison(Package(directory / "installed"), Package(directory / "next.whl"), uses).findings()
    return [str(finding) for finding in findings]


def changed(module: str, before: str, after: str) -> dict[str, str]:
    assert before in VLLM[module]
    return {**VLLM, module: VLLM[module].replace(before, after)}


def test_the_same_vllm_is_clean(tmp_path: Path) -> None:
    assert compare(tmp_path, VLLM) == []


def test_a_moved_module_is_said_with_the_place_that_has_the_name_now(tmp_path: Path) -> None:
    new = {**{name: text for name, text in VLLM.items() if name != "parsers"}, "common/parsers": VLLM["parsers"]}
    assert compare(tmp_path, new) == [
        "broke    vllm.parsers:Parser (hearth.py): was class; is gone; vllm.common.parsers has one of that name"
    ]


def test_a_name_that_is_looked_for_in_both_places_is_found(tmp_path: Path) -> None:
    new = {**{name: text for name, text in VLLM.items() if name != "parsers"}, "common/parsers": VLLM["parsers"]}
    both = """try:
    from vllm.common.parsers import Parser
except ModuleNotFoundError:
    from vllm.parsers import Parser
"""
    assert compare(tmp_path, new, HEARTH.replace("from vllm.parsers import Parser\n", both)) == []


def test_a_module_that_became_a_package_and_exports_its_names_again_is_clean(tmp_path: Path) -> None:
    new = {**VLLM, "parsers/__init__": "from .abstract import Parser", "parsers/abstract": VLLM["parsers"]}
    del new["parsers"]
    assert compare(tmp_path, new) == []


@pytest.mark.parametrize(
    ("module", "before", "after", "expected"),
    [
        ("engine/making", "def make(", "def build(", "vllm.engine:make (hearth.py): was function; is gone"),
        ("engine/__init__", "from .client import Client", "", "vllm.engine:Client"),
        ("engine/making", "log: bool", "log_stats: bool", "make: was log: bool; is log_stats: bool"),
        (
            "engine/client",
            "params, limit: int",
            "limit: int, params",
            "Client.add: was params, limit; is limit, params",
        ),
        ("engine/client", "limit: int)", "limit: int, rank: int)", "was no such parameter; is rank: int"),
        ("engine/client", "async def outputs", "def outputs", "outputs: was async function; is function"),
        ("engine/client", "cached: int", "num_cached: int", "Prefill.cached: was value; is gone"),
        ("params", "top_p: float = 1.0", "", "Params: was top_p: float = 1.0; is no such parameter"),
        ("parsers", "suffix: str", "ending: str", "Parser.suffix: was value; is gone"),
        ("params", "def check(self)", "def check(self, model)", "Params.check (overridden in hearth.py)"),
        ("parsers", "text: str)", "text: str, final: bool = True)", "(overridden in hearth.py)"),
        ("__init__", '"Params": ".params:Params"', "", "vllm:Params (hearth.py)"),
        ("envs", '"LIMIT": lambda: 1', "", "vllm.envs:LIMIT (hearth.py)"),
    ],
)
def test_what_broke_is_said(tmp_path: Path, module: str, before: str, after: str, expected: str) -> None:
    findings = compare(tmp_path, changed(module, before, after))
    assert findings and all(finding.startswith("broke ") for finding in findings)
    assert expected in findings[0]


@pytest.mark.parametrize(
    ("module", "before", "after"),
    [
        ("engine/client", "limit: int)", "limit: int, rank: int = 0)"),
        ("params", "top_p: float = 1.0", "top_p: float = 1.0\n    top_k: int = 0"),
        ("engine/making", "def make(config, log: bool)", "def make(config, *, rank: int = 0, log: bool)"),
        ("parsers", "class Parser:", "class Parser:\n    def unused(self): ..."),
    ],
)
def test_what_hearth_need_not_know_is_not_said(tmp_path: Path, module: str, before: str, after: str) -> None:
    assert compare(tmp_path, changed(module, before, after)) == []


def test_another_default_is_said_and_breaks_nothing(tmp_path: Path) -> None:
    assert compare(tmp_path, changed("params", "top_p: float = 1.0", "top_p: float = 0.9")) == [
        "changed  vllm.params:Params.top_p: was float = 1.0; is float = 0.9"
    ]


def test_what_is_imported_for_type_checkers_alone_is_no_export(tmp_path: Path) -> None:
    new = changed("engine/__init__", "from .client", "from typing import TYPE_CHECKING\nif TYPE_CHECKING: from .client")
    assert any(finding.startswith("broke    vllm.engine:Client") for finding in compare(tmp_path, new))


@pytest.mark.parametrize(("after", "status"), [("def make(config, log: bool", 0), ("def make(config", 1)])
def test_the_exit_status_says_whether_something_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], after: str, status: int
) -> None:
    compare(tmp_path, changed("engine/making", "def make(config, log: bool", after))
    room = tmp_path / "bench"
    room.mkdir()
    (tmp_path / "hearth.py").rename(room / "hearth.py")
    monkeypatch.setattr(command, "PROJECT_ROOT", tmp_path)
    monkeypatch.setattr(command, "_installed", lambda: Package(tmp_path / "installed"))
    monkeypatch.setattr(command, "_download", lambda version, directory: tmp_path / "next.whl")
    monkeypatch.setattr("sys.argv", ["next_vllm", "9.9.9"])
    assert command.main() == status
    assert capsys.readouterr().out.splitlines()[-1] == f"vLLM 9.9.9: 6 imports, {status} broke, 0 changed"
