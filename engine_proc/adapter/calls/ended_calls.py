"""The calls of an answer that the model has ended, by any of vLLM's parsers.

Many of vLLM's parsers complete what the model did not: they close its strings and braces, and answer `{}` where it had
written no arguments. A call that the model did not end is no call, and its text is content.
"""

import json
import logging
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.parser.abstract_parser import Parser

log = logging.getLogger("hearth.engine")

MAX_ATTEMPTS = 32
"""Most places at which an answer that was cut off is looked at, for the end of its last call."""
_CLOSERS = "}])>"


class Found(NamedTuple):
    """A call in an answer. `id` is empty where the parser has made none."""

    id: str
    name: str
    arguments: str


class Split(NamedTuple):
    """An answer in its parts."""

    reasoning: str
    content: str
    calls: list[Found]


class EndedCalls:
    """Splits the complete answers to one request."""

    def __init__(
        self,
        make_parser: Callable[[list[int]], Parser],
        request: ChatCompletionRequest,
        names: Collection[str],
    ) -> None:
        """`make_parser` returns a new parser for a prompt. `names` are those of the tools that may be called."""
        self._make_parser = make_parser
        self._request = request
        self._names = names

    def split(self, text: str, token_ids: list[int], prompt: list[int], *, cut: bool) -> Split:
        """Return the parts of an answer. `cut`: a limit or a stop has ended it, and not the model."""
        try:
            return self._split(text, token_ids, prompt, cut)
        except Exception:
            log.exception("vLLM's parser fails on an answer, which is sent as it is")
            return Split("", text, [])

    def _split(self, text: str, token_ids: list[int], prompt: list[int], cut: bool) -> Split:
        whole = self._parse(text, token_ids, prompt)
        if not _is_incremental(self._make_parser(prompt)):
            if whole.calls:
                return whole
            found = self._before_the_cut(text, prompt) if cut and any(name in text for name in self._names) else None
            return found or whole._replace(content=self._complete(whole.content, text, prompt))
        begun, calls = self._streamed(text, token_ids, prompt)
        if not calls:
            lost = begun or whole.calls or cut
            content = self._complete(whole.content, text, prompt) if lost else whole.content
            return Split(whole.reasoning, content, [])
        content = whole.content
        if len(calls) < max(begun, len(whole.calls)):
            content += text[self._end(text, prompt, len(calls)) :]
        return Split(whole.reasoning, content, whole.calls[: len(calls)])

    def _parse(self, text: str, token_ids: list[int], prompt: list[int]) -> Split:
        reasoning, content, calls = self._make_parser(prompt).parse(
            text, self._request, enable_auto_tools=True, model_output_token_ids=token_ids
        )
        found = [Found(call.id or "", call.name, call.arguments or "") for call in calls or ()]
        offered = [call for call in found if self._is_call(call)]
        if found and not offered:
            content = self._unparsed(text, prompt)
        return Split(reasoning or "", content or "", offered)

    def _streamed(self, text: str, token_ids: list[int], prompt: list[int]) -> tuple[int, list[Found]]:
        """Return how many calls begin in `text`, and those that end, as in a text that goes on."""
        delta = self._make_parser(prompt).parse_delta(text, token_ids, self._request, prompt, finished=False)
        calls: dict[int, list[str]] = {}
        for part in delta.tool_calls if delta is not None else ():
            name, arguments = (part.function.name, part.function.arguments) if part.function else ("", "")
            call = calls.setdefault(part.index, ["", ""])
            call[0] += name or ""
            call[1] += arguments or ""
        found = [Found("", *call) for _, call in sorted(calls.items())]
        return len(found), [call for call in found if self._is_call(call)]

    def _end(self, text: str, prompt: list[int], count: int) -> int:
        """Return the length of the shortest beginning of `text` in which `count` calls have ended."""
        low, high = 0, len(text)
        while low < high:
            middle = (low + high) // 2
            if len(self._streamed(text[:middle], [], prompt)[1]) >= count:
                high = middle
            else:
                low = middle + 1
        return low

    def _before_the_cut(self, text: str, prompt: list[int]) -> Split | None:
        """Return the parts of `text` with the calls before the one that was cut off. None: there are none."""
        ends = [index + 1 for index in range(len(text)) if text[index] in _CLOSERS]
        for end in reversed(ends[-MAX_ATTEMPTS:]):
            found = self._parse(text[:end], [], prompt)
            if found.calls:
                return Split(found.reasoning, found.content + text[end:], found.calls)
        return None

    def _complete(self, content: str, text: str, prompt: list[int]) -> str:
        """Return `content`, what the parser has found in `text`, with the end that the parser has dropped."""
        written = self._unparsed(text, prompt)
        return written if written.startswith(content) else content

    def _unparsed(self, text: str, prompt: list[int]) -> str:
        """Return `text` without its reasoning, as the model has written it."""
        parser: Any = self._make_parser(prompt)
        if not hasattr(parser, "extract_reasoning"):
            return text
        _, content = parser.extract_reasoning(text, self._request)
        return content or ""

    def _is_call(self, call: Found) -> bool:
        return call.name in self._names and is_object(call.arguments)


def is_object(text: str) -> bool:
    """Return whether `text` is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _is_incremental(parser: Parser) -> bool:
    """Return whether vLLM's streaming parser is exact: one that scans the text once, in pieces of any size."""
    tools = parser.tool_parser
    return bool(getattr(tools, "engine_based_streaming", False))
