"""Whether calls that fit a function's old parameters, and methods that override it, fit its new ones."""

from tests.next_vllm.shapes import Parameter, Shape
from tests.next_vllm.uses import Call

BY_POSITION = "positional only", "positional"


def _accepts(parameters: tuple[Parameter, ...], call: Call) -> bool:
    by_position = [parameter for parameter in parameters if parameter.kind in BY_POSITION]
    by_name = {parameter.name for parameter in parameters if parameter.kind in ("positional", "keyword")}
    kinds = {parameter.kind for parameter in parameters}
    if call.positional > len(by_position) and "*" not in kinds:
        return False
    if not call.keywords <= by_name and "**" not in kinds:
        return False
    given = {parameter.name for parameter in by_position[: call.positional]} | call.keywords
    return call.unpacks or all(parameter.name in given for parameter in parameters if parameter.required)


def calls_break(was: Shape, now: Shape, calls: set[Call]) -> bool:
    """Whether a call that fits the old parameters does not fit the new ones, or its arguments become others.

    Where no call is seen (a class that is a variable when it is called), any call is to fit as before.
    """
    fitting = [call for call in calls if _accepts(was.parameters, call)]
    if not fitting:
        old, new = ({parameter.name for parameter in kind.parameters} for kind in (was, now))
        required = {parameter.name for parameter in now.parameters if parameter.required}
        return not old <= new or not required <= old
    return any(
        not _accepts(now.parameters, call)
        or _by_position(was)[: call.positional] != _by_position(now)[: call.positional]
        for call in fitting
    )


def overriding_breaks(was: Shape, now: Shape, override: Shape) -> bool:
    """Whether vLLM's calls, which may give all that its own method takes, no longer fit a method that overrides it."""
    fitted, fits = (kind.kind == override.kind and _takes_all(override, kind) for kind in (was, now))
    return not fits and (fitted or was != now)


def _takes_all(override: Shape, overridden: Shape) -> bool:
    keywords = frozenset(parameter.name for parameter in overridden.parameters if parameter.kind == "keyword")
    return _accepts(override.parameters, Call(len(_by_position(overridden)), keywords, unpacks=False))


def _by_position(given: Shape) -> list[str]:
    return [parameter.name for parameter in given.parameters if parameter.kind in BY_POSITION]
