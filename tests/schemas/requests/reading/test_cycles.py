"""A refused body is freed when its refusal has been sent, not at the next garbage collection."""

import gc
import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from marshmallow import Schema

from schemas.errors import ApiError
from schemas.requests.anthropic.messages import MessagesSchema
from schemas.requests.chat import ChatCompletionSchema
from schemas.requests.parts.json_types import Part
from schemas.requests.reading import body
from schemas.requests.responses import ResponseSchema

QUESTION = [{"role": "user", "content": "a"}]
REFUSED: list[tuple[type[Schema], dict[str, Any]]] = [
    (ChatCompletionSchema, {"messages": QUESTION, "temperature": "x"}),
    (ChatCompletionSchema, {"messages": [{"role": "user", "content": 5}] * 20}),
    (ChatCompletionSchema, {"messages": [{"role": "user", "content": [{"type": "x"}]}]}),
    (ChatCompletionSchema, {"messages": [{"role": "assistant", "tool_calls": [{"id": 5, "function": {"name": 4}}]}]}),
    (ChatCompletionSchema, {"messages": QUESTION, "tools": [{"type": "function", "function": {"name": 5}}]}),
    (ChatCompletionSchema, {"messages": QUESTION, "stream_options": {"include_usage": 5}}),
    (ChatCompletionSchema, {"messages": QUESTION, "structured_outputs": {"json": 5, "regex": 5}}),
    (ChatCompletionSchema, {"messages": QUESTION, "response_format": {"type": "json_schema", "json_schema": 5}}),
    (ResponseSchema, {"input": "a", "text": {"format": {"type": 5}}}),
    (ResponseSchema, {"input": "a", "reasoning": {"effort": 5}}),
    (ResponseSchema, {"input": "a", "tools": [{"type": "function", "name": 5}]}),
    (MessagesSchema, {"messages": QUESTION, "max_tokens": 1, "thinking": {"type": 5}}),
    (MessagesSchema, {"messages": QUESTION, "max_tokens": 1, "tools": [{"name": 5}]}),
]


@pytest.mark.parametrize(
    ("schema", "refused"), REFUSED, ids=[f"{schema.__name__}-{[*refused][-1]}" for schema, refused in REFUSED]
)
def test_a_refused_body_leaves_no_reference_cycle(schema: type[Schema], refused: dict[str, Any]) -> None:
    loads = schema()
    _refusal(loads, refused)  # which may fill caches
    gc.collect()
    gc.disable()
    try:
        _refusal(loads, refused)
        assert gc.collect() == 0
    finally:
        gc.enable()


def _refusal(schema: Schema, refused: dict[str, Any]) -> None:
    with pytest.raises(ApiError):
        body.load(schema, refused)


def test_every_schema_of_a_part_of_a_body_frees_what_it_refuses() -> None:
    importlib.import_module("schemas.openapi.document")  # which imports every schema
    assert [schema for schema in _below(Schema) if not issubclass(schema, Part)] == []


def _below(schema: type[Schema]) -> Iterator[type[Schema]]:
    for each in schema.__subclasses__():
        if each.__module__.startswith("schemas."):
            yield each
        yield from _below(each)
