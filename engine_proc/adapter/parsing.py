"""Reasoning and tool calls, found in what the model writes by the parsers that vLLM has for it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.parser.abstract_parser import Parser
from vllm.renderers.chat_utils import make_tool_call_id
from vllm.sampling_params import StructuredOutputsParams

from engine_proc.adapter.structured import check_parameters, structured_outputs
from schemas.errors import invalid
from schemas.wire import Generate, ToolCall

# It writes a traceback for every answer that has a brace in it and is no call.
logging.getLogger("vllm.tool_parsers").setLevel(logging.CRITICAL)


@dataclass(slots=True)
class Parts:
    """What a piece of an answer, or the whole of it, comes to."""

    content: str = ""
    reasoning: str = ""
    calls: list[ToolCall] = field(default_factory=list)


class Parsing:
    """Knows the loaded model's parsers."""

    def __init__(self, parser: type[Parser] | None, tokenizer: Any, model_config: Any) -> None:
        self._parser = parser
        self._tokenizer = tokenizer
        self._model_config = model_config

    def reading(self, generate: Generate) -> "Reading | None":
        """How the answers to a request are to be read; None: as they stand.

        Raises `ApiError` (400): the tools are none that the parser takes, or there is no parser.
        """
        if generate.messages is None:
            return None
        calls = bool(generate.tools) and generate.tool_choice != "none"
        if calls and (self._parser is None or self._parser.tool_parser_cls is None):
            raise invalid("This engine knows no tool calls of its model: --tool-call-parser names them.", "tools")
        if self._parser is None or not (calls or self._parser.reasoning_parser_cls is not None):
            return None
        sampling = generate.sampling
        for index, tool in enumerate(generate.tools if calls else ()):
            check_parameters(tool["function"], f"tools[{index}].function.parameters")
        try:
            request = ChatCompletionRequest(
                messages=[],
                tools=generate.tools if calls else None,
                tool_choice=generate.tool_choice if calls else "none",
                parallel_tool_calls=generate.parallel_tool_calls,
                include_reasoning=generate.include_reasoning,
                skip_special_tokens=sampling.skip_special_tokens,
                structured_outputs=structured_outputs(sampling.structure),
            )
            request.messages = generate.messages  # vLLM would look at each; parsers but count the calls in them
            reading = Reading(generate, request, self._make(generate))
        except (ValueError, TypeError) as error:
            raise invalid(str(error), "tools") from error
        return reading

    def _make(self, generate: Generate) -> Callable[[ChatCompletionRequest], Parser]:
        assert self._parser is not None
        parser = self._parser

        def make(request: ChatCompletionRequest) -> Parser:
            return parser(
                self._tokenizer,
                request.tools,
                model_config=self._model_config,
                chat_template_kwargs=generate.chat_template_kwargs,
            )

        return make


class Reading:
    """How the answers to one request are read."""

    def __init__(
        self,
        generate: Generate,
        request: ChatCompletionRequest,
        make: Callable[[ChatCompletionRequest], Parser],
    ) -> None:
        self.stream = generate.stream
        self.one_call = not generate.parallel_tool_calls
        # The parser says what else it needs of the engine: a structure that forces a call, special tokens.
        self.request: ChatCompletionRequest = make(request).adjust_request(request)
        self._make = make
        self._named = isinstance(generate.tool_choice, dict)

    @property
    def structure(self) -> StructuredOutputsParams | None:
        structure: StructuredOutputsParams | None = self.request.extract_structured_outputs()
        return structure

    @property
    def skip_special_tokens(self) -> bool:
        return bool(self.request.skip_special_tokens)

    def reasoning_ended(self, prompt_token_ids: list[int]) -> bool | None:
        """Whether a structure binds from the first token on, or only after some reasoning; None: vLLM finds out."""
        ended: bool | None = self.request.resolve_reasoning_ended(self._make(self.request), prompt_token_ids)
        return ended

    def whole(self, text: str, token_ids: list[int], prompt_token_ids: list[int]) -> Parts:
        reasoning, content, calls = self.parser(prompt_token_ids).parse(
            text, self.request, enable_auto_tools=True, model_output_token_ids=token_ids
        )
        found = [
            ToolCall(index, call.id or _new_id(), call.name, call.arguments or "{}")
            for index, call in enumerate(calls or ())
        ]
        return Parts(
            content or "",
            (reasoning or "") if self.request.include_reasoning else "",
            found[:1] if self.one_call else found,
        )

    def finish_reason(self, given: str | None, *, called: bool) -> str | None:
        """A call that was forced by name is no news, as OpenAI has it."""
        return "tool_calls" if given == "stop" and called and not self._named else given

    def parser(self, prompt_token_ids: list[int]) -> Parser:
        """One that has read nothing yet."""
        parser = self._make(self.request)
        parser.set_prompt_token_ids(prompt_token_ids)
        return parser


class Stream:
    """One answer, read as it comes."""

    def __init__(self, reading: Reading, prompt_token_ids: list[int]) -> None:
        self._reading = reading
        self._parser = reading.parser(prompt_token_ids)
        self._prompt = prompt_token_ids
        self._text: list[str] = []
        self._ids: list[int] = []
        self._told = Parts()

    @property
    def called(self) -> bool:
        return bool(self._told.calls)

    def feed(self, text: str, token_ids: list[int], *, finished: bool) -> Parts:
        """What `text` adds. With the last, whatever vLLM's streaming parsers have missed: calls that come in one
        piece, arguments that are `{}`.
        """
        self._text.append(text)
        self._ids += token_ids
        parts = self._parse(text, token_ids, finished)
        parts.calls = [call for call in parts.calls if self._record(call)]
        self._told.content += parts.content
        self._told.reasoning += parts.reasoning
        if finished:
            self._complete(parts)
        return parts

    def _parse(self, text: str, token_ids: list[int], finished: bool) -> Parts:
        delta = self._parser.parse_delta(text, token_ids, self._reading.request, self._prompt, finished=finished)
        if delta is None:
            return Parts()
        calls = [
            ToolCall(
                call.index,
                call.id or "",
                (call.function.name if call.function else None) or "",
                (call.function.arguments if call.function else None) or "",
            )
            for call in delta.tool_calls
            if call.index == 0 or not self._reading.one_call
        ]
        return Parts(delta.content or "", delta.reasoning or "", calls)

    def _record(self, call: ToolCall) -> bool:
        """Says whether it is worth telling: it begins a call, or adds to the arguments of one."""
        if call.index < len(self._told.calls):
            self._told.calls[call.index].arguments += call.arguments
            return bool(call.arguments)
        if call.index > len(self._told.calls) or not call.name:
            return False
        call.id = call.id or _new_id()
        self._told.calls.append(ToolCall(call.index, call.id, call.name, call.arguments))
        return True

    def _complete(self, parts: Parts) -> None:
        whole = self._reading.whole("".join(self._text), self._ids, self._prompt)
        told = self._told
        parts.reasoning += _rest(told.reasoning, whole.reasoning)
        if not told.calls:
            parts.content += _rest(told.content, whole.content)
        for call in whole.calls:
            if call.index >= len(told.calls):
                told.calls.append(call)
                parts.calls.append(call)
            elif not _is_json(told.calls[call.index].arguments):
                rest = _rest(told.calls[call.index].arguments, call.arguments)
                if rest:
                    parts.calls.append(ToolCall(call.index, arguments=rest))


def _rest(told: str, whole: str) -> str:
    return whole[len(told) :] if whole.startswith(told) else ""


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _new_id() -> str:
    made: str = make_tool_call_id()
    return made
