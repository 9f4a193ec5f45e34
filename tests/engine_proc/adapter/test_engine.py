"""The adapter over the real vLLM: what it needs of vLLM's classes, seen at its own interface.

The demo model is loaded once. Its answers are forced (a grammar of one choice), so that no test hangs on what it has
learnt. A vLLM release that changes what the adapter relies on fails here.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar
from unittest import mock

import psutil
import pytest
from vllm.sampling_params import RepetitionDetectionParams, SamplingParams, StructuredOutputsParams
from vllm.tokenizers.detokenizer_utils import _CACHED_MARKER_KEY
from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs, FinishReason

from engine_proc.adapter.engine import Engine
from engine_proc.adapter.loading import model
from engine_proc.adapter.loading.children import YIELD_VARIABLE
from engine_proc.adapter.loading.set_up import SetUpError
from engine_proc.adapter.outputs import EngineGone, Output
from engine_proc.adapter.prompts.rendering import Rendering
from schemas.errors import ApiError
from schemas.wire import Generate
from tests.engine_proc.helpers import MODEL

pytestmark = pytest.mark.timeout(300)  # the first test loads the model

CONTEXT = 256
BLOCK = 128
"""Tokens in a block of vLLM's KV cache on CPU; whole blocks are found again."""
PROMPT = "Once upon"
TEXT = "alpha beta gamma delta"
SCRIPTS = "日本語 𠮷野家 🙂👨‍👩‍👧 é ᚠᚢᚦ ok"

T = TypeVar("T")


class Loaded:
    """The engine, and the one loop that it may be used from."""

    def __init__(
        self, engine: Engine, stages: list[str], processes: set[psutil.Process], runner: asyncio.Runner
    ) -> None:
        self.engine = engine
        self.stages = stages
        self.processes = processes
        self._run = runner.run
        self.rendering = Rendering(engine.renderer, CONTEXT, engine.vocab_size)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._run(asyncio.wait_for(work, 60))

    async def submit(
        self,
        tag: str,
        *,
        stream: bool = True,
        raw: bool = False,
        text: str | None = TEXT,
        sent: Sequence[int] = (),
        prompt: str = PROMPT,
        **fields: Any,
    ) -> str:
        """Start a sequence that says `text`, or what the model likes where it is None."""
        grammar = None if text is None else StructuredOutputsParams(choice=[text])
        params = SamplingParams(**{"temperature": 0, "max_tokens": 120, "structured_outputs": grammar, **fields})
        (rendered,) = self.rendering.render(Generate(id=1, name=tag, prompts=[prompt]))
        prepared = self.engine.prepare(rendered.input, params)
        return await self.engine.submit(tag, prepared, stream=stream, raw=raw, sent=sent)

    async def outputs(self, *tags: str) -> dict[str, list[Output]]:
        """Step until these sequences have ended."""
        seen: dict[str, list[Output]] = {tag: [] for tag in tags}
        while not all(outputs and (outputs[-1].finish_reason or outputs[-1].failed) for outputs in seen.values()):
            for output in await self.engine.step():
                if output.tag in seen:
                    seen[output.tag].append(output)
        return seen

    def say(self, **fields: Any) -> list[Output]:
        async def work() -> list[Output]:
            await self.submit("one", **fields)
            return (await self.outputs("one"))["one"]

        return self.run(work())


@pytest.fixture(scope="module")
def loaded() -> Iterator[Loaded]:
    # vLLM's processes are spawned: they import pytest's own main module again, which does nothing when imported.
    environment = {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    }
    argv = ["--model", str(MODEL), "--served-model-name", "demo", "other", "--enforce-eager"]
    argv += ["--max-model-len", str(CONTEXT)]
    stages: list[str] = []
    before = children()
    with mock.patch.dict(os.environ, environment), asyncio.Runner() as runner:
        engine = model.load(model.parse_args(argv), lambda stage, share=None: stages.append(stage))
        try:
            yield Loaded(engine, stages, children() - before, runner)
        finally:
            engine.shutdown(timeout=5)


def children() -> set[psutil.Process]:
    """The test run's processes, other tests' web tier among them."""
    return set(psutil.Process().children(recursive=True))


def text_of(outputs: list[Output]) -> str:
    return "".join(output.text for output in outputs)


def ids_of(outputs: list[Output]) -> list[int]:
    return [token_id for output in outputs for token_id in output.token_ids]


# ---- the model --------------------------------------------------------------------------------------------------


def test_the_engine_knows_what_it_has_loaded(loaded: Loaded, tokenizer: Any) -> None:
    engine = loaded.engine
    assert engine.model == str(MODEL)
    assert engine.served_names == ["demo", "other"]
    assert engine.max_model_len == CONTEXT
    assert engine.vocab_size >= len(tokenizer)
    configured = json.loads((MODEL / "generation_config.json").read_text())
    assert engine.generation_config["eos_token_id"] == configured["eos_token_id"]
    assert engine.default_sampling == {name: configured[name] for name in ("temperature", "top_p")}
    assert len(loaded.stages) == 2 and MODEL.name in loaded.stages[1]
    assert hasattr(engine.renderer.get_tokenizer(), _CACHED_MARKER_KEY), "no request reads the tokenizer's file"


# ---- text -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [TEXT, SCRIPTS], ids=["words", "scripts"])
def test_streamed_pieces_are_the_whole_text_and_its_tokens(loaded: Loaded, text: str) -> None:
    pieces, whole = loaded.say(text=text), loaded.say(text=text, stream=False)
    assert len(whole) == 1
    assert len(pieces) > 2
    assert text_of(pieces) == whole[0].text == text
    assert ids_of(pieces) == ids_of(whole)
    assert [piece.finish_reason for piece in pieces] == [None] * (len(pieces) - 1) + ["stop"]
    assert whole[0].finish_reason == "stop"


def test_a_character_of_several_tokens_is_never_cut(loaded: Loaded) -> None:
    pieces = loaded.say(text=SCRIPTS)
    assert any(len(piece.token_ids) > 2 for piece in pieces), "no character spans tokens: this test would see nothing"
    assert not any("\ufffd" in piece.text for piece in pieces)


def test_a_text_that_ends_within_a_character_still_ends(loaded: Loaded) -> None:
    whole = loaded.say(text="𠮷" * 10)
    first = loaded.say(text="𠮷" * 10, max_tokens=len(whole[0].token_ids) - 1)
    assert (text_of(first).strip("\ufffd"), first[-1].finish_reason) == ("", "length")
    assert len(ids_of(first)) == len(whole[0].token_ids) - 1


@pytest.mark.parametrize(("skip", "seen"), [(True, False), (False, True)], ids=["skipped", "kept"])
def test_special_tokens(loaded: Loaded, tokenizer: Any, skip: bool, seen: bool) -> None:
    special = tokenizer.convert_tokens_to_ids("<|start_header_id|>")
    outputs = loaded.say(text=None, allowed_token_ids=[special], max_tokens=3, skip_special_tokens=skip)
    assert ids_of(outputs) == [special] * 3
    assert ("<|start_header_id|>" in text_of(outputs)) == seen


# ---- stop strings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(
    ("include", "expected"), [(False, "alpha be"), (True, "alpha beta ga")], ids=["cut off", "included"]
)
def test_a_stop_string_across_tokens_ends_the_text(loaded: Loaded, stream: bool, include: bool, expected: str) -> None:
    outputs = loaded.say(stream=stream, stop=["nowhere", "ta ga"], include_stop_str_in_output=include)
    assert text_of(outputs) == expected
    assert (outputs[-1].finish_reason, outputs[-1].stop_reason) == ("stop", "ta ga")


def test_what_might_become_a_stop_string_is_held_back_and_then_given(loaded: Loaded) -> None:
    outputs = loaded.say(stop=["beta gamma rays"])
    assert text_of(outputs) == TEXT
    assert outputs[-1].stop_reason is None
    assert len(outputs) > 1


def test_a_stop_string_ends_the_sequence_in_vllm_too(loaded: Loaded) -> None:
    async def work() -> int:
        await loaded.submit("stopped", text="stop" + " and go on" * 30, stop=["stop"])
        await loaded.submit("other", text=TEXT)
        await loaded.outputs("stopped")
        least = 2
        while not any(output.finish_reason for output in await loaded.engine.step()):
            least = min(least, loaded.engine.stats.running)
        return least

    assert loaded.run(work()) == 1


# ---- endings ----------------------------------------------------------------------------------------------------


def test_max_tokens_ends_with_length(loaded: Loaded) -> None:
    outputs = loaded.say(max_tokens=3)
    assert len(ids_of(outputs)) == 3
    assert (outputs[-1].finish_reason, outputs[-1].stop_reason) == ("length", None)


@pytest.mark.parametrize("silent", [False, True], ids=["named by the request", "a default"])
def test_a_stop_token_is_the_reason_unless_it_is_a_default(loaded: Loaded, silent: bool) -> None:
    loaded.engine.sequences.silent_stop_ids = frozenset({7} if silent else ())
    outputs = loaded.say(text=None, allowed_token_ids=[7], stop_token_ids=[7])
    loaded.engine.sequences.silent_stop_ids = frozenset()
    assert (outputs[-1].finish_reason, outputs[-1].stop_reason) == ("stop", None if silent else 7)
    assert (text_of(outputs), ids_of(outputs)) == ("", [7])


def test_ignore_eos_goes_on_past_the_end_token(loaded: Loaded, tokenizer: Any) -> None:
    end = {"text": None, "allowed_token_ids": [tokenizer.eos_token_id], "max_tokens": 4}
    assert ids_of(loaded.say(**end)) == [tokenizer.eos_token_id]
    outputs = loaded.say(**end, ignore_eos=True)
    assert ids_of(outputs) == [tokenizer.eos_token_id] * 4
    assert outputs[-1].finish_reason == "length"


def test_end_tokens_of_the_generation_config_are_left_to_the_request(loaded: Loaded, tokenizer: Any) -> None:
    (also_an_end, *_) = set(loaded.engine.generation_config["eos_token_id"]) - {tokenizer.eos_token_id}
    outputs = loaded.say(text=None, allowed_token_ids=[also_an_end], max_tokens=3)
    assert (ids_of(outputs), outputs[-1].finish_reason) == ([also_an_end] * 3, "length")


def test_a_loop_is_ended_and_says_why(loaded: Loaded) -> None:
    repetition = RepetitionDetectionParams(max_pattern_size=8, min_count=3)
    outputs = loaded.say(text=" la" * 30, repetition_detection=repetition)
    assert (outputs[-1].finish_reason, outputs[-1].stop_reason) == ("stop", "repetition")
    assert 1 <= text_of(outputs).count(" la") < 30


# ---- log probabilities ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_every_token_has_its_log_probability_and_the_ranked_alternatives(
    loaded: Loaded, tokenizer: Any, stream: bool
) -> None:
    outputs = loaded.say(text=None, stream=stream, logprobs=3, max_tokens=6, ignore_eos=True)
    for output in outputs:
        entries = output.logprobs
        assert entries is not None
        assert [entry.id for entry in entries] == output.token_ids
        for entry in entries:
            assert len(entry.top) == 3
            logprobs = [logprob for _, _, logprob in entry.top]
            assert logprobs == sorted(logprobs, reverse=True) and logprobs[0] <= 0
            assert entry.top[0] == (entry.text, entry.id, entry.logprob), "greedy: the likeliest is the chosen one"
            assert all(isinstance(text, str) and 0 <= token_id < len(tokenizer) for text, token_id, _ in entry.top)
    assert len(ids_of(outputs)) == 6


def test_a_token_outside_the_alternatives_still_has_its_log_probability(loaded: Loaded) -> None:
    (likeliest, *_) = ids_of(loaded.say(text=None, max_tokens=1, ignore_eos=True))
    allowed = [token_id for token_id in range(20) if token_id != likeliest]
    (output,) = loaded.say(text=None, max_tokens=1, logprobs=1, ignore_eos=True, allowed_token_ids=allowed)
    assert output.logprobs is not None
    ((_, top_id, top_logprob),) = output.logprobs[0].top
    assert output.logprobs[0].id in allowed
    assert top_id == likeliest
    assert (output.logprobs[0].logprob or 0) <= top_logprob


@pytest.mark.parametrize(("wanted", "count"), [(None, None), (0, 0)], ids=["none", "the chosen one alone"])
def test_fewer_log_probabilities(loaded: Loaded, wanted: int | None, count: int | None) -> None:
    outputs = loaded.say(logprobs=wanted)
    for output in outputs:
        assert (output.logprobs is None) == (count is None)
        assert all(len(entry.top) == count for entry in output.logprobs or ())


def test_requests_that_want_different_numbers_of_alternatives_get_their_own(loaded: Loaded) -> None:
    async def work() -> dict[str, list[Output]]:
        for tag, wanted in {"few": 1, "many": 5, "none": 0}.items():
            await loaded.submit(tag, logprobs=wanted)
        return await loaded.outputs("few", "many", "none")

    outputs = loaded.run(work())
    counts = {
        tag: {len(entry.top) for output in gained for entry in output.logprobs or ()} for tag, gained in outputs.items()
    }
    assert counts == {"few": {1}, "many": {5}, "none": {0}}


def test_the_cumulative_log_probability_is_the_sum_over_the_tokens(loaded: Loaded) -> None:
    outputs = loaded.say(text=None, logprobs=0, max_tokens=5, ignore_eos=True)
    total = sum(entry.logprob or 0 for output in outputs for entry in output.logprobs or ())
    assert outputs[-1].cumulative_logprob == pytest.approx(total)
    assert total < 0


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_the_prompts_log_probabilities_come_once_and_first(loaded: Loaded, tokenizer: Any, stream: bool) -> None:
    first, *rest = loaded.say(stream=stream, logprobs=0, prompt_logprobs=2)
    assert all(output.prompt_logprobs is None for output in rest)
    prompt = first.prompt_logprobs
    assert prompt is not None
    assert [entry.id for entry in prompt] == tokenizer.encode(PROMPT)
    assert (prompt[0].logprob, prompt[0].top) == (None, ())
    assert all(entry.logprob is not None and len(entry.top) == 2 for entry in prompt[1:])
    assert first.logprobs is not None and len(first.logprobs) == len(first.token_ids)


@pytest.mark.parametrize("skip", [True, False], ids=["skipped", "kept"])
def test_log_probabilities_say_which_tokens_the_text_leaves_out(loaded: Loaded, skip: bool) -> None:
    outputs = loaded.say(logprobs=0, skip_special_tokens=skip)
    silent = [entry.silent for output in outputs for entry in output.logprobs or ()]
    assert silent == [False] * (len(silent) - 1) + [skip]  # the end token


def test_a_raw_sequence_brings_ids_and_distributions(loaded: Loaded) -> None:
    async def work() -> list[Output]:
        await loaded.submit("raw", raw=True, text=None, logprobs=4, max_tokens=3, ignore_eos=True)
        return (await loaded.outputs("raw"))["raw"]

    outputs = loaded.run(work())
    scored = loaded.say(text=None, logprobs=4, max_tokens=3, ignore_eos=True)
    entries = [entry for output in scored for entry in output.logprobs or ()]
    assert ids_of(outputs) == [entry.id for entry in entries]
    assert text_of(outputs) == ""
    for output, entry in zip(outputs, entries, strict=True):
        assert output.distribution is not None
        (sampled, *top), logprobs = output.distribution
        assert sampled == entry.id
        assert list(top) == [token_id for _, token_id, _ in entry.top]
        assert list(logprobs[1:]) == pytest.approx([logprob for _, _, logprob in entry.top])
    assert outputs[-1].finish_reason == "length"


# ---- several at once --------------------------------------------------------------------------------------------


def test_one_step_brings_what_all_sequences_gained(loaded: Loaded) -> None:
    async def work() -> int:
        for tag in "abcd":
            await loaded.submit(tag)
        most, left = 0, set("abcd")
        while left:
            outputs = await loaded.engine.step()
            most = max(most, len({output.tag for output in outputs}))
            left -= {output.tag for output in outputs if output.finish_reason}
        return most

    assert loaded.run(work()) == 4


def test_a_seed_makes_sampling_repeatable(loaded: Loaded) -> None:
    sampled = [ids_of(loaded.say(text=None, temperature=1.5, seed=seed, max_tokens=12)) for seed in (5, 5, 6)]
    assert sampled[0] == sampled[1] != sampled[2]


def test_an_aborted_sequence_brings_nothing_more_and_the_others_go_on(loaded: Loaded) -> None:
    async def work() -> tuple[list[Output], list[Output]]:
        key = await loaded.submit("aborted", text=TEXT * 5)
        await loaded.submit("kept")
        before: list[Output] = []
        while not any(output.tag == "aborted" for output in before):
            before += await loaded.engine.step()
        await loaded.engine.abort([key, "no such key"])
        after: list[Output] = []
        while not any(output.finish_reason for output in after):
            after += await loaded.engine.step()
        return before, after

    before, after = loaded.run(work())
    assert {output.tag for output in after} == {"kept"}
    assert text_of([output for output in [*before, *after] if output.tag == "kept"]) == TEXT


def test_stats_count_what_runs_and_are_zero_when_idle(loaded: Loaded) -> None:
    async def work() -> tuple[int, float]:
        for tag in "ab":
            await loaded.submit(tag)
        running, usage, left = 0, 0.0, 2
        while left:
            left -= sum(output.finish_reason is not None for output in await loaded.engine.step())
            stats = loaded.engine.stats
            running, usage = max(running, stats.running), max(usage, stats.kv_cache_usage)
        return running, usage

    running, usage = loaded.run(work())
    assert running == 2
    assert 0 < usage <= 1
    idle = loaded.engine.stats
    assert (idle.running, idle.waiting, idle.kv_cache_usage) == (0, 0, 0.0)


def test_stats_are_zero_when_all_that_ran_was_aborted(loaded: Loaded) -> None:
    async def work() -> tuple[int, int]:
        key = await loaded.submit("aborted", text=TEXT * 5)
        while loaded.engine.stats.running == 0:
            await loaded.engine.step()
        before = loaded.engine.stats.running
        await loaded.engine.abort([key])
        return before, loaded.engine.stats.running

    assert loaded.run(work()) == (1, 0)


# ---- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"logprobs": 10_000}, "logprobs"), ({"allowed_token_ids": [10**6]}, "allowed_token_ids")],
    ids=["too many logprobs", "white list outside the vocabulary"],
)
def test_what_vllm_refuses_is_a_400_naming_the_field(loaded: Loaded, fields: dict[str, Any], param: str) -> None:
    async def work() -> None:
        (prompt,) = loaded.rendering.render(Generate(id=1, name="test", prompts=[[5]]))
        loaded.engine.prepare(prompt.input, SamplingParams(**fields))

    with pytest.raises(ApiError) as caught:
        loaded.run(work())
    assert (caught.value.status, caught.value.param) == (400, param)


def test_prompts_of_different_salts_share_no_prefix(loaded: Loaded) -> None:
    """vLLM itself says how many of a prompt's tokens it found in its cache."""
    core = loaded.engine._core
    found: list[int] = []
    get_output = core.get_output_async

    async def watched() -> Any:
        step = await get_output()
        found.extend(raw.prefill_stats.num_cached_tokens for raw in step.outputs if raw.prefill_stats)
        return step

    async def cached_tokens(salt: str) -> int:
        request = Generate(id=1, name="one", prompts=[list(range(200, 430))], cache_salt=salt)
        (prompt,) = loaded.rendering.render(request)
        params = SamplingParams(max_tokens=1, temperature=0)
        await loaded.engine.submit("one", loaded.engine.prepare(prompt.input, params))
        await loaded.outputs("one")
        return found.pop()

    with mock.patch.object(core, "get_output_async", watched):
        # The last block is always computed again.
        first, again, stranger, stranger_again, unsalted = (
            loaded.run(cached_tokens(salt)) for salt in ("ann", "ann", "bob", "bob", "")
        )
    assert (first, stranger, unsalted) == (0, 0, 0)
    assert again == stranger_again > 0


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--no-such-flag"], "--no-such-flag"),
        (["--max-modle-len", "64"], "unrecognized arguments: --max-modle-len 64: did you mean --max-model-len?"),
        (["--max-model-len", "many"], "--max-model-len"),
        (["--lora-modules", f"demo={MODEL / 'adapter'}"], "--enable-lora"),
        (["--enable-lora", "--lora-modules", "demo=/nowhere"], "there is no adapter in /nowhere"),
    ],
)
def test_a_wrong_flag_is_one_sentence(argv: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SetUpError) as caught:
        model.parse_args(argv)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")


# ---- what operators watch ---------------------------------------------------------------------------------------


def test_tokens_latencies_and_the_prefix_cache_are_counted(loaded: Loaded) -> None:
    before = loaded.engine.figures
    for _ in range(2):
        generated = len(ids_of(loaded.say(text=None, max_tokens=40, ignore_eos=True, prompt=PROMPT * 80)))
    figures = loaded.engine.figures
    prompt = (figures.prompt_tokens - before.prompt_tokens) // 2
    assert BLOCK < prompt < 2 * BLOCK
    assert figures.generated_tokens - before.generated_tokens == 2 * generated == 80
    assert sum(figures.ttft.counts) - sum(before.ttft.counts) == 2
    assert sum(figures.itl.counts) - sum(before.itl.counts) == 78
    assert figures.prefix_cache_queries - before.prefix_cache_queries == 2 * prompt
    assert figures.prefix_cache_hits - before.prefix_cache_hits == BLOCK


def counted(loaded: Loaded) -> dict[str, float]:
    """Every series of vLLM's metrics."""
    lines = [line for line in loaded.engine.metrics().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_vllms_own_metrics_are_filled_as_vllm_serve_fills_them(loaded: Loaded) -> None:
    before = counted(loaded)
    loaded.say(text=None, max_tokens=12, ignore_eos=True, prompt=PROMPT)
    after = counted(loaded)
    gained = {name: after[name] - before[name] for name in after}
    of = '{engine="0",model_name="demo"}'
    assert gained[f"vllm:generation_tokens_total{of}"] == 12
    assert gained[f"vllm:time_to_first_token_seconds_count{of}"] == 1
    assert gained[f"vllm:inter_token_latency_seconds_count{of}"] == 11
    assert gained[f"vllm:e2e_request_latency_seconds_count{of}"] == 1
    assert gained[f"vllm:request_generation_tokens_sum{of}"] == 12
    assert gained[f"vllm:request_params_max_tokens_sum{of}"] == 12
    loaded.say(text=None, max_tokens=2, prompt=PROMPT * 80)  # now its first block is in the cache
    cached = counted(loaded)
    loaded.say(text=None, max_tokens=2, prompt=PROMPT * 80)
    found = counted(loaded)
    computed, whole = (
        found[name] - cached[name]
        for name in (f"vllm:request_prefill_kv_computed_tokens_sum{of}", f"vllm:request_prompt_tokens_sum{of}")
    )
    assert whole - computed == BLOCK
    assert 0 < gained[f"vllm:request_prefill_time_seconds_sum{of}"] < 60
    assert 0 < gained[f"vllm:request_decode_time_seconds_sum{of}"] < 60
    assert 0 <= gained[f"vllm:request_queue_time_seconds_sum{of}"] < 60
    assert gained['vllm:request_success_total{engine="0",finished_reason="length",model_name="demo"}'] == 1
    assert after[f"vllm:num_requests_running{of}"] == 0, "nothing is live, though vLLM said otherwise last"
    assert any(name.startswith("vllm:cache_config_info") for name in after)
    assert all(name.startswith("vllm:") for name in after)


def test_what_it_starts_on_a_cpu_leaves_the_cores_to_others(loaded: Loaded) -> None:
    assert float(os.environ[YIELD_VARIABLE]) > 0, "EngineCore and its workers inherit it"


# ---- going on where another engine was lost ---------------------------------------------------------------------

DRY = {"text": None, "max_tokens": 60, "ignore_eos": True}
RESUMED: dict[str, dict[str, Any]] = {
    "plain": {},
    "presence": {"presence_penalty": 1.5},
    "frequency": {"frequency_penalty": 0.7},
    "negative": {"presence_penalty": -0.5, "frequency_penalty": -0.3},
    "repetition": {"repetition_penalty": 1.3},
    "all three": {"presence_penalty": 0.6, "frequency_penalty": 0.4, "repetition_penalty": 1.2},
    "biased": {"presence_penalty": 1.0, "logit_bias": {300: 4.0, 301: 3.0}},
    "few tokens, again and again": {"presence_penalty": 2.0, "logit_bias": dict.fromkeys(range(260, 300), 60.0)},
    "scored": {"logprobs": 2},
    "a stop string": {"stop": ["no such text at all"]},
    "a stop string that comes": {"stop": ["stone bridge"], "max_tokens": 120},
    "a stop string that comes too early": {"stop": [" the"], "min_tokens": 30},
}


@pytest.mark.parametrize("fields", RESUMED.values(), ids=RESUMED)
def test_a_resumed_sequence_is_the_one_that_was_lost(loaded: Loaded, fields: dict[str, Any]) -> None:
    whole = loaded.say(**{**DRY, **fields})
    assert len(whole) > 8
    for cut in (1, len(whole) // 2, len(whole) - 1):
        head = whole[:cut]
        rest = loaded.say(**{**DRY, **fields}, sent=ids_of(head))
        assert ids_of(head) + ids_of(rest) == ids_of(whole), cut
        assert text_of(head) + text_of(rest) == text_of(whole)
        assert (rest[-1].finish_reason, rest[-1].stop_reason) == (whole[-1].finish_reason, whole[-1].stop_reason)


def test_what_was_sent_is_told_again_piece_by_piece(loaded: Loaded) -> None:
    """Parts of characters too: 🦉 is several tokens."""
    whole = loaded.say(text=SCRIPTS)

    async def work() -> list[Output]:
        (rendered,) = loaded.rendering.render(Generate(id=1, name="test", prompts=[PROMPT]))
        prepared = loaded.engine.prepare(rendered.input, SamplingParams(max_tokens=120))
        return list(loaded.engine.sequences.replay(prepared, ids_of(whole[:-1])))

    told = loaded.run(work())
    assert [(output.text, output.token_ids) for output in told] == [(o.text, o.token_ids) for o in whole[:-1]]
    assert not loaded.engine.busy


def test_resumed_log_probabilities_name_the_pieces_of_one_text(loaded: Loaded) -> None:
    fields = {**DRY, "max_tokens": 12, "logprobs": 1}
    whole = loaded.say(**fields)
    for cut in range(1, len(whole)):
        head, rest = whole[:cut], loaded.say(**fields, sent=ids_of(whole[:cut]))
        entries = [entry for output in (*head, *rest) for entry in output.logprobs or ()]
        assert [entry.id for entry in entries] == ids_of(whole)
        assert "".join(entry.text for entry in entries) == text_of(whole)


def test_a_loop_is_seen_across_the_gap(loaded: Loaded, tokenizer: Any) -> None:
    (token,) = tokenizer.encode("a", add_special_tokens=False)
    detection = RepetitionDetectionParams(max_pattern_size=4, min_count=10)
    fields: dict[str, Any] = {"text": None, "allowed_token_ids": [token], "ignore_eos": True}
    whole = loaded.say(**fields, repetition_detection=detection)
    assert (len(ids_of(whole)), whole[-1].stop_reason) == (10, "repetition")
    rest = loaded.say(**fields, repetition_detection=detection, sent=ids_of(whole)[:7])
    assert (len(ids_of(rest)), rest[-1].finish_reason, rest[-1].stop_reason) == (3, "stop", "repetition")


def test_what_is_resumed_can_be_aborted_and_leaves_nothing(loaded: Loaded) -> None:
    async def work() -> None:
        fields: dict[str, Any] = {**DRY, "max_tokens": 200, "presence_penalty": 1.0}
        await loaded.submit("first", **{**fields, "max_tokens": 40})
        sent = ids_of((await loaded.outputs("first"))["first"])
        key = await loaded.submit("aborted", **fields, sent=sent)
        await loaded.submit("kept", **fields, sent=sent)
        for _ in range(20):
            await loaded.engine.step()
        await loaded.engine.abort([key])
        await loaded.outputs("kept")

    loaded.run(work())
    assert not loaded.engine.busy
    assert loaded.engine._restarted == {}


# ---- a sequence that raises an exception ------------------------------------------------------------------------


class Raises:
    """Whatever is done with it is an error."""

    def __getattr__(self, name: str) -> Any:
        raise KeyError("a defect")


@pytest.mark.parametrize("part", ["detokenizer", "logprobs", "token_texts", "stats"])
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_sequence_that_raises_ends_alone(loaded: Loaded, part: str, stream: bool) -> None:
    async def work() -> dict[str, list[Output]]:
        keys = [await loaded.submit(tag, text=TEXT, logprobs=1, stream=stream) for tag in ("good", "bad", "other")]
        setattr(loaded.engine._live[keys[1]], part, Raises())
        seen: dict[str, list[Output]] = {"good": [], "bad": [], "other": []}
        while loaded.engine.busy:
            for output in await loaded.engine.step():
                seen[output.tag].append(output)
        return seen

    outputs = loaded.run(work())
    assert text_of(outputs["good"]) == text_of(outputs["other"]) == TEXT
    (failed,) = outputs["bad"]
    assert (failed.failed, failed.text, failed.finish_reason) == (True, "", None)
    assert text_of(loaded.say()) == TEXT


def test_it_ends_in_vllm_too(loaded: Loaded) -> None:
    async def work() -> int:
        key = await loaded.submit("bad", text="x" + " and go on" * 30)
        await loaded.submit("good", text=TEXT)
        loaded.engine._live[key].detokenizer = Raises()
        least = 2
        while loaded.engine.busy:
            await loaded.engine.step()
            least = min(least, loaded.engine.stats.running or 2)
        return least

    assert loaded.run(work()) == 1


@pytest.mark.parametrize("place", ["ended", "end"], ids=["of a sequence", "of a step"])
def test_metrics_and_traces_that_raise_stop_no_other_output(loaded: Loaded, place: str) -> None:
    records = loaded.engine._records
    with mock.patch.object(records.metrics, place, side_effect=KeyError("a defect")):
        outputs = loaded.say()
    assert outputs[-1].failed == (place == "ended")
    assert outputs[-1].failed or text_of(outputs) == TEXT
    assert text_of(loaded.say()) == TEXT


def test_sequences_that_vllm_aborts_by_itself_have_not_ended(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """An EngineCore does so when it is told to end, as all of them are when one of several has died."""

    async def work() -> None:
        key = await loaded.submit("aborted", text=None, ignore_eos=True)
        aborted = EngineCoreOutput(request_id=key, new_token_ids=[], finish_reason=FinishReason.ABORT)

        async def ending() -> EngineCoreOutputs:
            return EngineCoreOutputs(outputs=[aborted])

        with monkeypatch.context() as patch, pytest.raises(EngineGone):
            patch.setattr(loaded.engine._core, "get_output_async", ending)
            await loaded.engine.step()
        await loaded.engine.abort([key])

    loaded.run(work())


# ---- the end: this kills the engine, so it comes last -----------------------------------------------------------


def test_an_engine_that_dies_is_gone_for_step_and_submit(loaded: Loaded) -> None:
    async def work() -> None:
        await loaded.submit("lost", text=None, ignore_eos=True)
        for process in loaded.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        with pytest.raises(EngineGone):
            while True:
                await loaded.engine.step()
        with pytest.raises(EngineGone):
            await loaded.submit("late")

    loaded.run(work())
