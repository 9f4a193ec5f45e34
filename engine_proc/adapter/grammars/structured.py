"""Structured outputs: the wire's `Structure` as vLLM's parameters, and grammars without free whitespace."""

import json
from typing import Any

import xgrammar
from vllm.sampling_params import StructuredOutputsParams

from engine_proc.adapter.grammars.costs import check_grammar_cost, check_pattern_cost
from engine_proc.adapter.grammars.json_schemas import check_support, checked
from engine_proc.adapter.grammars.patterns import looks_ahead, without_properties
from schemas.errors import invalid
from schemas.wire import Structure

LLAMA_CALL = '{"name": '
"""How a call of a Llama model begins. xgrammar's format of forced calls allows any text after the first: ours does not.
"""
_SEPARATORS = (", ", ": ")
"""As in Python's `json.dumps`, and in the calls that models were trained on."""


def structured_outputs(wanted: Structure | None) -> StructuredOutputsParams | None:
    """Return vLLM's parameters for `wanted`. None: the answer may be any text.

    Raises `ApiError` (400) if the JSON Schema or a pattern is invalid, or the grammar backend does not support it.
    """
    if wanted is None:
        return None
    if wanted.json is not None:
        schema = checked(wanted.json, wanted.field)
        check_support(schema, wanted.field)
        return StructuredOutputsParams(json=schema)
    if wanted.json_object:
        return StructuredOutputsParams(json_object=True)
    if wanted.regex is not None:
        check_pattern_cost(wanted.regex, wanted.field)
        if looks_ahead(wanted.regex):
            message = f"Invalid value for `{wanted.field}`: the grammar backend does not support a lookahead."
            raise invalid(message, wanted.field)
    if wanted.grammar is not None:
        check_grammar_cost(wanted.grammar, wanted.field)
    try:
        regex = None if wanted.regex is None else without_properties(wanted.regex)
    except ValueError as error:
        raise invalid(f"Invalid value for `{wanted.field}`: {error}", wanted.field) from None
    return StructuredOutputsParams(regex=regex, choice=wanted.choice, grammar=wanted.grammar)


def check_compiles(schema: dict[str, Any], field: str) -> None:
    """Raise `ApiError` (400) where xgrammar makes no grammar of `schema`, as of a pattern with a word boundary."""
    try:
        _json(schema)
    except ValueError as error:
        raise invalid(f"Invalid value for `{field}`: {error}", field) from None


def json_calls(schemas: dict[str, dict[str, Any]], *, only_one: bool) -> StructuredOutputsParams:
    """Return the structure of a JSON array of calls, `{"name": ..., "parameters": ...}`.

    `schemas`: by the name of each function, the schema of its arguments.
    """
    tags = [
        {"type": "tag", "begin": f'{{"name": {json.dumps(name)}, "parameters": ', "content": _json(schema), "end": "}"}
        for name, schema in schemas.items()
    ]
    calls = {
        "type": "tags_with_separator",
        "tags": tags,
        "separator": ", ",
        "at_least_one": True,
        "stop_after_first": only_one,
    }
    brackets = [{"type": "const_string", "value": bracket} for bracket in "[]"]
    return _structural_tag({"type": "sequence", "elements": [brackets[0], calls, brackets[1]]})


def json_arguments(schema: dict[str, Any]) -> StructuredOutputsParams:
    """Return the structure of one call's arguments."""
    return _structural_tag(_json(schema))


def without_free_whitespace(params: StructuredOutputsParams | None) -> StructuredOutputsParams | None:
    """Return `params`, with grammars in place of the JSON Schemas in a structural tag.

    vLLM's `disable_any_whitespace` does not reach these, and small models write whitespace until their token limit.
    """
    if params is None or params.structural_tag is None:
        return params
    tag = json.loads(params.structural_tag)
    if "format" not in tag:
        return params
    return _structural_tag(_tightened(tag["format"]))


def _structural_tag(format_: dict[str, Any]) -> StructuredOutputsParams:
    return StructuredOutputsParams(structural_tag=json.dumps({"type": "structural_tag", "format": format_}))


def _tightened(node: Any) -> Any:
    if isinstance(node, list):
        return [_tightened(part) for part in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "triggered_tags" and node["at_least_one"] and node["triggers"] == [LLAMA_CALL]:
        only = {"at_least_one": True, "stop_after_first": node["stop_after_first"]}
        return {"type": "tags_with_separator", "tags": _tightened(node["tags"]), "separator": "; ", **only}
    if node.get("type") != "json_schema":
        return {name: _tightened(part) for name, part in node.items()}
    if node.get("style", "json") == "json" and not node.get("excludes"):
        return _json(node["json_schema"])
    return {**node, "max_whitespace_cnt": 1}  # XML, whose whitespace a grammar of our own cannot know


def _json(schema: Any) -> dict[str, Any]:
    """Return the format of JSON that matches `schema`, with fixed whitespace.

    Raises `ValueError` if xgrammar does not support the schema.
    """
    try:
        grammar = xgrammar.Grammar.from_json_schema(json.dumps(schema), any_whitespace=False, separators=_SEPARATORS)
    except RuntimeError as error:
        raise ValueError(_without_place(str(error))) from None
    return {"type": "grammar", "grammar": str(grammar)}


def _without_place(message: str) -> str:
    """Return an error of xgrammar without the place in xgrammar's source that begins it."""
    return message.strip().rpartition(".cc:")[2].partition(": ")[2] or message.strip()
