"""The tools of a request, as vLLM's parsers and grammars take them."""

from functools import cached_property
from typing import Any

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.parser.abstract_parser import Parser
from vllm.tool_parsers.abstract_tool_parser import ToolParser
from vllm.tool_parsers.tool_strict_level import ToolStrictLevel

from engine_proc.adapter.grammars.costs import count_objects
from engine_proc.adapter.grammars.json_schemas import checked
from engine_proc.adapter.grammars.structured import (
    json_arguments,
    json_calls,
    structured_outputs,
    without_free_whitespace,
)
from schemas.errors import ApiError, invalid
from schemas.shared.limits import MAX_SCHEMA_OBJECTS
from schemas.wire import Generate

ANY_OBJECT = {"type": "object"}
_FORMATS = ("response_format", "text.format")
"""Fields that say what the content of an answer is, beside which there may be calls."""


class OfferedTools:
    """The tools that the answers to a request may call. False: there are none."""

    def __init__(self, generate: Generate) -> None:
        structure = generate.sampling.structure
        choice = generate.tool_choice
        self.forced = bool(generate.tools) and choice not in ("none", "auto")
        # `structured_outputs` says what the text of an answer is: the answer is that text, and no call.
        as_text = structure is not None and not structure.field.startswith(_FORMATS) and not self.forced
        self._tools = [] if choice == "none" or as_text else generate.tools
        self.named: str | None = choice["function"]["name"] if self.forced and isinstance(choice, dict) else None
        """The function of a call that is forced by name."""
        self._objects = 0
        """Objects in the schemas so far: each takes half a millisecond to check."""

    def __bool__(self) -> bool:
        return bool(self._tools)

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(tool["function"]["name"] for tool in self._tools)

    def request(self, generate: Generate) -> ChatCompletionRequest:
        """Return vLLM's request, whose tools have the schemas that their arguments must match.

        Raises `ApiError` (400) if a call must match a schema (it is forced, or the tool is `strict`) that is invalid.
        """
        sampling = generate.sampling
        request = ChatCompletionRequest(
            messages=[],
            tools=[self._with_schema(index, tool["function"]) for index, tool in enumerate(self._tools)] or None,
            tool_choice=generate.tool_choice if self else "none",
            parallel_tool_calls=generate.parallel_tool_calls,
            include_reasoning=generate.include_reasoning,
            skip_special_tokens=sampling.skip_special_tokens,
            structured_outputs=None if self.forced else structured_outputs(sampling.structure),
        )
        request.messages = generate.messages  # set here, unchecked: the parsers only count the calls in them
        return request

    def _with_schema(self, index: int, function: dict[str, Any]) -> dict[str, Any]:
        forced = self.forced and self.named in (None, function["name"])
        field = f"tools[{index}].function.parameters"
        try:
            parameters = function.get("parameters") or {}
            self._objects += count_objects(parameters)
            if self._objects > MAX_SCHEMA_OBJECTS:
                raise invalid(f"The tools' schemas have more than {MAX_SCHEMA_OBJECTS} objects in all.", field)
            parameters = _arguments_schema(parameters, field)
        except ApiError:
            if forced or function.get("strict"):
                raise
            parameters = ANY_OBJECT
        return {"type": "function", "function": {**function, "parameters": parameters}}

    def in_json(self, parser: ToolParser | None) -> bool:
        """Return whether vLLM forces this parser's calls as JSON instead of the model's own format."""
        return self.forced and parser is not None and parser.supports_required_and_named

    def constrain(self, request: ChatCompletionRequest, parser: Parser) -> ChatCompletionRequest:
        """Return `request` with the structure that the tools require: vLLM's `parser` knows the format of calls."""
        if self.forced or (self and request.structured_outputs is not None):
            parser.tool_strict_level = ToolStrictLevel.PARAMETER  # the arguments match the schema, `strict` or not
        if self.in_json(parser.tool_parser):
            schemas = {tool.function.name: tool.function.parameters or ANY_OBJECT for tool in request.tools or ()}
            if self.named is not None:
                request.structured_outputs = json_arguments(schemas[self.named])
            else:
                request.structured_outputs = json_calls(schemas, only_one=not request.parallel_tool_calls)
        request = parser.adjust_request(request)
        request.structured_outputs = without_free_whitespace(request.structured_outputs)
        return request


def _arguments_schema(schema: dict[str, Any], field: str) -> dict[str, Any]:
    """Return the schema of a call's arguments, which are an object. Raises `ApiError` (400) if it is invalid."""
    current = checked(schema, field)
    kind = current.get("type")
    if isinstance(kind, list) and "object" in kind:
        kind = "object"
    if kind not in (None, "object"):
        raise invalid(f"Invalid value for `{field}.type`: the arguments of a call are an object.", f"{field}.type")
    if kind is None and any(keyword in current for keyword in ("$ref", "anyOf", "oneOf", "allOf")):
        return current
    return {**current, "type": "object"}
