"""Reasoning and tool calls, extracted from generated text by vLLM's parsers for the loaded model."""

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.parser.abstract_parser import DelegatingParser, Parser
from vllm.renderers.chat_utils import make_tool_call_id
from vllm.sampling_params import StructuredOutputsParams

from engine_proc.adapter.calls.apart import NotDone, apart
from engine_proc.adapter.calls.call_formats import Reader, make_reader
from engine_proc.adapter.calls.ended_calls import EndedCalls
from engine_proc.adapter.calls.json_calls import Call, CallReader
from engine_proc.adapter.calls.offered_tools import OfferedTools
from engine_proc.adapter.refusals import client_errors
from schemas.errors import invalid
from schemas.wire import Generate, ToolCall

# Otherwise logs a traceback for every answer that has a brace in it and is not a tool call.
logging.getLogger("vllm.tool_parsers").setLevel(logging.CRITICAL)

log = logging.getLogger("hearth.engine")

MOST_HELD = 4000
"""Characters that vLLM's streaming parsers may hold back: many of them look at the whole of a call for each token."""

MOST_HERE = 2000
"""Characters in which vLLM's parsers may look for calls in this process. Some take a second for 20,000, most of it for
one regular expression, which keeps Python's lock, and the time grows with the square of the length.
"""


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
        tools = OfferedTools(generate)
        if tools and (self._parser is None or self._parser.tool_parser_cls is None):
            raise invalid("This engine has no tool call parser for its model: --tool-call-parser names one.", "tools")
        if self._parser is None or not (tools or self._parser.reasoning_parser_cls is not None):
            return None
        kind: Any = self._parser
        make_parser: partial[Parser] = partial(
            kind,
            self._tokenizer,
            model_config=self._model_config,
            chat_template_kwargs=generate.chat_template_kwargs,
        )
        with client_errors("tools" if tools else "messages", ValueError, TypeError):
            return Reading(generate, tools, make_parser)


class Reading:
    """How the answers to one request are parsed."""

    def __init__(self, generate: Generate, tools: OfferedTools, make_parser: partial[Parser]) -> None:
        self.stream = generate.stream
        self.one_call = not generate.parallel_tool_calls
        self._make_parser = make_parser
        self._tools = tools
        self._forced_by_name = tools.named is not None
        request = tools.request(generate)
        parser = make_parser(request.tools)
        self.request: ChatCompletionRequest = tools.constrain(request, parser)
        # Parsers return the reasoning in any case: without it, nobody knows what they hold back.
        self._with_reasoning = self.request.model_copy(update={"include_reasoning": True})
        # These parsers get no tools: the calls are found in the content that they return.
        self._content_only = self._with_reasoning.model_copy(update={"tool_choice": "none"})
        self._new_reader = make_reader(tools, parser.tool_parser, self._calls_in)
        self._by_vllm = bool(tools) and not isinstance(self.reader(), CallReader)
        """Whether vLLM's parser finds the calls."""
        self._ended_calls = EndedCalls(self.parser, self.request, tools.names)

    @property
    def calls(self) -> bool:
        """Whether an answer may have calls."""
        return bool(self._tools)

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
        parser = self._make_parser(self.request.tools)
        ended: bool | None = self.request.resolve_reasoning_ended(parser, prompt_token_ids)
        return ended

    def whole(self, text: str, token_ids: list[int], prompt_token_ids: list[int], *, cut: bool = False) -> Parts:
        """Parse a complete answer. `cut`: a limit or a stop has ended the answer, and not the model.

        A long one is parsed in a process of its own, if vLLM's parser finds the calls.
        """
        parse = partial(self._whole, text, token_ids, prompt_token_ids, cut)
        if not self._by_vllm or len(text) <= MOST_HERE:
            return parse()
        try:
            return apart(parse, Parts)
        except NotDone as error:
            log.error(
                "vLLM's parser does not end on an answer of %d characters, which is sent as it is: %s", len(text), error
            )
            return Parts(text)

    def _whole(self, text: str, token_ids: list[int], prompt_token_ids: list[int], cut: bool) -> Parts:
        if self._new_reader is None and self._tools:
            found = self._ended_calls.split(text, token_ids, prompt_token_ids, cut=cut)
            reasoning, content = found.reasoning, found.content
            calls = [(call.id, call.name, call.arguments) for call in found.calls]
        else:
            reasoning, content = self._texts(text, token_ids, prompt_token_ids)
            calls = []
            if self._new_reader is not None:
                reader = self._new_reader()
                content = reader.feed(content) + reader.finish()
                calls = [("", call.name, call.arguments) for call in reader.calls]
        return Parts(content, reasoning if self.request.include_reasoning else "", self._numbered(calls))

    def _texts(self, text: str, token_ids: list[int], prompt_token_ids: list[int]) -> tuple[str, str]:
        """Return the reasoning and the content of an answer, in which the parser looks for no calls."""
        parser = self.parser(prompt_token_ids)
        try:
            if self._new_reader is not None and isinstance(parser, DelegatingParser):
                reasoning, content = parser.extract_reasoning(text, self._content_only)
            else:
                reasoning, content, _ = parser.parse(
                    text, self._content_only, enable_auto_tools=True, model_output_token_ids=token_ids
                )
        except Exception:
            log.exception("vLLM's parser fails on an answer, which is sent as it is")
            return "", text
        return reasoning or "", content or ""

    def _calls_in(self, text: str) -> list[Call]:
        """Return the calls that vLLM's parser finds in a text of nothing else."""
        found = self._ended_calls.split(text, [], [], cut=False)
        return [Call(call.name, call.arguments) for call in found.calls]

    def _numbered(self, calls: list[tuple[str, str, str]]) -> list[ToolCall]:
        wanted = calls[:1] if self.one_call else calls
        return [ToolCall(index, id_ or _new_id(), name, text) for index, (id_, name, text) in enumerate(wanted)]

    def finish_reason(self, reason: str | None, *, called: bool) -> str | None:
        """Return `tool_calls` in place of `stop` if the answer has tool calls (`called`).

        An answer whose call was forced by name keeps `stop`, as OpenAI's does.
        """
        return "tool_calls" if reason == "stop" and called and not self._forced_by_name else reason

    def parser(self, prompt_token_ids: list[int]) -> Parser:
        """Return a new parser for one answer."""
        parser = self._make_parser(self.request.tools)
        parser.set_prompt_token_ids(prompt_token_ids)
        return parser

    def reader(self) -> Reader | None:
        """Return a new reader of the calls in an answer's content. None: vLLM's parser finds them."""
        return None if self._new_reader is None else self._new_reader()

    def piece(self, parser: Parser, text: str, token_ids: list[int], prompt: list[int]) -> tuple[str, str]:
        """Return the reasoning and the content in the next piece of an answer, which has `parser` for itself.

        The reasoning is returned whether the request wants it or not.
        """
        request = self._with_reasoning if self._new_reader is None else self._content_only
        delta = parser.parse_delta(text, token_ids, request, prompt, finished=False)
        return ("", "") if delta is None else (delta.reasoning or "", delta.content or "")


class Stream:
    """The parser of one streamed answer.

    Reasoning and content are sent as they arrive, calls at the end: what is sent cannot be taken back, and a call that
    the model does not end is no call.
    """

    def __init__(self, reading: Reading, prompt_token_ids: list[int]) -> None:
        self._reading = reading
        self._parser: Parser | None = reading.parser(prompt_token_ids)
        """None: the parser has failed, or holds too much back. What follows is sent at the end."""
        self._held = 0
        """Characters since the last content or reasoning."""
        self._reader = reading.reader()
        self._prompt = prompt_token_ids
        self._text: list[str] = []
        self.chars = 0
        """Length of the text so far."""
        self._ids: list[int] = []
        self._sent = Parts()
        """All that `feed` has returned so far."""

    @property
    def called(self) -> bool:
        """Whether the answer has a tool call so far."""
        return bool(self._sent.calls)

    def feed(self, text: str, token_ids: list[int], *, finished: bool, cut: bool = False) -> Parts:
        """Parse the next piece of the answer, and return what the piece adds.

        The last piece (`finished`) also adds what the streaming parser has held back or missed, and the calls. `cut` is
        as in `Reading.whole`.
        """
        self._text.append(text)
        self.chars += len(text)
        self._ids += token_ids
        parts = self._parse(text, token_ids)
        self._held = 0 if parts.content or parts.reasoning else self._held + len(text)
        if self._held > MOST_HELD and self._reader is None:
            self._parser = None
        if not self._reading.request.include_reasoning:
            parts.reasoning = ""
        self._sent.content += parts.content
        self._sent.reasoning += parts.reasoning
        if finished:
            whole = self._reading.whole("".join(self._text), self._ids, self._prompt, cut=cut)
            parts.reasoning += _unsent(self._sent.reasoning, whole.reasoning)
            parts.content += _unsent(self._sent.content, whole.content)
            parts.calls = self._sent.calls = whole.calls
        return parts

    def _parse(self, text: str, token_ids: list[int]) -> Parts:
        if self._parser is None:
            return Parts()
        try:
            reasoning, content = self._reading.piece(self._parser, text, token_ids, self._prompt)
        except Exception:
            log.exception("vLLM's streaming parser fails on an answer")
            self._parser = None
            return Parts()
        return Parts(content if self._reader is None else self._reader.feed(content), reasoning)


def _unsent(sent: str, whole: str) -> str:
    """Return what follows `sent` in `whole`. Whitespace at the end of `sent` may be missing in `whole`."""
    if whole.startswith(sent):
        return whole[len(sent) :]
    stripped = sent.rstrip()
    return whole[len(stripped) :].lstrip() if whole.startswith(stripped) else ""


def _new_id() -> str:
    new_id: str = make_tool_call_id()
    return new_id
