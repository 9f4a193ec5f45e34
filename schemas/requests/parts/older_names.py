"""Fields of earlier versions of OpenAI's and vLLM's APIs, renamed before a body is loaded."""

from typing import Any

from marshmallow import ValidationError

from schemas.requests.parts.structure import StructuredOutputsSchema
from schemas.requests.parts.tools import MAX_TOOLS, FunctionSchema
from schemas.requests.parts.warnings import warn

Fields = dict[str, Any]

GUIDED = {"guided_json": "json", "guided_regex": "regex", "guided_choice": "choice", "guided_grammar": "grammar"}
"""vLLM's names before `structured_outputs`, and the names inside it."""
NO_EFFECT = ("guided_decoding_backend", "guided_whitespace_pattern")
FUNCTIONS = "`functions` and `function_call` are taken for `tools` and `tool_choice`: calls are in `tool_calls`."

_STRUCTURE, _FUNCTION = StructuredOutputsSchema(), FunctionSchema()  # making a schema takes 200 us


def rename_guided(body: Fields) -> Fields:
    """Return `body` with `structured_outputs` in place of vLLM's older fields.

    Raises `ValidationError`, which has the name that the client has sent.
    """
    if not any(name in body for name in (*GUIDED, *NO_EFFECT)):
        return body
    body = dict(body)
    for name in NO_EFFECT:
        if body.pop(name, None) is not None:
            warn(f"`{name}` has no effect: one backend serves all requests, without free whitespace.")
    for name, kind in GUIDED.items():
        value = body.pop(name, None)
        if value is None:
            continue
        if body.get("structured_outputs") is not None:
            raise ValidationError("Cannot be combined with another structure.", name)
        errors = _STRUCTURE.validate({kind: value})
        if errors:
            raise ValidationError(errors.get(kind, errors), name)
        body["structured_outputs"] = {kind: value}
    return body


def rename_functions(body: Fields) -> Fields:
    """Return `body` with `tools` and `tool_choice` in place of `functions` and `function_call`, with a warning.

    Raises `ValidationError`, which has the name that the client has sent.
    """
    if "functions" not in body and "function_call" not in body:
        return body
    body = dict(body)
    functions, call = body.pop("functions", None), body.pop("function_call", None)
    if functions is None and call is None:
        return body
    warn(FUNCTIONS)
    if functions is not None and body.get("tools") is None:
        body["tools"] = _tools(functions)
    if call is not None and body.get("tool_choice") is None:
        body["tool_choice"] = {"type": "function", "function": call} if isinstance(call, dict) else call
    return body


def _tools(functions: Any) -> list[Fields]:
    if not isinstance(functions, list) or len(functions) > MAX_TOOLS:
        raise ValidationError(f"Expected an array of at most {MAX_TOOLS} functions.", "functions")
    for index, function in enumerate(functions):
        errors = _FUNCTION.validate(function) if isinstance(function, dict) else ["Expected an object."]
        if errors:
            raise ValidationError({"functions": {index: errors}})
    return [{"type": "function", "function": function} for function in functions]
