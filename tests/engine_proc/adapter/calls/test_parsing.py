"""Reasoning and tool calls, read out of texts by vLLM's parsers: whole, and token by token."""

import json
from typing import Any

import pytest
import xgrammar
from vllm.parser import ParserManager

from engine_proc.adapter.calls.parsing import Parsing, Parts, Reading, Stream
from engine_proc.adapter.outputs import Output
from engine_proc.answering.choices import Choice, Contest
from engine_proc.answering.live import LiveRequest
from engine_proc.answering.parsed_choice import ParsedChoice
from engine_proc.answering.rewritten import Rewritten
from schemas.errors import ApiError
from schemas.wire import Delta, Generate, Sampling, Structure, ToolCall
from tests.engine_proc.adapter.calls.formats import CALLS

PARIS = '{"name": "get_weather", "parameters": {"city": "Paris"}}'
TOKYO = '{"name": "get_weather", "parameters": {"city": "Tokyo"}}'
NOTHING = '{"name": "get_weather", "parameters": {}}'
THOUGHT = "<think>They greet me.</think>Hello!"
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NAMED = {"type": "function", "function": {"name": "get_weather"}}


def asked(**fields: Any) -> Generate:
    return Generate(id=1, name="test", messages=[{"role": "user", "content": "Hello"}], **{"tools": [TOOL], **fields})


def parsing(tokenizer: Any, tools: str | None = "llama3_json", reasoning: str | None = None) -> Parsing:
    return Parsing(ParserManager.get_parser(tools, reasoning, True, tokenizer=tokenizer), tokenizer, None)


def reading(tokenizer: Any, reasoning: str | None = None, **fields: Any) -> Reading:
    found = parsing(tokenizer, reasoning=reasoning).reading(asked(**fields))
    assert found is not None
    return found


def streamed(tokenizer: Any, text: str, at_once: int = 1, reasoning: str | None = None, **fields: Any) -> Parts:
    """What a client would put together of an answer that comes `at_once` tokens at a time."""
    stream = Stream(reading(tokenizer, reasoning, stream=True, **fields), [1])
    ids = tokenizer.encode(text, add_special_tokens=False)
    whole = Parts()
    for begin in range(0, len(ids), at_once):
        piece = tokenizer.decode(ids[: begin + at_once])[len(tokenizer.decode(ids[:begin])) :]
        parts = stream.feed(piece, ids[begin : begin + at_once], finished=begin + at_once >= len(ids))
        whole.content += parts.content
        whole.reasoning += parts.reasoning
        for call in parts.calls:
            if call.index == len(whole.calls):
                assert call.id and call.name
                whole.calls.append(ToolCall(call.index, call.id, call.name, call.arguments))
            else:
                assert not call.id and not call.name
                whole.calls[call.index].arguments += call.arguments
    return whole


def calls(parts: Parts) -> list[tuple[str, Any]]:
    return [(call.name, json.loads(call.arguments)) for call in parts.calls]


def test_a_plain_request_is_read_as_it_stands(tokenizer: Any) -> None:
    plain = parsing(tokenizer)

    assert plain.reading(asked(tools=[])) is None
    assert plain.reading(asked(tool_choice="none")) is None
    assert plain.reading(Generate(id=1, name="test", prompts=["Hello"])) is None


@pytest.mark.parametrize("at_once", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PARIS, [("get_weather", {"city": "Paris"})]),
        (f"{PARIS}; {TOKYO}", [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Tokyo"})]),
        (NOTHING, [("get_weather", {})]),
        ("Hello!", []),
        ("It is {a: 1}.", []),
        ('{"a": 1}', []),
    ],
    ids=["one", "two", "without arguments", "text", "a brace", "another object"],
)
def test_a_stream_tells_what_the_whole_has(
    tokenizer: Any, text: str, expected: list[tuple[str, Any]], at_once: int
) -> None:
    whole = reading(tokenizer).whole(text, [], [1])
    stream = streamed(tokenizer, text, at_once)

    assert calls(whole) == calls(stream) == expected
    assert whole.content == stream.content == ("" if expected else text)


def test_one_call_where_only_one_is_wanted(tokenizer: Any) -> None:
    text = f"{PARIS}; {TOKYO}"

    for parts in (
        reading(tokenizer, parallel_tool_calls=False).whole(text, [], [1]),
        streamed(tokenizer, text, parallel_tool_calls=False),
    ):
        assert calls(parts) == [("get_weather", {"city": "Paris"})]


@pytest.mark.parametrize("at_once", [1, 3, 1000])
@pytest.mark.parametrize("length", [1, 20, len('{"name": "get_weather"'), len(PARIS) - 6, len(PARIS) - 1])
@pytest.mark.parametrize("fields", [{}, {"tool_choice": "required"}, {"tool_choice": NAMED}], ids=str)
def test_a_call_that_was_cut_off_is_content(tokenizer: Any, length: int, at_once: int, fields: dict[str, Any]) -> None:
    text = PARIS[:length]
    whole = reading(tokenizer, **fields).whole(text, [], [1], cut=True)
    stream = streamed(tokenizer, text, at_once, **fields)

    assert (whole.content, whole.calls) == (stream.content, stream.calls) == (text, [])


def test_the_calls_before_one_that_was_cut_off_are_calls(tokenizer: Any) -> None:
    text = f"{PARIS}; {TOKYO[:-6]}"
    whole = reading(tokenizer).whole(text, [], [1], cut=True)
    stream = streamed(tokenizer, text, 2)

    assert calls(whole) == calls(stream) == [("get_weather", {"city": "Paris"})]
    assert whole.content == stream.content == f"; {TOKYO[:-6]}"


@pytest.mark.parametrize("at_once", [1, 1000])
@pytest.mark.parametrize("text", ['{"name": "fly", "parameters": {}}', '{"name": "Ann", "parameters": {"age": 5}}'])
def test_a_tool_that_was_not_offered_is_not_called(tokenizer: Any, text: str, at_once: int) -> None:
    whole = reading(tokenizer).whole(text, [], [1])
    stream = streamed(tokenizer, text, at_once)

    assert (whole.content, whole.calls) == (stream.content, stream.calls) == (text, [])


@pytest.mark.parametrize("choice", ["required", NAMED], ids=["required", "named"])
def test_a_forced_call_is_a_structure(tokenizer: Any, choice: Any) -> None:
    assert reading(tokenizer, tool_choice=choice).structure is not None
    assert reading(tokenizer).structure is None


def test_a_structure_of_the_text_leaves_no_calls(tokenizer: Any) -> None:
    wanted = Sampling(structure=Structure(choice=[PARIS], field="structured_outputs.choice"))

    assert parsing(tokenizer).reading(asked(sampling=wanted)) is None
    assert reading(tokenizer, "qwen3", sampling=wanted).whole(f"</think>{PARIS}", [], [1]).content == PARIS
    assert reading(tokenizer, tool_choice="required", sampling=wanted).whole(PARIS, [], [1]).calls


class TestGrammars:
    """What the structure of a request lets a model write."""

    @staticmethod
    def allows(structure: Any, text: str) -> bool:
        """Return whether a whole answer may be `text`."""
        vocabulary = [bytes([byte]) for byte in range(256)] + [b"<end>"]
        compiler = xgrammar.GrammarCompiler(xgrammar.TokenizerInfo(vocabulary, stop_token_ids=[256]))
        matcher = xgrammar.GrammarMatcher(compiler.compile_structural_tag(structure.structural_tag))
        return bool(matcher.accept_string(text) and matcher.accept_token(256))

    @pytest.mark.parametrize("choice", ["required", NAMED], ids=["required", "named"])
    @pytest.mark.parametrize("parser", ["llama3_json", "xlam"])
    @pytest.mark.parametrize(
        ("parameters", "good", "bad"),
        [
            (None, "{}", '"Paris"'),
            (None, '{"a": [1, {"b": null}]}', "5"),
            ({}, '{"a": 1}', "null"),
            ({"required": None, "properties": None}, '{"a": 1}', "[]"),
            ({"type": ["object", "null"]}, "{}", "null"),
            (WEATHER, '{"city": "Paris"}', '{"city": 5}'),
            (WEATHER, '{"city": "Paris"}', '{"city":  "Paris"}'),
            (WEATHER, '{"city": "Paris"}', "{}"),
            (WEATHER, '{"city": "Paris"}', '{ "city": "Paris"}'),
            ({"type": "object", "properties": {"next": {"$ref": "#"}}}, '{"next": {"next": {}}}', '{"next": 1}'),
            (
                {"type": "object", "properties": {"a": {"type": "string", "pattern": r"^\p{L}+$"}}, "required": ["a"]},
                '{"a": "é字"}',
                '{"a": "1"}',
            ),
            (
                {"properties": {"a": {"type": "number", "minimum": 3, "exclusiveMinimum": True}}, "required": ["a"]},
                '{"a": 4}',
                '{"a": true}',
            ),
        ],
        ids=str,
    )
    def test_forced_arguments_are_what_the_tool_says(
        self, tokenizer: Any, parser: str, choice: Any, parameters: Any, good: str, bad: str
    ) -> None:
        function = {"name": "get_weather"} | ({} if parameters is None else {"parameters": parameters})
        found = parsing(tokenizer, parser).reading(
            asked(tools=[{"type": "function", "function": function}], tool_choice=choice)
        )
        assert found is not None

        def written(arguments: str) -> str:
            call = f'{{"name": "get_weather", "parameters": {arguments}}}'
            if parser == "llama3_json":
                return call
            return f"[{call}]" if choice == "required" else arguments

        assert self.allows(found.structure, written(good))
        assert not self.allows(found.structure, written(bad))
        assert calls(found.whole(written(good), [], [1])) == [("get_weather", json.loads(good))]
        assert not self.allows(found.structure, f"{written(good)} ")
        if choice == "required":
            two = f"{written(good)}; {written(good)}" if parser == "llama3_json" else written(good)
            assert self.allows(found.structure, two)

    @pytest.mark.parametrize("strict", [False, True])
    def test_calls_and_a_format_go_together(self, tokenizer: Any, strict: bool) -> None:
        wanted = Structure(json=WEATHER, field="response_format.json_schema.schema")
        tool = {**TOOL, "function": {**TOOL["function"], "strict": strict}}
        structure = reading(tokenizer, tools=[tool], sampling=Sampling(structure=wanted)).structure

        assert self.allows(structure, PARIS)
        assert self.allows(structure, '{"city": "Paris"}')
        assert not self.allows(structure, "Hello!")
        assert not self.allows(structure, '{"city":   "Paris"}')

    @pytest.mark.parametrize("choice", ["required", NAMED], ids=["required", "named"])
    def test_a_forced_call_is_stronger_than_a_format(self, tokenizer: Any, choice: Any) -> None:
        wanted = Structure(json=WEATHER, field="response_format.json_schema.schema")
        structure = reading(tokenizer, tool_choice=choice, sampling=Sampling(structure=wanted)).structure

        assert self.allows(structure, PARIS)
        assert not self.allows(structure, '{"city": "Paris"}')

    @pytest.mark.parametrize(
        ("parameters", "place"),
        [
            ({"type": 5}, ".type"),
            ({"type": "string"}, ".type"),
            ({"properties": {"a": {"minimum": "low"}}}, ".properties.a.minimum"),
            ({"$ref": "#"}, ""),
            ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, ""),
            ({"properties": {"a": {"type": "string", "pattern": r"\bfoo"}}}, ""),
            ({"properties": {"a": {"$ref": "#/$defs/none"}}}, ""),
        ],
        ids=str,
    )
    def test_a_broken_schema_is_refused_where_it_is_forced(
        self, tokenizer: Any, parameters: dict[str, Any], place: str
    ) -> None:
        broken = {"type": "function", "function": {"name": "f", "parameters": parameters}}
        assert parsing(tokenizer).reading(asked(tools=[TOOL, broken])) is not None
        assert parsing(tokenizer).reading(asked(tools=[TOOL, broken], tool_choice=NAMED)) is not None
        wanted = Sampling(structure=Structure(json=WEATHER, field="response_format.json_schema.schema"))
        assert parsing(tokenizer).reading(asked(tools=[TOOL, broken], sampling=wanted)) is not None
        strict = {"type": "function", "function": {**broken["function"], "strict": True}}  # type: ignore[dict-item]
        for fields in ({"tools": [TOOL, broken], "tool_choice": "required"}, {"tools": [TOOL, strict]}):
            with pytest.raises(ApiError) as caught:
                parsing(tokenizer).reading(asked(**fields))
            assert (caught.value.status, caught.value.param) == (400, f"tools[1].function.parameters{place}")


def test_the_finish_reason_tells_of_calls(tokenizer: Any) -> None:
    free, named = reading(tokenizer), reading(tokenizer, tool_choice=NAMED)

    assert free.finish_reason("stop", called=True) == "tool_calls"
    assert free.finish_reason("stop", called=False) == "stop"
    assert free.finish_reason("length", called=True) == "length"
    assert named.finish_reason("stop", called=True) == "stop"


def test_a_model_without_a_parser_has_no_tools(tokenizer: Any) -> None:
    with pytest.raises(ApiError) as caught:
        parsing(tokenizer, tools=None).reading(asked())

    assert (caught.value.status, caught.value.param) == (400, "tools")


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_reasoning_is_told_apart(tokenizer: Any, at_once: int) -> None:
    whole = reading(tokenizer, "qwen3").whole(THOUGHT, [], [1])
    stream = streamed(tokenizer, THOUGHT, at_once, "qwen3")

    for parts in (whole, stream):
        assert (parts.reasoning.strip(), parts.content.strip()) == ("They greet me.", "Hello!")


@pytest.mark.parametrize("at_once", [1, 1000])
def test_reasoning_may_be_left_out(tokenizer: Any, at_once: int) -> None:
    stream = streamed(tokenizer, THOUGHT, at_once, "qwen3", include_reasoning=False)

    assert (stream.reasoning, stream.content.strip()) == ("", "Hello!")


def test_reasoning_that_is_left_out_is_not_held_back(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the reasoning is, the content after it is streamed."""
    monkeypatch.setattr("engine_proc.adapter.calls.parsing.MOST_HELD", 100)
    read = parsing(tokenizer, None, "qwen3").reading(asked(stream=True, tools=[], include_reasoning=False))
    assert read is not None
    stream = Stream(read, [1])
    found = [stream.feed(piece, [5], finished=False) for piece in ["<think>", *["They greet me. "] * 20, "</think>"]]
    assert "".join(parts.reasoning + parts.content for parts in found) == ""
    assert stream.feed("Hello!", [5], finished=False).content.strip() == "Hello!"


def request() -> LiveRequest:
    return LiveRequest(b"web", 1, "test", "", 1)


def output(text: str, token_ids: list[int], finish_reason: str | None = None) -> Output:
    return Output(None, text, token_ids, finish_reason, None)


def test_a_choice_is_read_whole(tokenizer: Any) -> None:
    choice = ParsedChoice(request(), 0, reading=reading(tokenizer), prompt_token_ids=[1])
    (delta,) = choice.receive(output(PARIS, [5, 6], "stop"))

    assert (delta.text, delta.token_ids, delta.finish_reason) == ("", [5, 6], "tool_calls")
    assert [(call.name, call.arguments) for call in delta.tool_calls] == [("get_weather", '{"city": "Paris"}')]


@pytest.mark.parametrize("parser", ["hermes", "granite", "qwen3_coder", "kimi_k2", "pythonic"])
def test_a_streaming_parser_gets_no_more_of_a_call_than_it_may_hold_back(
    tokenizer: Any, parser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks at all of it for each token. The rest is parsed once, at the end."""
    monkeypatch.setattr("engine_proc.adapter.calls.parsing.MOST_HELD", 300)
    read = parsing(tokenizer, parser).reading(asked(stream=True))
    assert read is not None
    parsed: list[int] = []
    piece = read.piece

    def counted(parser: Any, text: str, *args: Any) -> tuple[str, str]:
        parsed.append(len(text))
        return piece(parser, text, *args)

    monkeypatch.setattr(read, "piece", counted)
    stream = Stream(read, [1])
    text = CALLS[parser] * 30
    pieces = [text[at : at + 5] for at in range(0, len(text), 5)]
    ends = len(pieces) - 1
    found = [stream.feed(part, [5], finished=at == ends) for at, part in enumerate(pieces)]

    assert 0 < sum(parsed) < 600 < len(text)
    whole = read.whole(text, [], [1])
    assert calls(found[-1]) == calls(whole)
    assert "".join(parts.content for parts in found).strip() == whole.content.strip()


def test_the_last_output_alone_is_parsed_in_one_go(tokenizer: Any) -> None:
    """The server has this done in a thread: some of vLLM's parsers take seconds for a long text."""
    whole = ParsedChoice(request(), 0, reading=reading(tokenizer), prompt_token_ids=[1])
    stream = ParsedChoice(request(), 0, reading=reading(tokenizer, stream=True), prompt_token_ids=[1])
    plain = Choice(request(), 0)
    last = output("x" * 10, [5], "stop")

    assert whole.to_parse(last) == 11
    assert stream.to_parse(output("x" * 100, [5])) == 0
    stream.receive(output("x" * 100, [5]))
    assert stream.to_parse(last) == 111
    assert plain.to_parse(last) == 0
    assert Rewritten(whole, [5]).to_parse(last) == 11
    contest = Contest([whole], candidates=2, with_logprobs=False)
    assert contest.to_parse(last) == 0
    contest.receive(last)
    assert contest.to_parse(last) == 22


class TestRewritten:
    @staticmethod
    def take(*outputs: Output, sent: list[int]) -> list[Delta]:
        choice = Rewritten(Choice(request(), 0), sent)
        return [delta for output in outputs for delta in choice.receive(output)]

    def test_what_the_client_has_is_not_said_again(self) -> None:
        deltas = self.take(output("a", [1]), output("b", [2, 3]), output("c", [4], "stop"), sent=[1, 2, 3])

        assert [(delta.text, delta.token_ids) for delta in deltas] == [("c", [4])]

    @pytest.mark.parametrize(
        "outputs",
        [
            [output("x", [9])],
            [output("a", [1]), output("bc", [2, 3, 4])],
            [output("a", [1], "stop")],
        ],
        ids=["another token", "other pieces", "an earlier end"],
    )
    def test_another_answer_is_none(self, outputs: list[Output]) -> None:
        with pytest.raises(ApiError) as caught:
            self.take(*outputs, sent=[1, 2, 3])

        assert (caught.value.status, caught.value.code) == (503, "engine_restarted")


def test_parsers_get_the_schemas_that_cost_a_grammar_too_much(tokenizer: Any) -> None:
    emails = {f"f{number}": {"type": "string", "format": "email"} for number in range(60)}
    costly = {"type": "object", "properties": {"city": {"type": "integer"}, **emails}}
    invalid = {"type": "object", "properties": 1}
    tools = [
        {"type": "function", "function": {"name": name, "parameters": parameters}}
        for name, parameters in (("costly", costly), ("get_weather", WEATHER), ("invalid", invalid))
    ]
    found = reading(tokenizer, tools=tools, tool_choice="auto").request.tools or []
    assert [tool.function.parameters for tool in found] == [costly, WEATHER, {"type": "object"}]
