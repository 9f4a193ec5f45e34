"""What docs/api.md promises: a field that is null is treated as absent, at any depth."""

from collections.abc import Iterator
from typing import Any

import pytest
from marshmallow import Schema

from schemas.openapi.document import BODIES, _component_name, document

DOCUMENT = document()
COMPONENTS: dict[str, Any] = DOCUMENT["components"]["schemas"]
SCHEMAS: dict[str, type[Schema]] = {_component_name(schema): schema for schema in BODIES}
STRUCTURE: dict[str, Any] = {"regex": "a"}
EXAMPLES: dict[str, Any] = {
    "Message": {"role": "user", "content": "a"},
    "StructuredOutputs": STRUCTURE,
    "TokenizeRequest": {"prompt": "a"},
    "ResponseRequest": {"input": "a"},
    "CalledFunction": {"name": "a", "arguments": "{}"},
}
"""Valid values of components whose required fields alone are not valid."""
NOT_ABSENT = {
    ("Message", "content"),
    ("TokenizeRequest", "prompt"),
    ("ResponseRequest", "input"),
    ("StructuredOutputs", "regex"),
}
"""Optional fields without which an example is not valid."""


def example(schema: Any) -> Any:
    """The smallest valid value."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return dict(EXAMPLES[name]) if name in EXAMPLES else example(COMPONENTS[name])
    if "anyOf" in schema:
        return example(schema["anyOf"][0])
    if "enum" in schema or "const" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) else kind:
        case "array":
            return [example(schema["items"])] if "$ref" in schema["items"] or schema.get("minItems") else []
        case "object" | None:
            required = schema.get("required", ())
            return {name: example(schema["properties"][name]) for name in required}
        case "string":
            return "a"
        case "integer" | "number":
            return 1
        case other:
            raise AssertionError(other)


def inner(field: Any) -> tuple[str | None, bool]:
    """The name of the component that a field holds, and whether it holds a list of these."""
    for kind in field.get("anyOf", [field]):
        items = kind.get("items", {})
        for found, listed in ((kind, False), (items, True)):
            if "$ref" in found:
                return found["$ref"].rpartition("/")[2], listed
    return None, False


def nulls(component: str) -> Iterator[tuple[str, Any]]:
    """Each value of `component` with one optional field, at any depth, that is null; and the field's path."""
    schema = COMPONENTS[component]
    whole = example({"$ref": f"#/{component}"})
    for name, field in schema["properties"].items():
        if name not in schema.get("required", ()) and (component, name) not in NOT_ABSENT:
            yield name, {**whole, name: None}
        nested, listed = inner(field)
        if nested is not None:
            for path, value in nulls(nested):
                given = {**whole, name: [value] if listed else value}
                if name == "messages":
                    given.pop("prompt", None)  # of /tokenize, which takes one of them
                yield f"{name}.{path}", given


CASES = [(body, path, value) for body in SCHEMAS for path, value in nulls(body)]


@pytest.mark.parametrize(("body", "path", "value"), CASES, ids=[f"{body}-{path}" for body, path, _ in CASES])
def test_null_counts_as_absent(body: str, path: str, value: Any) -> None:
    SCHEMAS[body]().load(value)


def test_the_cases_reach_the_depths() -> None:
    paths = {path for _, path, _ in CASES}

    assert {"response_format.json_schema.name", "messages.tool_calls.type", "tools.function.strict"} <= paths
    assert {"text.format.name", "stream_options.include_usage", "reasoning.effort"} <= paths
