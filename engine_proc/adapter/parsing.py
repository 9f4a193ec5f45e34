"""Reasoning and tool calls, extracted from generated text by vLLM's parsers for the loaded model."""

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

# Otherwise logs a traceback for every answer that has a brace in it and is not a tool call.
logging.getLogger("vllm.tool_parsers").setLevel(logging.CRITICAL)


@dataclass(slots=True)
class Parts:
    """Content, reasoning and tool calls of an answer, or of one piece of a streamed answer."""

    content: str = ""
    reasoning: str = ""
    calls: list[ToolCall] = field(default_factory=list)


class Parsing:
    """The loaded model's parsers."""

    def __init__(self, parser: type[Parser] | None, tokenizer: Any, model_config: Any) -> None:
        """`parser` is None for a model without reasoning and tool calls. `model_config` is vLLM's."""
        self._parser = parser
        self._tokenizer = tokenizer
        self._model_config = model_config

    def reading(self, generate: Generate) -> "Reading | None":
        """Return the parsing of the answers to a request. None: the answers are plain text.

        Raises `ApiError` (400) if the request has tools and the model no parser, or one that refuses them.
        """
        if generate.messages is None:
            return None
        calls = bool(generate.tools) and generate.tool_choice != "none"
        if calls and (self._parser is None or self._parser.tool_parser_cls is None):
            raise invalid("This engine has no tool call parser for its model: --tool-call-parser names one.", "tools")
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
            request.messages = generate.messages  # set here, unchecked: the parsers only count the calls in them
            reading = Reading(generate, request, self._parser_factory(generate))
        except (ValueError, TypeError) as error:
            raise invalid(str(error), "tools") from error
        return reading

    def _parser_factory(self, generate: Generate) -> Callable[[ChatCompletionRequest], Parser]:
        """Return a function that creates a new parser for the request."""
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
    """How the answers to one request are parsed."""

    def __init__(
        self,
        generate: Generate,
        request: ChatCompletionRequest,
        make_parser: Callable[[ChatCompletionRequest], Parser],
    ) -> None:
        self.stream = generate.stream
        self.one_call = not generate.parallel_tool_calls
        # The parser adds what it needs to the request: a structure that forces a call, special tokens in the text.
        self.request: ChatCompletionRequest = make_parser(request).adjust_request(request)
        self._make_parser = make_parser
        self._forced_by_name = isinstance(generate.tool_choice, dict)

    @property
    def structure(self) -> StructuredOutputsParams | None:
        """The structure that answers must match, from the request or the parser. None: any text."""
        structure: StructuredOutputsParams | None = self.request.extract_structured_outputs()
        return structure

    @property
    def skip_special_tokens(self) -> bool:
        """False if the request or the parser needs special tokens in the text."""
        return bool(self.request.skip_special_tokens)

    def reasoning_ended(self, prompt_token_ids: list[int]) -> bool | None:
        """Return True if the structure applies from the first token, False if after reasoning. None: vLLM decides."""
        ended: bool | None = self.request.resolve_reasoning_ended(self._make_parser(self.request), prompt_token_ids)
        return ended

    def whole(self, text: str, token_ids: list[int], prompt_token_ids: list[int]) -> Parts:
        """Parse a complete answer."""
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

    def finish_reason(self, reason: str | None, *, called: bool) -> str | None:
        """Return `tool_calls` in place of `stop` if the answer has tool calls (`called`).

        An answer whose call was forced by name keeps `stop`, as OpenAI's does.
        """
        return "tool_calls" if reason == "stop" and called and not self._forced_by_name else reason

    def parser(self, prompt_token_ids: list[int]) -> Parser:
        """Return a new parser for one answer."""
        parser = self._make_parser(self.request)
        parser.set_prompt_token_ids(prompt_token_ids)
        return parser


class Stream:
    """The parser of one streamed answer."""

    def __init__(self, reading: Reading, prompt_token_ids: list[int]) -> None:
        self._reading = reading
        self._parser = reading.parser(prompt_token_ids)
        self._prompt = prompt_token_ids
        self._text: list[str] = []
        self._ids: list[int] = []
        self._sent = Parts()
        """All that `feed` has returned so far."""

    @property
    def called(self) -> bool:
        """Whether the answer has a tool call so far."""
        return bool(self._sent.calls)

    def feed(self, text: str, token_ids: list[int], *, finished: bool) -> Parts:
        """Parse the next piece of the answer, and return what the piece adds.

        The last piece (`finished`) also adds what vLLM's streaming parsers have missed: calls that arrive in one piece,
        arguments that are `{}`.
        """
        self._text.append(text)
        self._ids += token_ids
        parts = self._parse(text, token_ids, finished)
        parts.calls = [call for call in parts.calls if self._record(call)]
        self._sent.content += parts.content
        self._sent.reasoning += parts.reasoning
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
        """Add `call` to `_sent`. Returns whether to send it: it begins a call, or extends the arguments of one."""
        if call.index < len(self._sent.calls):
            self._sent.calls[call.index].arguments += call.arguments
            return bool(call.arguments)
        if call.index > len(self._sent.calls) or not call.name:
            return False
        call.id = call.id or _new_id()
        self._sent.calls.append(ToolCall(call.index, call.id, call.name, call.arguments))
        return True

    def _complete(self, parts: Parts) -> None:
        """Add to the last `parts` what the parsed whole answer has and `_sent` has not."""
        whole = self._reading.whole("".join(self._text), self._ids, self._prompt)
        sent = self._sent
        parts.reasoning += _unsent(sent.reasoning, whole.reasoning)
        if not sent.calls:
            parts.content += _unsent(sent.content, whole.content)
        for call in whole.calls:
            if call.index >= len(sent.calls):
                sent.calls.append(call)
                parts.calls.append(call)
            elif not _is_json(sent.calls[call.index].arguments):
                missing = _unsent(sent.calls[call.index].arguments, call.arguments)
                if missing:
                    parts.calls.append(ToolCall(call.index, arguments=missing))


def _unsent(sent: str, whole: str) -> str:
    """Return what follows `sent` in `whole`; nothing if `whole` does not begin with `sent`."""
    return whole[len(sent) :] if whole.startswith(sent) else ""


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _new_id() -> str:
    new_id: str = make_tool_call_id()
    return new_id
