"""Every field of the wire's `Sampling`, as vLLM gets it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from vllm.sampling_params import RepetitionDetectionParams, SamplingParams, StructuredOutputsParams

from engine_proc.adapter.beam_rules import BeamRules
from engine_proc.adapter.sampling import SamplingRules, find_default_stop_ids, of_candidate
from schemas.errors import ApiError
from schemas.wire import Generate, Sampling, Structure

CONTEXT = 100
REPETITION = RepetitionDetectionParams(max_pattern_size=32, min_count=4)
BEAM = Sampling(use_beam_search=True)
END, EOT = "<|end_of_text|>", "<|eot_id|>"


@pytest.fixture(scope="module")
def rules(tokenizer: Any) -> SamplingRules:
    return SamplingRules(
        tokenizer=tokenizer,
        vocab_size=len(tokenizer),
        max_model_len=CONTEXT,
        defaults={},
        default_stop_ids=frozenset(tokenizer.convert_tokens_to_ids([END, EOT])),
        repetition=REPETITION,
        max_beam_width=8,
    )


def request(sampling: Sampling | None = None, **fields: Any) -> Generate:
    return Generate(id=1, name="test", prompts=["one"], sampling=sampling or Sampling(), **fields)


def params(rules: SamplingRules, *, choice: int = 0, prompt_tokens: int = 10, **fields: Any) -> SamplingParams:
    wanted = Sampling(**fields)
    return of_candidate(rules.for_prompt(rules.params(request(wanted)), wanted, prompt_tokens), choice)


GIVEN: dict[str, tuple[Any, str, Any]] = {
    "max_tokens": (7, "max_tokens", 7),
    "temperature": (0.25, "temperature", 0.25),
    "top_p": (0.5, "top_p", 0.5),
    "top_k": (40, "top_k", 40),
    "min_p": (0.125, "min_p", 0.125),
    "repetition_penalty": (1.5, "repetition_penalty", 1.5),
    "presence_penalty": (-1.5, "presence_penalty", -1.5),
    "frequency_penalty": (0.75, "frequency_penalty", 0.75),
    "seed": (42, "seed", 42),
    "stop": (["\n", "END"], "stop", ["\n", "END"]),
    "stop_token_ids": ([3, 5], "_all_stop_token_ids", {3, 5}),
    "include_stop_str_in_output": (True, "include_stop_str_in_output", True),
    "ignore_eos": (True, "ignore_eos", True),
    "add_default_stop": (False, "_all_stop_token_ids", set()),
    "skip_special_tokens": (False, "skip_special_tokens", False),
    "spaces_between_special_tokens": (False, "spaces_between_special_tokens", False),
    "logprobs": (0, "logprobs", 0),
    "logit_bias": ({"17": -3.5}, "logit_bias", {17: -3.5}),
    "white_list_token_ids": ([17, 4], "allowed_token_ids", [17, 4]),
    "white_list_token": ([END], "allowed_token_ids", [END]),
    "stop_on_repetition": (True, "repetition_detection", REPETITION),
    "min_tokens": (3, "min_tokens", 3),
    "bad_words": (["Hello"], "bad_words_token_ids", ["Hello", " Hello"]),
    "allowed_token_ids": ([17, 4], "allowed_token_ids", [17, 4]),
    "prompt_logprobs": (2, "prompt_logprobs", 2),
    "structure": (Structure(choice=["a"]), "structured_outputs", StructuredOutputsParams(choice=["a"])),
}
"""Field of the wire: a value, the attribute of `SamplingParams` that must get it, and what it must hold."""


BEAM_SEARCHS_OWN = {"use_beam_search", "length_penalty"}


@pytest.mark.parametrize("field", [name for name in Sampling.__struct_fields__ if name not in BEAM_SEARCHS_OWN])
def test_a_given_field_reaches_vllm(rules: SamplingRules, tokenizer: Any, field: str) -> None:
    value, attribute, expected = GIVEN[field]
    rules = replace(rules, default_stop_ids=frozenset()) if field == "stop_token_ids" else rules
    if field == "white_list_token":
        expected = tokenizer.convert_tokens_to_ids(expected)
    if field == "bad_words":
        expected = [tokenizer.encode(text, add_special_tokens=False) for text in expected]
    given, left_out = params(rules, **{field: value}), params(rules)
    assert getattr(given, attribute) == expected
    assert getattr(left_out, attribute) != expected, "the value is the default: this test would see nothing"


@pytest.mark.parametrize(
    ("field", "neutral", "models_own", "given"),
    [
        ("temperature", 1.0, 0.6, 0.9),
        ("top_p", 1.0, 0.9, 0.8),
        ("top_k", 0, 20, -1),
        ("min_p", 0.0, 0.1, 0.2),
        ("repetition_penalty", 1.0, 1.1, 1.2),
    ],
)
def test_a_field_left_out_is_the_models_own_default(
    rules: SamplingRules, field: str, neutral: float, models_own: float, given: float
) -> None:
    of_model = replace(rules, defaults={field: models_own})
    assert getattr(params(rules), field) == neutral
    assert getattr(params(of_model), field) == models_own
    wanted: dict[str, Any] = {field: given}
    assert getattr(params(of_model, **wanted), field) == given


def test_a_temperature_of_zero_beats_the_models_default(rules: SamplingRules) -> None:
    assert params(replace(rules, defaults={"temperature": 0.6}), temperature=0.0).temperature == 0.0


# ---- seed -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, -1, -2, 2**63 - 1, -(2**63)])
def test_every_64_bit_seed_is_a_seed_that_differs_by_choice(rules: SamplingRules, seed: int) -> None:
    seeds = [params(rules, seed=seed, choice=choice).seed for choice in range(3)]
    assert all(got is not None and 0 <= got < 2**63 for got in seeds)
    assert len(set(seeds)) == 3
    assert seeds == [params(rules, seed=seed, choice=choice).seed for choice in range(3)]


def test_no_seed_is_no_seed_for_every_choice(rules: SamplingRules) -> None:
    assert [params(rules, choice=choice).seed for choice in range(3)] == [None, None, None]


# ---- how long ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "prompt_tokens", "expected"),
    [(None, 10, 90), (None, 99, 1), (0, 10, 1), (5, 10, 5), (90, 10, 90), (91, 10, 90), (100, 10, 90)],
    ids=["the rest", "one token left", "prompt only", "given", "exactly the rest", "more than it", "whole context"],
)
def test_max_tokens_is_bounded_by_the_rest_of_the_context(
    rules: SamplingRules, given: int | None, prompt_tokens: int, expected: int
) -> None:
    assert params(rules, max_tokens=given, prompt_tokens=prompt_tokens).max_tokens == expected


def test_max_tokens_above_the_whole_context_is_refused(rules: SamplingRules) -> None:
    error = refused(lambda: params(rules, max_tokens=CONTEXT + 1))
    assert (error.status, error.param) == (400, "max_tokens")
    assert f"{CONTEXT + 1}" in error.message and f"{CONTEXT} tokens" in error.message


# ---- what needs log probabilities -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("logprobs", "fields", "expected"),
    [
        (None, {"n": 2}, (None, None)),
        (None, {"n": 2, "best_of": 1}, (None, None)),
        (None, {"n": 2, "best_of": 3}, (0, None)),
        (4, {"n": 2, "best_of": 3}, (4, None)),
        (None, {"echo": True}, (None, None)),
        (0, {"echo": True}, (0, 0)),
        (4, {"echo": True}, (4, 4)),
    ],
    ids=[
        "no contest",
        "best_of below n",
        "contest",
        "contest with logprobs",
        "echo",
        "echo with its own",
        "echo with 4",
    ],
)
def test_log_probabilities_of_answer_and_prompt(
    rules: SamplingRules, logprobs: int | None, fields: dict[str, Any], expected: tuple[int | None, int | None]
) -> None:
    got = rules.params(request(Sampling(logprobs=logprobs), **fields))
    assert (got.logprobs, got.prompt_logprobs) == expected


def test_a_chats_prompt_is_never_scored(rules: SamplingRules) -> None:
    chat = Generate(id=1, name="test", messages=[], echo=True, sampling=Sampling(logprobs=2))
    assert rules.params(chat).prompt_logprobs is None


def beam_rules(rules: SamplingRules, wanted: Generate) -> BeamRules:
    return rules.beam_rules(wanted, rules.for_prompt(rules.params(wanted), wanted.sampling, 10), [3, 1, 3])


# ---- beam search ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "best_of", "width"), [(1, 0, 1), (2, 5, 5), (5, 3, 5)])
def test_a_beam_is_as_wide_as_n_or_best_of(rules: SamplingRules, n: int, best_of: int, width: int) -> None:
    assert beam_rules(rules, request(BEAM, n=n, best_of=best_of)).width == width


def test_beam_search_keeps_to_what_sampling_keeps_to(rules: SamplingRules, tokenizer: Any) -> None:
    wanted = Sampling(
        use_beam_search=True,
        length_penalty=0.5,
        max_tokens=7,
        stop=["x"],
        stop_token_ids=[3],
        logit_bias={"17": 2.0},
        white_list_token_ids=[17, 4],
        repetition_penalty=1.5,
        presence_penalty=0.5,
        frequency_penalty=0.25,
    )
    beam = beam_rules(rules, request(wanted))
    assert (beam.length_penalty, beam.max_tokens, beam.has_stop_strings) == (0.5, 7, True)
    assert (beam.bias, set(beam.allowed)) == ({17: 2.0}, {17, 4})
    assert (beam.repetition_penalty, beam.presence_penalty, beam.frequency_penalty) == (1.5, 0.5, 0.25)
    assert beam.end_ids == {3, tokenizer.eos_token_id, *rules.default_stop_ids}


@pytest.mark.parametrize(
    ("fields", "end_ids"),
    [({"ignore_eos": True}, set()), ({"add_default_stop": False}, {EOT}), ({"stop_token_ids": [10**6]}, {EOT, END})],
    ids=["ignore_eos", "the tokenizer's own", "outside the vocabulary"],
)
def test_end_tokens_of_a_beam(rules: SamplingRules, tokenizer: Any, fields: Any, end_ids: set[str]) -> None:
    beam = beam_rules(rules, request(Sampling(use_beam_search=True, **fields)))
    assert beam.end_ids == set(tokenizer.convert_tokens_to_ids(sorted(end_ids)))


@pytest.mark.parametrize(("n", "best_of", "field"), [(9, 0, "n"), (2, 9, "best_of"), (9, 3, "n"), (9, 9, "n")], ids=str)
def test_a_beam_that_is_too_wide_is_refused_naming_the_larger_field(
    rules: SamplingRules, n: int, best_of: int, field: str
) -> None:
    error = refused(lambda: rules.check_beam_width(request(BEAM, n=n, best_of=best_of)))
    assert (error.status, error.param) == (400, field)
    assert "width 9" in error.message and "limit is 8" in error.message
    rules.check_beam_width(request(BEAM, n=8))
    rules.check_beam_width(request(n=n, best_of=best_of))


@pytest.mark.parametrize(
    "fields",
    [{"logit_bias": {"17": 2.0}}, {"white_list_token_ids": [17, 4]}, {"presence_penalty": -1.0}],
    ids=["bias", "white list", "negative penalty"],
)
def test_a_step_over_the_whole_vocabulary_has_a_limit(rules: SamplingRules, fields: Any) -> None:
    large = replace(rules, vocab_size=128_256, max_beam_width=128)
    wanted = Sampling(use_beam_search=True, **fields)
    assert beam_rules(large, request(wanted, best_of=62)).rows(50) == 128_256
    error = refused(lambda: beam_rules(large, request(wanted, best_of=63)))
    assert (error.status, error.param) == (400, "best_of")
    assert "limit is 62" in error.message and "64 MB" in error.message
    assert beam_rules(large, request(Sampling(use_beam_search=True, presence_penalty=1.0), best_of=128))


# ---- end tokens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "defaults_apply", "named"),
    [
        ({}, True, set()),
        ({"stop_token_ids": [3]}, True, {3}),
        ({"stop_token_ids": [3], "add_default_stop": False}, False, {3}),
        ({"stop_token_ids": [3], "ignore_eos": True}, False, {3}),
        ({"ignore_eos": True, "add_default_stop": True}, False, set()),
    ],
    ids=["default", "and the request's own", "default stops off", "ignore_eos", "ignore_eos wins over default stops"],
)
def test_default_end_tokens(
    rules: SamplingRules, fields: dict[str, Any], defaults_apply: bool, named: set[int]
) -> None:
    expected = named | (rules.default_stop_ids if defaults_apply else set())
    assert set(params(rules, **fields).stop_token_ids) == expected


@pytest.mark.parametrize("add_default_stop", [True, False])
def test_a_stop_id_outside_the_vocabulary_is_left_out(rules: SamplingRules, add_default_stop: bool) -> None:
    outside = [rules.vocab_size, 10**6]
    got = params(rules, stop_token_ids=[*outside, rules.vocab_size - 1], add_default_stop=add_default_stop)
    assert not set(outside) & set(got.stop_token_ids)
    assert rules.vocab_size - 1 in got.stop_token_ids


def test_one_requests_end_tokens_do_not_leak_into_the_next(rules: SamplingRules) -> None:
    wanted = request(Sampling(stop_token_ids=[3]))
    rules.params(wanted).stop_token_ids.append(4)
    assert wanted.sampling.stop_token_ids == [3]
    assert set(params(rules).stop_token_ids) == rules.default_stop_ids


@pytest.mark.parametrize(
    ("configured", "texts", "expected"),
    [
        ({"eos_token_id": [1, 2]}, [], {1, 2}),
        ({"eos_token_id": 0}, [], {0}),
        ({}, [], set()),
        ({}, [END, "no such token of this model"], {END}),
        ({"eos_token_id": [1]}, [EOT], {1, EOT}),
    ],
    ids=["a list of ids", "one id, zero", "none", "texts that are tokens", "both"],
)
def test_which_end_tokens_are_the_default(
    tokenizer: Any, configured: dict[str, Any], texts: list[str], expected: set[int | str]
) -> None:
    ids = {tokenizer.convert_tokens_to_ids(item) if isinstance(item, str) else item for item in expected}
    assert find_default_stop_ids(tokenizer, configured, texts) == ids


def refused(work: Callable[[], Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        work()
    return caught.value
