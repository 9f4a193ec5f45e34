"""What Hearth uses of one vLLM, looked for in another: what is gone, what no longer fits, what reads otherwise."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from tests.next_vllm.fits import calls_break, overriding_breaks
from tests.next_vllm.package import Definition, Package
from tests.next_vllm.shapes import Shape, constructor, members, named_types, shape
from tests.next_vllm.uses import Call, Import, Override, Uses

LONGEST = 100
"""Characters of a parameter, in a report."""


@dataclass(frozen=True, slots=True)
class Finding:
    broke: bool
    """Hearth fails on it. Else it works, and may do something else."""
    place: str
    was: str
    now: str

    def __str__(self) -> str:
        return f"{'broke' if self.broke else 'changed':8} {self.place}: was {self.was}; is {self.now}"


class Comparison:
    """`old` is what Hearth works with, `new` what is in question."""

    def __init__(self, old: Package, new: Package, uses: Uses) -> None:
        self._old = old
        self._new = new
        self._uses = uses
        self._seen: set[str] = set()

    def findings(self) -> list[Finding]:
        """Return what differs, each difference once, first what broke."""
        found = dict.fromkeys(finding for item in self._uses.imports for finding in self._import(item))
        return sorted(found, key=lambda finding: (not finding.broke, finding.place))

    def _import(self, item: Import) -> Iterator[Finding]:
        old, new = _first(self._old, item), _first(self._new, item)
        place = " or ".join(f"{module}:{name}".rstrip(":") for module, name in item.places)
        if new is None:
            kind = shape(old).kind if old else "not there either"
            yield Finding(True, f"{place} ({item.file})", kind, _gone(self._new.homes(item.name)))
        elif old is None:
            return  # Hearth is ahead of the installed vLLM: there is nothing to compare with
        elif shape(old).kind == shape(new).kind == "module":
            for name in sorted(item.attributes):
                yield from self._import(Import(item.file, [(old.module.name, name)]))
        else:
            yield from self._definition(old, new)

    def _definition(self, old: Definition, new: Definition) -> Iterator[Finding]:
        was, now = shape(old), shape(new)
        if was.kind == now.kind == "class":
            yield from self._constructor(old, new)
            yield from self._class(old, new)
        else:
            yield from self._shapes(old.place, was, now, self._calls(old.name))
            yield from self._types(old, was, new, now)

    def _constructor(self, old: Definition, new: Definition) -> Iterator[Finding]:
        """Report no mere change: what Hearth reads of the fields is compared as members of the class."""
        calls = self._calls(old.name)
        if "__init__" in self._uses.overrides.get(old.name, {}):
            calls = calls | self._calls("__init__")  # by `super()`
        if not calls and "__init__" not in members(self._old, old):
            return  # its fields need not be a constructor's parameters
        found = self._shapes(old.place, constructor(self._old, old), constructor(self._new, new), calls)
        yield from (finding for finding in found if finding.broke)

    def _class(self, old: Definition, new: Definition) -> Iterator[Finding]:
        """Compare the members of a class that Hearth's words name, and the classes that these lead to."""
        if old.place in self._seen:
            return
        self._seen.add(old.place)
        mine, theirs = members(self._old, old), members(self._new, new)
        overrides = self._uses.overrides.get(old.name, {})
        for name in sorted((mine.keys() & (self._uses.words | overrides.keys())) - {"__init__"}):
            place, was = f"{old.place}.{name}", shape(mine[name], method=True)
            if name not in theirs:
                yield Finding(True, place, was.kind, "gone")
                continue
            now = shape(theirs[name], method=True)
            if name in overrides:
                yield from _overriding(place, was, now, overrides[name])
            else:
                yield from self._shapes(place, was, now, self._calls(name))
            yield from self._types(mine[name], was, theirs[name], now)

    def _types(self, old: Definition, was: Shape, new: Definition, now: Shape) -> Iterator[Finding]:
        """Go on to the classes that a type names, in both packages."""
        theirs = named_types(now.types)
        for name in named_types(was.types):
            mine = self._old.resolve(old.module.name, name, typing=True)
            other = self._new.resolve(new.module.name, name, typing=True) if name in theirs else None
            if mine is None or other is None or mine.place in self._seen:
                continue
            if shape(mine).kind == shape(other).kind == "class":
                yield from self._class(mine, other)
            elif shape(mine).kind == "value":  # another name of a type
                self._seen.add(mine.place)
                yield from self._types(mine, shape(mine), other, shape(other))

    def _shapes(self, place: str, was: Shape, now: Shape, calls: set[Call]) -> Iterator[Finding]:
        if was.kind != now.kind:
            yield Finding(True, place, was.kind, now.kind)
        elif (broke := calls_break(was, now, calls)) or _only_in(was, now):
            yield _parameters_differ(broke, place, was, now)
        elif was.text != now.text:
            yield Finding(False, place, was.text or "untyped", now.text or "untyped")

    def _calls(self, name: str) -> set[Call]:
        return self._uses.calls.get(name, set())


def _overriding(place: str, was: Shape, now: Shape, override: Override) -> Iterator[Finding]:
    if not overriding_breaks(was, now, override.shape):
        return
    place = f"{place} (overridden in {override.file})"
    if was.kind != now.kind:
        yield Finding(True, place, was.kind, now.kind)
    else:
        yield _parameters_differ(True, place, was, now)


def _parameters_differ(broke: bool, place: str, was: Shape, now: Shape) -> Finding:
    """Show the parameters that are not in both; the names of all where they differ in their order alone."""
    less, more = _only_in(was, now), _only_in(now, was)
    if less or more:
        return Finding(broke, place, _listed(less), _listed(more))
    return Finding(broke, place, _listed(_names(was)), _listed(_names(now)))


def _only_in(one: Shape, other: Shape) -> list[str]:
    texts = {parameter.text for parameter in other.parameters}
    return [parameter.text for parameter in one.parameters if parameter.text not in texts]


def _first(package: Package, item: Import) -> Definition | None:
    """Return what the first of an import's places gives."""
    for module_name, name in item.places:
        if not name and (module := package.module(module_name)):
            return Definition(module, module_name, module.tree)
        if name and (found := package.resolve(module_name, name)):
            return found
    return None


def _gone(homes: list[str]) -> str:
    return f"gone; {', '.join(homes[:3])} has one of that name" if homes else "gone"


def _names(given: Shape) -> list[str]:
    return [parameter.name for parameter in given.parameters]


def _listed(texts: list[str]) -> str:
    return ", ".join(textwrap.shorten(text, LONGEST, placeholder=" ...") for text in texts) or "no such parameter"
