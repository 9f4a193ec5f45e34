"""JSON Schemas of requests: checked, and rewritten from older drafts to the one that grammars are made from."""

from functools import lru_cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, SchemaError
from vllm.v1.structured_output.backend_xgrammar import has_xgrammar_unsupported_json_features

from engine_proc.adapter.grammars.patterns import without_properties
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
_MAX_ROUNDS = 64
"""Schemas that refer to one another through more steps are not followed."""


def checked(schema: Schema, field: str) -> Schema:
    """Return `schema` as a valid JSON Schema of draft 2020-12. `field` is its path in the request.

    Raises `ApiError` (400) that names the place of the error.
    """
    current = schema
    try:
        current = modern(schema)
        error = _error(msgspec.json.encode(current))
    except RecursionError:
        error = "", "it is nested too deeply."
    if error is None and not _is_finite(current):
        error = "", "no JSON text can match it: it requires itself inside itself."
    if error is not None:
        place, message = error
        raise invalid(f"Invalid value for `{field}{place}`: not a JSON Schema: {message}", f"{field}{place}")
    return current


def check_support(schema: Schema, field: str) -> None:
    """Raise `ApiError` (400) where `schema` has a keyword that vLLM's grammar backend does not support."""
    if not has_xgrammar_unsupported_json_features(schema):
        return
    place, found = _unsupported(schema, field)
    names = " with ".join(f"`{name}`" for name in _UNSUPPORTED if name in found)
    raise invalid(f"Invalid value for `{place}`: the grammar backend does not support {names} here.", place)


def modern(schema: Schema) -> Schema:
    """Return `schema` without what draft 2020-12 does not have: keywords of draft-04, draft-07 and OpenAPI, and nulls.

    What is no schema, where one must be, stays as it is.
    """
    current: Schema = {}
    for keyword, value in schema.items():
        if value is None and keyword not in _OF_VALUES:
            continue
        if keyword in _OF_NAMES and isinstance(value, dict):
            value = {name: modern(inner) if isinstance(inner, dict) else inner or {} for name, inner in value.items()}
        elif keyword not in _OF_VALUES:
            value = _modern_inside(value)
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
        current["pattern"] = without_properties(current["pattern"])
    if current.get("required") is False or current.get("required") is True:  # draft-03, on a property
        del current["required"]
    return current


def _modern_inside(value: Any) -> Any:
    if isinstance(value, dict):
        return modern(value)
    if isinstance(value, list):
        return [modern(inner) if isinstance(inner, dict) else inner for inner in value]
    return value


def _or_null(schema: Schema) -> Schema:
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema and "const" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


@lru_cache(maxsize=256)  # a client repeats its schema, and each check takes milliseconds of the engine's loop
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


def _unsupported(schema: Schema, place: str) -> tuple[str, Schema]:
    """Return the innermost schema with an unsupported keyword, and its place."""
    for keyword, value in schema.items():
        inner = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, part in inner:
            if isinstance(part, dict) and has_xgrammar_unsupported_json_features(part):
                return _unsupported(part, f"{place}.{keyword}" + ("" if index is None else f"[{index}]"))
    return place, schema


def _is_finite(root: Schema) -> bool:
    """Return whether a JSON text of finite length can match `root`, which may refer to itself."""
    schemas = [root]
    for schema in schemas:
        for value in schema.values():
            inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
            schemas += [part for part in (value, *inner) if isinstance(part, dict)]
    finite: set[int] = set()
    for _ in range(_MAX_ROUNDS):
        found = {id(schema) for schema in schemas if id(schema) not in finite and _ends(schema, root, finite)}
        if id(root) in found or not found:
            return bool(found)
        finite |= found
    return True


def _ends(schema: Schema, root: Schema, finite: set[int]) -> bool:
    """Return whether a finite text matches `schema`, if one matches each of the schemas `finite`, given by `id`."""

    def ends(part: Any) -> bool:
        return not isinstance(part, dict) or id(part) in finite

    if isinstance(schema.get("$ref"), str) and not ends(_resolve(schema["$ref"], root)):
        return False
    for keyword in ("anyOf", "oneOf"):
        options = schema.get(keyword)
        if isinstance(options, list) and options and not any(map(ends, options)):
            return False
    if isinstance(schema.get("allOf"), list) and not all(map(ends, schema["allOf"])):
        return False
    kind, properties, required = schema.get("type"), schema.get("properties", {}), schema.get("required", ())
    if kind in ("object", ["object"]) and isinstance(properties, dict) and isinstance(required, list):
        return all(ends(properties.get(name)) for name in required if isinstance(name, str))
    if kind in ("array", ["array"]) and isinstance(schema.get("minItems"), int) and schema["minItems"] > 0:
        return ends(schema.get("items"))
    return True


def _resolve(reference: str, root: Schema) -> Any:
    """Return what a local `$ref` refers to. None: nothing, or another document."""
    if not reference.startswith("#"):
        return None
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        found = found.get(part) if isinstance(found, dict) else None
    return found
