"""Every tool parser that vLLM ships: what it finds in an answer is what the model ended, whole and in pieces."""

import json
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import AutoTokenizer
from vllm.parser import ParserManager
from vllm.tool_parsers import ToolParserManager

from engine_proc.adapter.calls import apart as process
from engine_proc.adapter.calls import parsing
from engine_proc.adapter.calls.apart import apart
from engine_proc.adapter.calls.json_calls import CallReader
from engine_proc.adapter.calls.parsing import MOST_HERE, Parsing, Parts, Reading, Stream
from schemas.wire import Generate
from tests.engine_proc.adapter.calls.formats import CALLS, NAME, TOKENS
from tests.engine_proc.helpers import MODEL

PARIS = [(NAME, {"city": "Paris"})]
TOOL = {
    "type": "function",
    "function": {"name": NAME, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
NOT_TRIED = {"cohere_command3", "cohere_command4", "hf", "hy_v4", "kimi_k3", "openai"}
"""Parsers of whole conversations, of a template, or of token ids, which the demo model's tokenizer cannot write."""

HEADED = {"muse_glimmer"}
"""Formats in which every text has a header: vLLM's parser leaves out what has none."""
ALONE = {"xlam", "pythonic", "llama4_pythonic", *HEADED}
"""Parsers that take a call after a text for text: they are tried for saying the same whole and in pieces."""

Answer = tuple[str, list[tuple[str, Any]]]


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """The demo model's, with the tokens of all these models."""
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    tokenizer.add_tokens(list(TOKENS))
    return tokenizer


def reading(tokenizer: Any, parser: str) -> Reading:
    kind = ParserManager.get_parser(parser, None, True, tokenizer=tokenizer)
    messages = [{"role": "user", "content": "Hello"}]
    found = Parsing(kind, tokenizer, None).reading(Generate(id=1, name="test", messages=messages, tools=[TOOL]))
    assert found is not None
    return found


def whole(read: Reading, text: str, ids: list[int], cut: bool) -> Answer:
    parts = read.whole(text, ids, [1], cut=cut)
    return parts.content.strip(), [(call.name, json.loads(call.arguments)) for call in parts.calls]


def texts_of(tokenizer: Any, ids: list[int]) -> list[str]:
    """The text of the first tokens, by how many they are: from none to all."""
    return [tokenizer.decode(ids[:length]) for length in range(len(ids) + 1)]


def streamed(read: Reading, texts: list[str], ids: list[int], at_once: int, cut: bool) -> Answer:
    """`texts`: the beginnings of the answer, as `texts_of` returns them."""
    stream, content, calls = Stream(read, [1]), "", []
    for begin in range(0, len(ids), at_once):
        end = min(begin + at_once, len(ids))
        piece = texts[end][len(texts[begin]) :]
        parts = stream.feed(piece, ids[begin:end], finished=end == len(ids), cut=cut)
        content += parts.content
        calls += [(call.name, json.loads(call.arguments)) for call in parts.calls]
    return content.strip(), calls


def test_every_parser_is_tried() -> None:
    assert set(ToolParserManager.list_registered()) == set(CALLS) | NOT_TRIED


@pytest.mark.parametrize("before", ["", "Let me look.\n"], ids=["alone", "after text"])
@pytest.mark.parametrize("parser", CALLS)
def test_a_call_is_found_whole_and_in_pieces(tokenizer: Any, parser: str, before: str) -> None:
    read = reading(tokenizer, parser)
    ids = tokenizer.encode(before + CALLS[parser], add_special_tokens=False)
    texts = texts_of(tokenizer, ids)
    answer = whole(read, texts[-1], ids, False)

    if not before or parser not in ALONE:
        assert answer == (before.strip(), PARIS)
    for at_once in (1, 3, 1000):
        assert streamed(read, texts, ids, at_once, False) == answer


@pytest.mark.parametrize("parser", CALLS)
def test_a_long_answer_is_parsed_in_a_process_of_its_own(
    tokenizer: Any, parser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where vLLM's parser finds the calls. What it finds is the same."""
    read = reading(tokenizer, parser)
    apart_for: list[type] = []

    def noted(work: Callable[[], Parts], kind: type[Parts]) -> Parts:
        apart_for.append(kind)
        return apart(work, kind)

    monkeypatch.setattr(parsing, "apart", noted)
    text = "Let me look.\n" * (MOST_HERE // 13 + 1) + CALLS[parser]
    ids = tokenizer.encode(text, add_special_tokens=False)
    answer = whole(read, tokenizer.decode(ids), ids, False)
    assert apart_for == ([] if isinstance(read.reader(), CallReader) else [Parts])
    monkeypatch.setattr(parsing, "MOST_HERE", len(text) * 2)
    assert answer == whole(read, tokenizer.decode(ids), ids, False)


def test_a_parser_that_does_not_end_is_ended_and_the_answer_sent_as_it_is(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a regular expression that tries every way to divide a text, and keeps Python's lock for as long."""
    monkeypatch.setattr(process, "CPU_SECONDS", 1)
    read = reading(tokenizer, "pythonic")
    monkeypatch.setattr(read, "_ended_calls", SimpleNamespace(split=lambda *_, **__: search_for_ever()))
    text = "[get_weather(" + 'city="Paris", ' * MOST_HERE
    assert whole(read, text, [], False) == (text.strip(), [])


def search_for_ever() -> None:
    re.match("(a|aa)+$", "a" * 1000 + "b")


@pytest.mark.parametrize("parser", CALLS)
def test_a_call_that_is_cut_off_is_content(tokenizer: Any, parser: str) -> None:
    """After each of its tokens: nothing is invented, and nothing is lost."""
    read = reading(tokenizer, parser)
    before = "" if parser in HEADED else "Let me look.\n"
    ids = tokenizer.encode(before + CALLS[parser], add_special_tokens=False)
    texts = texts_of(tokenizer, ids)
    for length in range(1, len(ids)):
        text = texts[length]
        answer = whole(read, text, ids[:length], True)
        assert answer in [(text.strip(), []), (before.strip(), PARIS)], text
        for at_once in (1, 4):
            assert streamed(read, texts, ids[:length], at_once, True) == answer, text
