"""What is started for a request that another engine has begun: where tools or a structure are in it."""

import asyncio
import threading
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from vllm.parser import ParserManager
from vllm.sampling_params import RepetitionDetectionParams

from engine_proc.adapter.calls.parsing import Parsing
from engine_proc.adapter.named_tokens import MAX_BIASES
from engine_proc.adapter.outputs import Output
from engine_proc.adapter.prompts.rendering import Rendering
from engine_proc.adapter.sampling import SamplingRules
from engine_proc.answering.choices import Choice
from engine_proc.answering.live import LiveRequest
from engine_proc.answering.parsed_choice import ParsedChoice
from engine_proc.answering.rewritten import Rewritten
from engine_proc.answering.starting import (
    INLINE_AT_ONCE,
    INLINE_BYTES,
    INLINE_SENT,
    INLINE_SEQUENCES,
    INLINE_TEXTS,
    PlannedSequence,
    Starter,
)
from schemas.errors import ApiError, invalid
from schemas.wire import Delta, Generate, Sampling, Structure
from tests.engine_proc.helpers import on_a_loop

PARIS = '{"name": "get_weather", "parameters": {"city": "Paris"}}'
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]


class Engine:
    """Prepares whatever it is given, and tells tokens one by one."""

    embeds = False

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.sequences = self
        self.prepared = 0
        """Sequences that have been checked."""

    def prepare(self, prompt: Any, params: Any, priority: int = 0, adapter: str = "", trace: str = "") -> Any:
        self.prepared += 1
        return SimpleNamespace(sampling_params=params)

    def candidate(self, prepared: Any, number: int) -> Any:
        return prepared

    def replay(self, prepared: Any, sent: list[int]) -> list[Output]:
        texts = [self._tokenizer.decode(sent[:end]) for end in range(len(sent) + 1)]
        return [
            Output(None, text[len(before) :], [token_id], None, None)
            for before, text, token_id in zip(texts, texts[1:], sent, strict=False)
        ]


@pytest.fixture
def starter(tokenizer: Any, renderer: Any) -> Starter:
    rules = SamplingRules(
        tokenizer=tokenizer,
        vocab_size=len(tokenizer),
        max_model_len=500,
        defaults={},
        default_stop_ids=frozenset(),
        repetition=RepetitionDetectionParams(max_pattern_size=32, min_count=4),
        max_beam_width=4,
    )
    parsing = Parsing(ParserManager.get_parser("llama3_json", None, True, tokenizer=tokenizer), tokenizer, None)
    engine: Any = Engine(tokenizer)
    return Starter(engine, Rendering(renderer, 500, len(tokenizer)), rules, parsing)


class WatchedRenderer:
    """Notes which threads render."""

    def __init__(self, renderer: Any) -> None:
        self.renderer = renderer
        self.threads: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("render"):
            self.threads.append(threading.current_thread().name)
        return getattr(self.renderer, name)


@pytest.mark.parametrize(
    ("size", "fields", "in_thread"),
    [
        (INLINE_BYTES, {}, False),
        (INLINE_BYTES + 1, {}, True),
        (100, {"n": INLINE_SEQUENCES}, False),
        (100, {"n": INLINE_SEQUENCES + 1}, True),
        (100, {"sent": {0: [5] * INLINE_SENT}}, False),
        (100, {"n": 2, "sent": {0: [5] * INLINE_SENT, 1: [5]}}, True),
        (100, {"sampling": Sampling(white_list_token=["a"] * INLINE_TEXTS)}, False),
        (100, {"sampling": Sampling(white_list_token=["a"] * (INLINE_TEXTS + 1))}, True),
        (100, {"tools": [TOOL]}, True),
        (100, {"sampling": Sampling(structure=Structure(regex="a"))}, True),
    ],
    ids=["small", "large", "few", "many", "little sent", "much sent", "few texts", "many texts", "tools", "structure"],
)
@on_a_loop
async def test_only_what_is_small_and_free_is_planned_on_the_loop(
    starter: Starter, renderer: Any, size: int, fields: Any, in_thread: bool
) -> None:
    watched = WatchedRenderer(renderer)
    starter._rendering = Rendering(watched, 500, 2560)
    watched.threads.clear()
    generate = Generate(id=1, name="test", messages=QUESTION, stream=True, **fields)
    await starter.plan(LiveRequest(b"web", 1, "test", "", 1), generate, size)
    assert watched.threads
    assert all(name.startswith("plan") == in_thread for name in watched.threads)


def test_a_sequence_is_checked_before_the_first_request(starter: Any) -> None:
    starter.warm_up()
    assert starter._engine.prepared == 1


def test_a_model_that_refuses_that_serves_all_the_same(starter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise invalid("This model takes chats alone.")

    monkeypatch.setattr(starter._engine, "prepare", refuse)
    starter.warm_up()


@on_a_loop
async def test_a_wave_of_small_requests_is_planned_in_several_turns(starter: Starter) -> None:
    turn, turns = 0, Counter[int]()

    async def count() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    async def plan(number: int) -> None:
        generate = Generate(id=number, name="test", messages=QUESTION, stream=True)
        await starter.plan(LiveRequest(b"web", number, "test", "", 1), generate, 100)
        turns[turn] += 1

    counting = asyncio.create_task(count())
    await asyncio.gather(*(plan(number) for number in range(3 * INLINE_AT_ONCE)))
    counting.cancel()
    assert sum(turns.values()) == 3 * INLINE_AT_ONCE
    assert max(turns.values()) == INLINE_AT_ONCE


@on_a_loop
async def test_an_error_in_the_thread_is_a_400_too(starter: Starter) -> None:
    messages = [{"role": "user", "content": [{"type": "no such part"}]}]
    with pytest.raises(ApiError) as caught:
        await starter.plan(LiveRequest(b"web", 1, "", "", 1), Generate(id=1, name="", messages=messages), 10**6)
    assert (caught.value.status, caught.value.param) == (400, "messages")


async def begin(starter: Starter, **fields: Any) -> PlannedSequence:
    generate = Generate(id=1, name="test", messages=QUESTION, stream=True, **fields)
    start = await starter.plan(LiveRequest(b"web", 1, "test", "", 1), generate, 100)
    (beginning,) = start.sequences
    return beginning


def told(starter: Any, beginning: PlannedSequence, token_ids: list[int]) -> list[Delta]:
    """What the client hears of these tokens, the last of which ends the answer."""
    outputs = starter._engine.sequences.replay(None, token_ids)
    outputs[-1].finish_reason = "stop"
    return [delta for output in outputs for delta in beginning.tag.receive(output)]


@pytest.mark.parametrize("cut", [1, 5, 12, -2])
@on_a_loop
async def test_a_call_goes_on_where_the_client_has_it(starter: Starter, tokenizer: Any, cut: int) -> None:
    ids = tokenizer.encode(PARIS, add_special_tokens=False)
    whole = told(starter, await begin(starter, tools=[TOOL]), ids)
    resumed = await begin(starter, tools=[TOOL], sent={0: ids[:cut]})
    assert isinstance(resumed.tag, ParsedChoice)
    assert resumed.sent == ids[:cut]
    rest = told(starter, resumed, ids[cut:])

    def calls(deltas: list[Delta]) -> list[tuple[str, str]]:
        return [(call.name, call.arguments) for delta in deltas for call in delta.tool_calls]

    had = calls(whole[: len(ids[:cut])])
    assert had + calls(rest) == calls(whole)
    assert "".join(arguments for _, arguments in had + calls(rest)) == '{"city": "Paris"}'
    assert rest[-1].finish_reason == "tool_calls"


@on_a_loop
async def test_a_structure_is_written_again_from_its_start(starter: Starter, tokenizer: Any) -> None:
    ids = tokenizer.encode("red, green and blue", add_special_tokens=False)
    structure = Sampling(structure=Structure(regex="[a-z, ]+"))
    resumed = await begin(starter, sampling=structure, sent={0: ids[:2]})
    assert isinstance(resumed.tag, Rewritten)
    assert resumed.sent == [], "vLLM begins anew"
    deltas = told(starter, resumed, ids)
    assert [token_id for delta in deltas for token_id in delta.token_ids] == ids[2:]


@on_a_loop
async def test_a_plain_answer_goes_on_as_it_always_has(starter: Starter) -> None:
    resumed = await begin(starter, sent={0: [5, 6]})
    assert type(resumed.tag) is Choice
    assert resumed.sent == [5, 6]


@on_a_loop
async def test_choices_that_have_ended_are_not_begun_again(starter: Starter) -> None:
    generate = Generate(id=1, name="test", messages=QUESTION, n=3, ended=[1], sent={2: [5]}, stream=True)
    plan = await starter.plan(LiveRequest(b"web", 1, "test", "", 3), generate, 100)
    choices = [sequence.tag for sequence in plan.sequences]
    assert [choice.index for choice in choices if isinstance(choice, Choice)] == [0, 2]
    assert [sequence.sent for sequence in plan.sequences] == [[], [5]]


@pytest.mark.parametrize("penalty", ["presence_penalty", "frequency_penalty"])
@on_a_loop
async def test_more_penalised_tokens_than_vllm_takes_biases_are_written_again(starter: Starter, penalty: str) -> None:
    bias = {"2000": 1.0, "7": 1.0}  # the second has a penalty too
    penalties: dict[str, Any] = {penalty: 0.5}
    sampling = Sampling(logit_bias=bias, **penalties)
    fits, above = list(range(MAX_BIASES - 1)) * 2, list(range(MAX_BIASES))
    resumed = await begin(starter, sampling=sampling, sent={0: fits})
    assert (type(resumed.tag), resumed.sent) == (Choice, fits)
    resumed = await begin(starter, sampling=sampling, sent={0: above})
    assert (type(resumed.tag), resumed.sent) == (Rewritten, [])
    resumed = await begin(starter, sampling=Sampling(logit_bias=bias), sent={0: above})
    assert (type(resumed.tag), resumed.sent) == (Choice, above), "without a penalty no bias is needed"


@pytest.mark.parametrize("size", [100, 10**6], ids=["small", "large"])
@on_a_loop
async def test_a_beam_search_that_is_too_wide_is_refused_before_any_work(starter: Starter, size: int) -> None:
    starter._rendering = starter._parsing = cast(Any, None)
    beams = Generate(id=1, name="", messages=QUESTION, n=2, best_of=5, sampling=Sampling(use_beam_search=True))
    with pytest.raises(ApiError) as caught:
        await starter.plan(LiveRequest(b"web", 1, "", "", 5), beams, size)
    assert (caught.value.status, caught.value.param) == (400, "best_of")
