"""The OpenAPI document as tables for people, in docs/api.md and at `/docs`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemas.openapi.replies import Json

HEAD = "| field | type | range | default | meaning |\n|---|---|---|---|---|\n"
PLURALS = {"string": "strings", "integer": "integers", "number": "numbers", "object": "objects"}


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a table: a field of the body, or a parameter of the path. `path` is such as `messages[].role`."""

    path: str
    type: str
    range: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path, with its fields and its responses."""

    name: str
    """The operation's id."""
    tag: str
    method: str
    path: str
    summary: str
    open: bool
    """True where no API key is required."""
    fields: list[Field]
    responses: list[tuple[str, str, str]]
    """For each: status, media types, meaning."""


def endpoints(document: Json) -> list[Endpoint]:
    """Return the document's endpoints, in its order."""
    return [
        Endpoint(
            name=operation["operationId"],
            tag=operation["tags"][0],
            method=method.upper(),
            path=path,
            summary=operation["summary"],
            open=operation.get("security") == [],
            fields=[*_parameters(operation), *_body(operation, document)],
            responses=[
                (status, ", ".join(response["content"]), response["description"])
                for status, response in operation["responses"].items()
            ],
        )
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def markdown(document: Json) -> str:
    """Return the text of docs/api.md."""
    info = document["info"]
    parts = [
        "# The API\n",
        "Generated from `schemas/` by `make docs`. A running server shows this reference at `/docs`, and as an OpenAPI "
        "document at `/openapi.json`.\n",
        info["description"] + "\n",
    ]
    for endpoint in endpoints(document):
        parts.append(f"## {endpoint.method} {endpoint.path}\n")
        parts.append(endpoint.summary + (" No API key is required." if endpoint.open else "") + "\n")
        if endpoint.fields:
            rows = (_row(f"`{f.path}`", f.type, f.range, f.default, f.meaning) for f in endpoint.fields)
            parts.append(HEAD + "".join(rows))
        rows = (_row(*response) for response in endpoint.responses)
        parts.append("| status | content | meaning |\n|---|---|---|\n" + "".join(rows))
    return "\n".join(parts)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


def _parameters(operation: Json) -> Iterator[Field]:
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        default = "required" if parameter["required"] else _default(schema)
        kind = f"{_type(schema)}, in the {parameter['in']}"
        yield Field(parameter["name"], kind, _range(schema), default, parameter["description"])


def _body(operation: Json, document: Json) -> Iterator[Field]:
    if "requestBody" in operation:
        (content,) = operation["requestBody"]["content"].values()
        yield from _fields(content["schema"], document)


def _fields(schema: Json, document: Json, prefix: str = "") -> Iterator[Field]:
    """Yield the rows of `schema`, and of the schemas inside it; at each level the required fields come first."""
    schema = _resolve(schema, document)
    for part in schema.get("allOf", ()):
        yield from _fields(part, document, prefix)
    required = schema.get("required", ())
    for name, field in sorted(schema.get("properties", {}).items(), key=lambda item: item[0] not in required):
        path = prefix + name
        default = "required" if name in required else _default(field)
        yield Field(path, _type(field), _range(field), default, field["description"])
        for kind in _kinds(field):
            if "$ref" in kind:
                yield from _fields(kind, document, f"{path}.")
            elif "$ref" in kind.get("items", {}):
                yield from _fields(kind["items"], document, f"{path}[].")


def _resolve(schema: Json, document: Json) -> Json:
    if "$ref" not in schema:
        return schema
    found: Json = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _kinds(field: Json) -> list[Json]:
    """Return the schemas of which the value matches one, except null."""
    return [kind for kind in field.get("anyOf", [field]) if kind != {"type": "null"}]


def _type(field: Json) -> str:
    return " or ".join(dict.fromkeys(_one_type(kind) for kind in _kinds(field)))


def _one_type(kind: Json) -> str:
    types = kind.get("type", "object")
    name = next(t for t in types if t != "null") if isinstance(types, list) else types
    if name != "array":
        return str(name)
    inner = _one_type(kind["items"])
    return "array of " + (f"arrays of {inner.removeprefix('array of ')}" if " " in inner else PLURALS[inner])


def _range(field: Json) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"] if value is not None)
    if "x-range" in field:
        return str(field["x-range"])
    limits = dict.fromkeys(text for kind in _kinds(field) for text in _limits(kind))
    if "x-total-characters" in field:
        limits[f"up to {field['x-total-characters']} characters in all"] = None
    return "; ".join(text for text in limits if text.removeprefix("each ") not in limits or text[:4] != "each")


def _limits(kind: Json) -> Iterator[str]:
    if "minimum" in kind or "maximum" in kind:
        low = f"above {kind['exclusiveMinimum']}" if "exclusiveMinimum" in kind else str(kind.get("minimum", ""))
        yield f"{low} to {kind['maximum']}"
    yield from _size(kind, "Length", "character")
    yield from _size(kind, "Items", "item")
    yield from _size(kind, "Properties", "key")
    for inner in (kind.get("additionalProperties"), kind.get("items")):
        if inner:
            yield from (f"each {limit}" for limit in _limits(inner))


def _size(kind: Json, what: str, unit: str) -> Iterator[str]:
    low, high = kind.get(f"min{what}"), kind.get(f"max{what}")
    if low == high and low is not None:
        yield f"{low} {unit}s"
    elif high is not None:
        yield f"{low} to {high} {unit}s" if low else f"up to {high} {unit}s"
    elif low is not None:
        yield f"at least {low} {unit}{'s' if low > 1 else ''}"


def _default(field: Json) -> str:
    if "x-default" in field:
        return str(field["x-default"])
    value: Any = field.get("default")
    return "none" if value is None or value in ([], {}, "") else f"`{json.dumps(value)}`"
