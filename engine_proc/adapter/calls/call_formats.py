"""Formats of calls that Hearth finds in a text itself, because vLLM's parsers find other calls in pieces than whole.

All other formats are read by vLLM's parsers alone: see `ended_calls`.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Protocol

from vllm.tool_parsers.abstract_tool_parser import ToolParser
from vllm.utils.mistral import is_mistral_tokenizer

from engine_proc.adapter.calls.json_calls import Call, CallReader, tag_start
from engine_proc.adapter.calls.offered_tools import OfferedTools

_IN_JSON = {
    "Llama3JsonToolParser": "<|python_tag|>",
    "Granite20bFCToolParser": "<function_call>",
    "Phi4MiniJsonToolParser": "functools",
    "GigaChat3ToolParser": "<|function_call|>",
}
"""By the class of vLLM's parser of calls in JSON: the text before a call."""
_BETWEEN_TAGS = {
    "ApertusToolParser": ("<|tools_prefix|>", "<|tools_suffix|>"),
    "FunctionGemmaToolParser": ("<start_function_call>", "<end_function_call>"),
    "HunyuanA13BToolParser": ("<tool_calls>", "</tool_calls>"),
    "HYV3ToolParser": ("<tool_calls>", "</tool_call>"),
    "MiniCPM5XMLToolParser": ("<function", "</function>"),
    "Olmo3PythonicToolParser": ("<function_calls>", "</function_calls>"),
}
"""By the class of vLLM's parser of calls between tags: what begins the first call, and what ends each."""
_TAGS_ALONE = re.compile(r"\s*(?:</?[\w|:]*>?\s*)*")

FindCalls = Callable[[str], list[Call]]
"""Returns the calls in a text that begins with a call and ends with one."""


class Reader(Protocol):
    """Splits the text of one answer into content and calls."""

    calls: list[Call]

    def feed(self, text: str) -> str:
        """Return the content that `text` adds."""
        ...

    def finish(self) -> str:
        """Return the content that was held until now: the answer has ended."""
        ...


class TaggedCallReader:
    """Reads calls between tags. The content before them is returned at once, all else at the end."""

    def __init__(self, opening: str, closing: str, find_calls: FindCalls) -> None:
        self._opening = opening
        self._closing = closing
        self._find_calls = find_calls
        self._held = ""
        self._begun = False
        """Whether `_held` begins with a call."""
        self.calls: list[Call] = []

    def feed(self, text: str) -> str:
        self._held += text
        if self._begun:
            return ""
        start = self._held.find(self._opening)
        self._begun = start >= 0
        if not self._begun:
            start = tag_start(self._held, self._opening)
        content, self._held = self._held[:start], self._held[start:]
        return content

    def finish(self) -> str:
        end = self._held.rfind(self._closing) + len(self._closing) if self._closing in self._held else 0
        if not self._begun or not end:
            return self._held
        self.calls = self._find_calls(self._held[:end])
        if not self.calls:
            return self._held
        rest = self._held[end:]
        return "" if _TAGS_ALONE.fullmatch(rest) else rest


def make_reader(tools: OfferedTools, parser: ToolParser | None, find_calls: FindCalls) -> Callable[[], Reader] | None:
    """Return a function that creates a reader for one answer. None: vLLM's `parser` finds the calls."""
    if not tools or parser is None:
        return None
    if tools.in_json(parser):
        return partial(CallReader, tools.names, forced=tools.named)
    for kind in type(parser).__mro__:
        if kind.__name__ == "MistralToolParser" and not is_mistral_tokenizer(parser.model_tokenizer):
            return partial(CallReader, tools.names, "[TOOL_CALLS]")  # vLLM takes such a model's format for the older
        if kind.__name__ in _IN_JSON:
            return partial(CallReader, tools.names, _IN_JSON[kind.__name__])
        if kind.__name__ in _BETWEEN_TAGS:
            return partial(TaggedCallReader, *_BETWEEN_TAGS[kind.__name__], find_calls)
    return None
