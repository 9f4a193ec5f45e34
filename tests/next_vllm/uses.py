"""What Hearth uses of vLLM, as its own sources say: names that are imported, calls, and words that name members."""

import ast
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.next_vllm.package import TOP
from tests.next_vllm.shapes import Shape, function_shape


@dataclass(slots=True)
class Import:
    """One name of vLLM's that a file imports."""

    file: str
    places: list[tuple[str, str]]
    """Module and name, which is empty where the module itself is imported; several where one is tried first."""
    attributes: set[str] = field(default_factory=set)
    """What the file reads of it: names of a module's, where it is one."""

    @property
    def name(self) -> str:
        return self.places[0][1]


@dataclass(frozen=True, slots=True)
class Call:
    """How something is called: so many arguments by position, these by name."""

    positional: int
    keywords: frozenset[str]
    unpacks: bool
    """It has `*` or `**` arguments, which may be any."""


@dataclass(frozen=True, slots=True)
class Override:
    """A method that a subclass of Hearth's defines in place of vLLM's."""

    file: str
    shape: Shape


@dataclass(slots=True)
class Uses:
    imports: list[Import] = field(default_factory=list)
    calls: dict[str, set[Call]] = field(default_factory=lambda: defaultdict(set))
    """By the called name: a function's, a method's, or a class's own."""
    words: set[str] = field(default_factory=set)
    """Attributes (of `self` only in subclasses of vLLM's classes), keyword arguments and string keys: whatever may name
    a member of vLLM's.
    """
    overrides: dict[str, dict[str, Override]] = field(default_factory=lambda: defaultdict(dict))
    """By the name of a class of vLLM's, then of the method."""


def read_uses(files: Iterable[Path], root: Path) -> Uses:
    """Read the files. `root`: what their paths are given from, in a report."""
    uses = Uses()
    for file in sorted(files):
        _Reader(uses, str(file.relative_to(root))).visit(ast.parse(file.read_text()))
    return uses


class _Reader(ast.NodeVisitor):
    def __init__(self, uses: Uses, file: str) -> None:
        self._uses = uses
        self._file = file
        self._imports: dict[str, Import] = {}
        """By the names that the file gives them."""

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name.partition(".")[0] == TOP:
                self._add(alias.asname or TOP, alias.name if alias.asname else TOP, "")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level == 0 and module.partition(".")[0] == TOP:
            for alias in node.names:
                self._add(alias.asname or alias.name, module, alias.name)

    def _add(self, local: str, module: str, name: str) -> None:
        """A second import of one name in a file is what an `except` falls back on."""
        if local in self._imports:
            self._imports[local].places.append((module, name))
            return
        self._imports[local] = Import(self._file, [(module, name)])
        self._uses.imports.append(self._imports[local])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        if owner in self._imports:
            self._imports[owner].attributes.add(node.attr)
        if owner not in ("self", "cls"):
            self._uses.words.add(node.attr)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        keywords = frozenset(keyword.arg for keyword in node.keywords if keyword.arg)
        unpacks = any(keyword.arg is None for keyword in node.keywords)
        unpacks |= any(isinstance(argument, ast.Starred) for argument in node.args)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        self._uses.calls[self._original(name)].add(Call(len(node.args), keywords, unpacks))
        self._uses.words |= keywords
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and node.value.isidentifier():
            self._uses.words.add(node.value)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        methods = (inner for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef))
        defined = {method.name: Override(self._file, function_shape(method, method=True)) for method in methods}
        for base in node.bases:
            if name := self._extended(base):
                self._uses.overrides[name] |= defined
                self._uses.words |= {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
        self.generic_visit(node)

    def _extended(self, base: ast.expr) -> str:
        """Return the name of a base that is vLLM's: imported, or an attribute of a module that is."""
        if isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name) and base.value.id in self._imports:
            return base.attr
        return self._original(base.id) if isinstance(base, ast.Name) and base.id in self._imports else ""

    def _original(self, local: str) -> str:
        return self._imports[local].name if local in self._imports else local
