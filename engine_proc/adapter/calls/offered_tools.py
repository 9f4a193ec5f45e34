"""The tools of a request, as vLLM's parsers and grammars take them."""

from functools import cached_property
from typing import Any

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.parser.abstract_parser import Parser
from vllm.tool_parsers.abstract_tool_parser import ToolParser
from vllm.tool_parsers.tool_strict_level import ToolStrictLevel

from engine_proc.adapter.grammars.costs import Costs, TooCostly, check_schema_cost
from engine_proc.adapter.grammars.json_schemas import valid
from engine_proc.adapter.grammars.structured import (
    check_compiles,
    json_arguments,
    json_calls,
    structured_outputs,
    without_free_whitespace,
)
from schemas.errors import ApiError, invalid
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
        self._with_format = structure is not None
        """Whether a grammar is made from all tools, so that there may be calls or text in a format."""
        self.named: str | None = choice["function"]["name"] if self.forced and isinstance(choice, dict) else None
        """The function of a call that is forced by name."""
        self._costs = Costs()
        """Of the schemas that a grammar may be made from."""
        self._too_costly: dict[int, dict[str, Any]] = {}
        """By the index of a tool that no grammar is made from: its parameters, which parsers type the arguments by."""

    def __bool__(self) -> bool:
        return bool(self._tools)

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(tool["function"]["name"] for tool in self._tools)

    def request(self, generate: Generate) -> ChatCompletionRequest:
        """Return vLLM's request, whose tools have the schemas that a grammar of their arguments is made from.

        Raises `ApiError` (400) if a call must match a schema (it is forced, or the tool is `strict`) that is invalid,
        or costs too much together with those of the other tools whose calls must match.
        """
        sampling = generate.sampling
        functions = [tool["function"] for tool in self._tools]
        # What must match comes first: the schemas of the other tools have what is left of the limits.
        order = sorted(range(len(functions)), key=lambda index: not self._must_match(functions[index]))
        tools = {index: self._with_schema(index, functions[index]) for index in order}
        request = ChatCompletionRequest(
            messages=[],
            tools=[tools[index] for index in range(len(functions))] or None,
            tool_choice=generate.tool_choice if self else "none",
            parallel_tool_calls=generate.parallel_tool_calls,
            include_reasoning=generate.include_reasoning,
            skip_special_tokens=sampling.skip_special_tokens,
            structured_outputs=None if self.forced else structured_outputs(sampling.structure),
        )
        request.messages = generate.messages  # set here, unchecked: the parsers only count the calls in them
        return request

    def _must_match(self, function: dict[str, Any]) -> bool:
        return bool((self.forced and self.named in (None, function["name"])) or function.get("strict"))

    def _with_schema(self, index: int, function: dict[str, Any]) -> dict[str, Any]:
        field = f"tools[{index}].function.parameters"
        given = function.get("parameters") or {}
        try:
            costs = check_schema_cost(given, field, self._costs)
            parameters = _arguments_schema(given, field)
            if self._must_match(function) or self._with_format:
                check_compiles(parameters, field)
            self._costs = costs
        except ApiError as error:
            if self._must_match(function):
                raise
            parameters = ANY_OBJECT
            if isinstance(error, TooCostly):
                self._too_costly[index] = given
        return {"type": "function", "function": {**function, "parameters": parameters}}

    def _for_parsers(self, request: ChatCompletionRequest) -> ChatCompletionRequest:
        """Return `request` with the parameters that clients gave in place of those that cost a grammar too much."""
        if not self._too_costly:
            return request
        tools = list(request.tools or ())
        for index, given in self._too_costly.items():
            function = tools[index].function.model_copy(update={"parameters": given})
            tools[index] = tools[index].model_copy(update={"function": function})
        return request.model_copy(update={"tools": tools})

    def in_json(self, parser: ToolParser | None) -> bool:
        """Return whether vLLM forces this parser's calls as JSON instead of the model's own format."""
        return self.forced and parser is not None and parser.supports_required_and_named

    def constrain(self, request: ChatCompletionRequest, parser: Parser) -> ChatCompletionRequest:
        """Return `request` with the structure that the tools require: vLLM's `parser` knows the format of calls.

        The tools in the result are for parsers: each has the parameters that the client gave, unless they are invalid.
        """
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
        return self._for_parsers(request)


def _arguments_schema(schema: dict[str, Any], field: str) -> dict[str, Any]:
    """Return the schema of a call's arguments, which are an object. Raises `ApiError` (400) if it is invalid."""
    current = valid(schema, field)
    kind = current.get("type")
    if isinstance(kind, list) and "object" in kind:
        kind = "object"
    if kind not in (None, "object"):
        raise invalid(f"Invalid value for `{field}.type`: the arguments of a call are an object.", f"{field}.type")
    if kind is None and any(keyword in current for keyword in ("$ref", "anyOf", "oneOf", "allOf")):
        return current
    return {**current, "type": "object"}
