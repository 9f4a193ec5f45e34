"""What a caller sees of a definition: a function's parameters, a class's members and constructor, a value's type."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tests.next_vllm.package import Definition, Package

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: str
    """`positional` (by name too), `positional only`, `keyword`, `*` or `**`."""
    required: bool
    text: str
    """As it is written: name, type and default."""


@dataclass(frozen=True, slots=True)
class Shape:
    kind: str
    parameters: tuple[Parameter, ...] = ()
    """Without `self` or `cls`."""
    text: str = ""
    """Of a function what it returns; of a value its type and a plain default, or the value where no type is written."""
    types: tuple[ast.expr, ...] = ()
    """The written types that lead to the classes of what it returns or holds."""


def shape(definition: Definition, *, method: bool = False) -> Shape:
    node = definition.node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return function_shape(node, method=method)
    if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias" and node.value:
        return Shape("value", text=ast.unparse(node.value), types=(node.value,))
    if isinstance(node, ast.AnnAssign):
        default = f" = {ast.unparse(node.value)}" if node.value and not isinstance(node.value, ast.Call) else ""
        return Shape("value", text=ast.unparse(node.annotation) + default, types=(node.annotation,))
    if isinstance(node, ast.Assign):
        return Shape("value", text=ast.unparse(node.value), types=(node.value,))
    if isinstance(node, ast.arg):
        types = (node.annotation,) if node.annotation else ()
        return Shape("value", text="".join(map(ast.unparse, types)), types=types)
    kinds = {ast.ClassDef: "class", ast.Module: "module", ast.ImportFrom: "import", ast.Import: "import"}
    return Shape(kinds.get(type(node), "value"))


def function_shape(node: Function, *, method: bool) -> Shape:
    decorators = {name for decorator in node.decorator_list for name in _names(decorator)}
    returns = (node.returns,) if node.returns else ()
    text = "".join(map(ast.unparse, returns))
    if method and decorators & {"property", "cached_property"}:
        return Shape("value", text=text, types=returns)
    parameters = tuple(_parameters(node.args))
    if method and "staticmethod" not in decorators:
        parameters = parameters[1:]
    return Shape("async function" if isinstance(node, ast.AsyncFunctionDef) else "function", parameters, text, returns)


def members(package: Package, owner: Definition) -> dict[str, Definition]:
    """Return the members of a class by name, its bases' first: methods, fields, and what methods assign to `self`."""
    return _members(package, owner, ())


def _members(package: Package, owner: Definition, below: tuple[str, ...]) -> dict[str, Definition]:
    found: dict[str, Definition] = {}
    node = owner.node
    if not isinstance(node, ast.ClassDef) or owner.place in below:
        return found
    for base in reversed(node.bases):
        for name in _names(base):
            if parent := package.resolve(owner.module.name, name):
                found |= _members(package, parent, (*below, owner.place))
                break
    own: dict[str, ast.AST] = {}
    for statement in node.body:
        own.update(_declared(statement))
    for method in (statement for statement in node.body if isinstance(statement, ast.FunctionDef)):
        for name, assigned in _assigned(method):
            own.setdefault(name, assigned)
    return found | {name: Definition(owner.module, f"{owner.name}.{name}", inner) for name, inner in own.items()}


def constructor(package: Package, owner: Definition) -> Shape:
    """Return what a call of a class takes: the parameters of `__init__`, or its fields where it has none."""
    found = members(package, owner)
    if "__init__" in found:
        return shape(found["__init__"], method=True)
    fields = (
        member.node
        for member in found.values()
        if isinstance(member.node, ast.AnnAssign) and isinstance(member.node.target, ast.Name)
    )
    return Shape("function", tuple(_field(node) for node in fields if "ClassVar" not in ast.unparse(node.annotation)))


def named_types(expressions: tuple[ast.expr, ...]) -> list[str]:
    """Return the names in written types, those in quotes too."""
    return list(dict.fromkeys(name for expression in expressions for name in _names(expression)))


def _parameters(args: ast.arguments) -> Iterator[Parameter]:
    positional = [*args.posonlyargs, *args.args]
    first_default = len(positional) - len(args.defaults)
    for index, arg in enumerate(positional):
        kind = "positional only" if index < len(args.posonlyargs) else "positional"
        yield _parameter(arg, kind, args.defaults[index - first_default] if index >= first_default else None)
    if args.vararg:
        yield Parameter(args.vararg.arg, "*", False, f"*{ast.unparse(args.vararg)}")
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield _parameter(arg, "keyword", default)
    if args.kwarg:
        yield Parameter(args.kwarg.arg, "**", False, f"**{ast.unparse(args.kwarg)}")


def _parameter(arg: ast.arg, kind: str, default: ast.expr | None) -> Parameter:
    text = ast.unparse(arg) + (f" = {ast.unparse(default)}" if default else "")
    return Parameter(arg.arg, kind, default is None, text)


def _field(node: ast.AnnAssign) -> Parameter:
    value = node.value
    if isinstance(value, ast.Call) and ast.unparse(value.func).lower().endswith("field"):
        keywords = {keyword.arg for keyword in value.keywords}
        required = not (keywords & {"default", "default_factory"} or value.args)
    else:
        required = value is None
    return Parameter(ast.unparse(node.target), "positional", required, ast.unparse(node))


def _declared(statement: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        if not any(ast.unparse(decorator).endswith((".setter", ".deleter")) for decorator in statement.decorator_list):
            yield statement.name, statement
    elif isinstance(statement, ast.ClassDef):
        yield statement.name, statement
    elif isinstance(statement, ast.AnnAssign):
        yield ast.unparse(statement.target), statement
    elif isinstance(statement, ast.Assign):
        yield from ((target.id, statement) for target in statement.targets if isinstance(target, ast.Name))


def _assigned(method: ast.FunctionDef) -> Iterator[tuple[str, ast.AST]]:
    """Find `self.name = ...`. What is assigned from a parameter has that parameter's type."""
    given = {arg.arg: arg for arg in (*method.args.args, *method.args.kwonlyargs)}
    for node in ast.walk(method):
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                value = node.value
                yield target.attr, given.get(value.id, node) if isinstance(value, ast.Name) else node


def _names(expression: ast.expr) -> Iterator[str]:
    for node in ast.walk(expression):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                yield from _names(ast.parse(node.value, mode="eval").body)
            except SyntaxError:  # a text, and no type in quotes
                continue
