"""JSON Schemas of requests: checked, and rewritten from older drafts to the one that grammars are made from."""

from functools import lru_cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, SchemaError
from vllm.v1.structured_output.backend_xgrammar import has_xgrammar_unsupported_json_features

from engine_proc.adapter.grammars.costs import TooCostly, check_schema_cost
from engine_proc.adapter.grammars.finite import is_finite
from engine_proc.adapter.grammars.patterns import looks_ahead, without_properties
from schemas.errors import invalid
from schemas.shared import client_json

Schema = dict[str, Any]

_OF_NAMES = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords whose values are schemas by name."""
_OF_VALUES = ("const", "enum", "default", "examples", "example")
"""Keywords whose values are no schemas."""
_UNSUPPORTED = (
    "multipleOf",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "format",
    "allOf",
    "propertyNames",
    "patternProperties",
    "pattern",
)
"""Keywords that vLLM's grammar backend refuses, alone or beside others."""
_MAX_BYTES = 512 * 1024
"""Most bytes of a schema that has been rewritten: the ranges of its patterns may be longer than what a client sent."""
_TOO_LARGE = f"with its patterns written as ranges, it has more than {_MAX_BYTES} bytes."
_MAX_CACHED = 64 * 1024
"""Most bytes of a schema whose check is remembered: the cache keeps the schemas, 16 MB at most."""
_MAX_PLACE = 500
"""Most characters of a place in a schema, which a client's names make as long as they like."""


def checked(schema: Schema, field: str) -> Schema:
    """Return `schema` as a valid JSON Schema of draft 2020-12. `field` is its path in the request.

    Raises `ApiError` (400) that names the place of the error, or `field` where the schema is too costly to compile.
    """
    check_schema_cost(schema, field)
    return valid(schema, field)


def valid(schema: Schema, field: str) -> Schema:
    """As `checked`, for a schema whose cost is known to be within the limits."""
    current = schema
    try:
        current = modern(schema)
        encoded = msgspec.json.encode(current)
        if len(encoded) > _MAX_BYTES:
            raise ValueError(_TOO_LARGE)
        error = (_cached_error if len(encoded) <= _MAX_CACHED else _error)(encoded)
    except RecursionError:
        error = "", "it is nested too deeply."
    except ValueError as too_large:
        message = f"Invalid value for `{field}`: not a JSON Schema: {too_large}"
        raise TooCostly(400, message, param=field) from None
    if error is None and not is_finite(current):
        error = "", "no JSON text can match it: it requires itself inside itself."
    if error is not None:
        place, message = error[0][:_MAX_PLACE], error[1]
        raise invalid(f"Invalid value for `{field}{place}`: not a JSON Schema: {message}", f"{field}{place}")
    return current


def check_support(schema: Schema, field: str) -> None:
    """Raise `ApiError` (400) where `schema` has a keyword that vLLM's grammar backend does not support."""
    unsupported = _unsupported(schema)
    if unsupported is None:
        return
    place, found = f"{field}{unsupported[0]}", unsupported[1]
    names = " with ".join(f"`{name}`" for name in _UNSUPPORTED if name in found)
    if any(map(looks_ahead, _patterns(found))):
        names = "a lookahead"
    raise invalid(f"Invalid value for `{place}`: the grammar backend does not support {names} here.", place)


class _Room:
    """What the patterns of one schema may grow by, in characters, where ranges replace their properties."""

    def __init__(self) -> None:
        self._left = _MAX_BYTES

    def expanded(self, pattern: str) -> str:
        """Return `pattern` with ranges in place of properties. Raises `ValueError` if there is no room left."""
        ranges = without_properties(pattern)
        self._left -= len(ranges) - len(pattern)
        if self._left < 0:
            raise ValueError(_TOO_LARGE)
        return ranges


def modern(schema: Schema, room: _Room | None = None) -> Schema:
    """Return `schema` without what draft 2020-12 does not have: keywords of draft-04, draft-07 and OpenAPI, and nulls.

    What is no schema, where one must be, stays as it is. `room` is that of the schema around, if there is one. Raises
    `ValueError` if the patterns, with their properties written as ranges, grow by more than `_MAX_BYTES` in all.
    """
    room = room or _Room()
    current: Schema = {}
    for keyword, value in schema.items():
        if value is None and keyword not in _OF_VALUES:
            continue
        if keyword in _OF_NAMES and isinstance(value, dict):
            value = {
                name: modern(inner, room) if isinstance(inner, dict) else inner or {} for name, inner in value.items()
            }
        elif keyword not in _OF_VALUES:
            value = _modern_inside(value, room)
        current[keyword] = value
    if isinstance(current.get("items"), list):
        current["prefixItems"] = current.pop("items")
        current["items"] = current.pop("additionalItems", True)
    for keyword, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(current.get(keyword), bool) and current.pop(keyword) and bound in current:
            current[keyword] = current.pop(bound)
    if current.pop("nullable", False) is True:
        current = _or_null(current)
    if isinstance(current.get("pattern"), str):
        current["pattern"] = room.expanded(current["pattern"])
    if current.get("required") is False or current.get("required") is True:  # draft-03, on a property
        del current["required"]
    return current


def _modern_inside(value: Any, room: _Room) -> Any:
    if isinstance(value, dict):
        return modern(value, room)
    if isinstance(value, list):
        return [modern(inner, room) if isinstance(inner, dict) else inner for inner in value]
    return value


def _or_null(schema: Schema) -> Schema:
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema and "const" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def _error(encoded: bytes) -> tuple[str, str] | None:
    """Return the place and the text of the error in an encoded schema. None: the schema is valid.

    Patterns are JavaScript's, so Python's `re` must not check them (`format_checker`): the grammar backend does.
    """
    try:
        Draft202012Validator.check_schema(client_json.decode(encoded), format_checker=None)
    except SchemaError as error:
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        return place, error.message[:500]
    return None


_cached_error = lru_cache(maxsize=256)(_error)
"""As `_error`: a client repeats its schema, and each check takes milliseconds."""


def _unsupported(schema: Schema) -> tuple[str, Schema] | None:
    """Return the place of the first schema, the innermost, that has an unsupported keyword, and the schema.

    None: there is none. The place begins with a point, or is empty: `schema` itself.
    """
    for keyword, value in schema.items():
        inner = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, part in inner:
            found = _unsupported(part) if isinstance(part, dict) else None
            if found is not None:
                return f".{keyword}" + ("" if index is None else f"[{index}]") + found[0], found[1]
    if any(looks_ahead(pattern) for pattern in _patterns(schema)):
        return "", schema
    return ("", schema) if has_xgrammar_unsupported_json_features(_outline(schema)) else None


def _patterns(schema: Schema) -> list[str]:
    """Return the patterns of `schema` itself."""
    pattern, names = schema.get("pattern"), schema.get("patternProperties")
    return [*([pattern] if isinstance(pattern, str) else ()), *(names if isinstance(names, dict) else ())]


def _outline(schema: Schema) -> Schema:
    """Return `schema` with only the names in what is inside, so that a check finds only what `schema` itself has."""
    outline = {}
    for keyword, value in schema.items():
        if isinstance(value, dict):
            value = dict.fromkeys(value)
        elif isinstance(value, list):
            value = [None if isinstance(part, dict) else part for part in value]
        outline[keyword] = value
    return outline
