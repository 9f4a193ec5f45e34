"""The sources of one vLLM, parsed and never run: where it is installed, or in a wheel."""

import ast
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import resolve_name
from pathlib import Path

TOP = "vllm"


@dataclass(slots=True)
class Module:
    """One source file, and the names that it binds at its top level, each with the statement that binds it."""

    name: str
    tree: ast.Module
    is_package: bool
    names: dict[str, ast.stmt] = field(default_factory=dict)
    typed: dict[str, ast.stmt] = field(default_factory=dict)
    """Names that type checkers see and that do not exist at run time, unless they are exported lazily."""
    stars: list[str] = field(default_factory=list)
    """Modules that `from ... import *` names."""

    def absolute(self, statement: ast.ImportFrom) -> str:
        """Return the full name of the module that a `from ... import` names."""
        package = self.name if self.is_package else self.name.rpartition(".")[0]
        return resolve_name("." * statement.level + (statement.module or ""), package)


@dataclass(slots=True)
class Definition:
    """Where a name leads: the module and the statement that define it. A module's own statement is its tree."""

    module: Module
    name: str
    node: ast.AST

    @property
    def place(self) -> str:
        return self.module.name if isinstance(self.node, ast.Module) else f"{self.module.name}:{self.name}"


class Package:
    """vLLM's sources under `root`: the directory that holds `vllm/`, or a wheel."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._wheel = zipfile.ZipFile(root) if root.is_file() else None
        self._members = frozenset(self._wheel.namelist()) if self._wheel else frozenset()
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module | None:
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def resolve(self, module_name: str, name: str, *, typing: bool = False) -> Definition | None:
        """Follow imports to the definition of `name`. Return None where importing it would fail.

        With `typing` also find what is imported for type checkers alone. A name from another library leads to the
        statement that imports it.
        """
        return self._resolve(module_name, name, typing, set())

    def homes(self, name: str) -> list[str]:
        """Return the modules that define a class or a function called `name`."""
        defines = re.compile(rf"^(?:class|def|async def) {re.escape(name)}\b", re.MULTILINE)
        return sorted(_module_name(path) for path in self._paths() if defines.search(self._text(path) or ""))

    def _resolve(self, module_name: str, name: str, typing: bool, seen: set[tuple[str, str]]) -> Definition | None:
        module = self.module(module_name)
        if module is None or (module_name, name) in seen:
            return None
        seen.add((module_name, name))
        lazy = _is_lazy(module, name)
        statement = module.names.get(name)
        if statement is None and (typing or lazy):
            statement = module.typed.get(name)
        if statement is not None:
            return self._follow(module, name, statement, typing, seen)
        if lazy:
            return self._lazy(module, name, typing, seen)
        for star in module.stars:
            if not name.startswith("_") and (found := self._resolve(star, name, typing, seen)):
                return found
        return self._submodule(f"{module_name}.{name}")

    def _follow(
        self, module: Module, name: str, statement: ast.stmt, typing: bool, seen: set[tuple[str, str]]
    ) -> Definition | None:
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            return Definition(module, name, statement)
        alias = next(a for a in statement.names if _bound(a, statement) == name)
        if isinstance(statement, ast.Import):
            source = alias.name if alias.asname else name
            return self._submodule(source) if _is_ours(source) else Definition(module, name, statement)
        source = module.absolute(statement)
        if not _is_ours(source):
            return Definition(module, name, statement)
        if source == module.name:
            return self._submodule(f"{source}.{alias.name}")
        return self._resolve(source, alias.name, typing, seen)

    def _lazy(self, module: Module, name: str, typing: bool, seen: set[tuple[str, str]]) -> Definition | None:
        """Follow a table such as `MODULE_ATTRS`, whose values are `".module:name"`."""
        for table in (node for node in ast.walk(module.tree) if isinstance(node, ast.Dict)):
            for key, value in zip(table.keys, table.values, strict=True):
                if _string(key) == name and ":" in (target := _string(value)):
                    source, _, attribute = target.partition(":")
                    return self._resolve(resolve_name(source, module.name), attribute, typing, seen)
        return Definition(module, name, ast.Constant(name))

    def _submodule(self, name: str) -> Definition | None:
        module = self.module(name)
        return Definition(module, name.rpartition(".")[2], module.tree) if module else None

    def _read(self, name: str) -> Module | None:
        path = name.replace(".", "/")
        for candidate, is_package in ((f"{path}/__init__.py", True), (f"{path}.py", False)):
            if (text := self._text(candidate)) is not None:
                module = Module(name, ast.parse(text), is_package)
                _bind(module, module.tree.body, typing=False)
                return module
        return None

    def _text(self, path: str) -> str | None:
        if self._wheel is not None:
            return self._wheel.read(path).decode() if path in self._members else None
        file = self._root / path
        return file.read_text() if file.is_file() else None

    def _paths(self) -> Iterator[str]:
        if self._wheel is not None:
            return (path for path in self._members if path.startswith(f"{TOP}/") and path.endswith(".py"))
        return (str(path.relative_to(self._root)) for path in (self._root / TOP).rglob("*.py"))


def _bind(module: Module, body: list[ast.stmt], *, typing: bool) -> None:
    """Collect what `body` binds. The first binding counts (the second is a fallback), but for definitions."""
    for statement in body:
        typed = typing or (isinstance(statement, ast.AnnAssign) and statement.value is None)
        names = module.typed if typed else module.names
        match statement:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                names[statement.name] = statement  # the last of several overloads is the function itself
            case ast.Assign() | ast.AnnAssign():
                for name in _targets(statement):
                    names.setdefault(name, statement)
            case ast.ImportFrom(names=[ast.alias(name="*")]):
                module.stars.append(module.absolute(statement))
            case ast.Import() | ast.ImportFrom():
                for alias in statement.names:
                    names.setdefault(_bound(alias, statement), statement)
            case ast.If():
                _bind(module, statement.body, typing=typing or "TYPE_CHECKING" in ast.unparse(statement.test))
                _bind(module, statement.orelse, typing=typing)
            case ast.Try():
                handlers = [inner for handler in statement.handlers for inner in handler.body]
                _bind(module, [*statement.body, *statement.orelse, *handlers, *statement.finalbody], typing=typing)
            case ast.With():
                _bind(module, statement.body, typing=typing)


def _targets(statement: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    for target in targets:
        elements = target.elts if isinstance(target, ast.Tuple) else [target]
        yield from (element.id for element in elements if isinstance(element, ast.Name))


def _bound(alias: ast.alias, statement: ast.Import | ast.ImportFrom) -> str:
    """Return the name that an import binds: `import a.b` binds `a`."""
    if alias.asname:
        return alias.asname
    return alias.name.partition(".")[0] if isinstance(statement, ast.Import) else alias.name


def _is_lazy(module: Module, name: str) -> bool:
    """Whether the module's `__getattr__` knows the name: it names it, or a table of the module's has it as a key."""
    getter = module.names.get("__getattr__")
    if getter is None:
        return False
    tables = (node.keys for node in ast.walk(module.tree) if isinstance(node, ast.Dict))
    return any(_string(node) == name for nodes in (ast.walk(getter), *tables) for node in nodes)


def _string(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_ours(module_name: str) -> bool:
    return module_name.partition(".")[0] == TOP


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
