"""The wire's `Sampling` to vLLM's `SamplingParams`: defaults, end tokens, and the rules of a beam search."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from vllm.sampling_params import RepetitionDetectionParams, RequestOutputKind, SamplingParams

from engine_proc.adapter.beam_rules import MAX_STEP_BYTES, BeamRules
from engine_proc.adapter.calls.parsing import Reading
from engine_proc.adapter.grammars.structured import structured_outputs
from engine_proc.adapter.named_tokens import NamedTokens
from engine_proc.adapter.resuming import HIGHEST_SEED
from engine_proc.adapter.sequences import SPACED, has_looped
from schemas.errors import ApiError, invalid, quoted
from schemas.wire import Generate, Sampling

MAX_NAMED = 5
"""Texts that one warning names."""


@dataclass(slots=True)
class SamplingRules:
    """Sampling as the loaded model and the engine's settings define it."""

    tokenizer: Any
    vocab_size: int
    max_model_len: int
    defaults: dict[str, Any]
    """The generation config's sampling values, by name."""
    default_stop_ids: frozenset[int]
    """Ids of the end tokens that stop an answer by default (`add_default_stop`)."""
    repetition: RepetitionDetectionParams
    max_beam_width: int

    def params(self, request: Generate, reading: Reading | None = None) -> SamplingParams:
        """Return the parameters of a request, before its prompts are known: see `for_prompt`.

        Raises `ApiError` (400) that names the field.
        """
        wanted = request.sampling
        named = NamedTokens(self.tokenizer, self.vocab_size)
        bias, allowed, stop_ids = named.biases(wanted.logit_bias), named.white_list(wanted), self._stop_ids(wanted)
        _refuse_emptied_white_list(allowed, bias)
        named.check_stop_ids(stop_ids, wanted.min_tokens)
        # A contest among candidates is decided by their log probabilities.
        scored = 0 if request.candidates > request.n and not wanted.use_beam_search else None
        prompt_logprobs = wanted.logprobs if request.echo and request.prompts is not None else None
        params = SamplingParams(
            max_tokens=None,
            min_tokens=wanted.min_tokens,
            structured_outputs=structured_outputs(wanted.structure) if reading is None else reading.structure,
            temperature=self._or_default(wanted.temperature, "temperature", 1.0),
            top_p=self._or_default(wanted.top_p, "top_p", 1.0),
            top_k=self._or_default(wanted.top_k, "top_k", 0),
            min_p=self._or_default(wanted.min_p, "min_p", 0.0),
            repetition_penalty=self._or_default(wanted.repetition_penalty, "repetition_penalty", 1.0),
            presence_penalty=wanted.presence_penalty,
            frequency_penalty=wanted.frequency_penalty,
            seed=None if wanted.seed is None else wanted.seed % HIGHEST_SEED,  # vLLM takes -1 for "no seed"
            stop=wanted.stop,
            stop_token_ids=stop_ids,
            include_stop_str_in_output=wanted.include_stop_str_in_output,
            ignore_eos=wanted.ignore_eos,
            skip_special_tokens=wanted.skip_special_tokens if reading is None else reading.skip_special_tokens,
            spaces_between_special_tokens=wanted.spaces_between_special_tokens is not False,
            extra_args={SPACED: True} if wanted.spaces_between_special_tokens else None,
            logprobs=scored if wanted.logprobs is None else wanted.logprobs,
            prompt_logprobs=prompt_logprobs if wanted.prompt_logprobs is None else wanted.prompt_logprobs,
            logit_bias=bias or None,
            allowed_token_ids=allowed or None,
            repetition_detection=self.repetition if wanted.stop_on_repetition else None,
            output_kind=RequestOutputKind.DELTA,
            skip_clone=True,
        )
        if wanted.bad_words:
            # Of `bad_words` itself vLLM makes these, but leaves a word after a space out where it has fewer tokens.
            params._bad_words_token_ids = named.bad_words(wanted.bad_words)
        return params

    def warnings(self, wanted: Sampling) -> list[str]:
        """Return what of a valid request works otherwise than its client may think."""
        found = NamedTokens(self.tokenizer, self.vocab_size).parts_of_characters(wanted.logit_bias)
        if not found:
            return []
        texts = ", ".join(map(quoted, found[:MAX_NAMED]))
        return [
            f"`logit_bias`: this model has no single token for {texts}. The bias applies to the first token, which is "
            "a part of a character, and other characters begin with it too."
        ]

    def for_prompt(self, params: SamplingParams, wanted: Sampling, prompt_tokens: int) -> SamplingParams:
        """Return a copy of `params` for a prompt of `prompt_tokens`.

        Raises `ApiError` (400): the context has no room for `max_tokens` or `min_tokens`.
        """
        params = copy.copy(params)
        params.max_tokens = self._max_tokens(wanted.max_tokens, prompt_tokens)
        if wanted.min_tokens > params.max_tokens:
            raise invalid(f"There is room for {params.max_tokens} tokens only.", "min_tokens")
        return params

    def check_beam_width(self, request: Generate) -> None:
        """Raise `ApiError` (400) if the request's beam search is wider than the operator allows."""
        if request.sampling.use_beam_search and request.candidates > self.max_beam_width:
            raise _too_wide(request, self.max_beam_width, "here (`HEARTH_MAX_BEAM_WIDTH`)")

    def beam_rules(self, request: Generate, whole: SamplingParams, prompt_token_ids: list[int]) -> BeamRules:
        """Return the rules of a beam search. `whole` are the parameters that sampling would have for the prompt.

        Raises `ApiError` (400) if a step of it would need too many log probabilities.
        """
        wanted = request.sampling
        end_ids = set(self._stop_ids(wanted))
        if not wanted.ignore_eos and self.tokenizer.eos_token_id is not None:
            end_ids.add(self.tokenizer.eos_token_id)
        rules = BeamRules(
            width=request.candidates,
            max_tokens=whole.max_tokens or 1,
            length_penalty=wanted.length_penalty,
            end_ids=frozenset(end_ids),
            has_stop_strings=bool(wanted.stop),
            vocab_size=self.vocab_size,
            alternatives=wanted.logprobs,
            prompt_logprobs=whole.prompt_logprobs,
            prompt_tokens=len(set(prompt_token_ids)),
            bias=whole.logit_bias or {},
            allowed=whole.allowed_token_ids or [],
            repetition_penalty=whole.repetition_penalty,
            presence_penalty=whole.presence_penalty,
            frequency_penalty=whole.frequency_penalty,
            has_looped=partial(has_looped, detection=self.repetition) if wanted.stop_on_repetition else None,
        )
        most = rules.bytes(rules.rows(rules.max_tokens))
        if most > MAX_STEP_BYTES:
            raise _too_wide(
                request,
                rules.width * MAX_STEP_BYTES // most,
                f"with these penalties, biases or white lists: a step of this one needs {most / 1e6:.0f} MB of log "
                f"probabilities, and {MAX_STEP_BYTES / 1e6:.0f} MB are possible",
            )
        return rules

    def _or_default(self, value: Any, name: str, fallback: Any) -> Any:
        """Return `value`; if it is None, the generation config's value, else `fallback`."""
        return self.defaults.get(name, fallback) if value is None else value

    def _max_tokens(self, requested: int | None, prompt_tokens: int) -> int:
        """Return how many tokens may be generated. None requests all that the context has room for."""
        room = self.max_model_len - prompt_tokens
        if requested is None:
            return room
        requested = max(1, requested)  # vLLM generates a token even to score a prompt
        if requested > self.max_model_len:
            raise invalid(
                f"{requested} is more than this model's whole context of {self.max_model_len} tokens.", "max_tokens"
            )
        return min(requested, room)

    def _stop_ids(self, wanted: Sampling) -> list[int]:
        # An id outside the vocabulary never matches, but vLLM refuses it.
        ids = [token_id for token_id in wanted.stop_token_ids if token_id < self.vocab_size]
        if wanted.ignore_eos or not wanted.add_default_stop:
            return ids
        return [*ids, *self.default_stop_ids]


def find_default_stop_ids(tokenizer: Any, generation_config: dict[str, Any], texts: Iterable[str]) -> frozenset[int]:
    """Return the ids of the generation config's end tokens, and of the `texts` that are one token of this model."""
    configured = generation_config.get("eos_token_id")
    ids = {configured} if isinstance(configured, int) else set(configured or ())
    vocabulary = tokenizer.get_vocab()
    return frozenset(ids | {vocabulary[text] for text in texts if text in vocabulary})


def of_candidate(params: SamplingParams, number: int) -> SamplingParams:
    """Return the parameters of candidate `number` of a prompt. If there is a seed, each candidate gets its own."""
    if number == 0 or params.seed is None:
        return params
    params = copy.copy(params)
    params.seed = (params.seed + number) % HIGHEST_SEED
    return params


def repetition_detection(max_pattern: int, min_count: int) -> RepetitionDetectionParams:
    """Return vLLM's test for repetition: a pattern of at most `max_pattern` tokens, `min_count` times in a row."""
    return RepetitionDetectionParams(max_pattern_size=max_pattern, min_count=min_count)


def _too_wide(request: Generate, limit: int, circumstances: str) -> ApiError:
    """Return the error of a beam search that is wider than `limit`."""
    field = "best_of" if request.best_of > request.n else "n"
    message = f"A beam search of width {request.candidates} is too wide: the limit is {limit} {circumstances}."
    return invalid(message, field)


def _refuse_emptied_white_list(allowed: list[int], bias: dict[int, float]) -> None:
    if allowed and all(bias.get(token_id, 0) <= -100 for token_id in allowed):
        raise invalid(
            "`logit_bias` bans every token that `white_list_token_ids` and `white_list_token` allow.", "logit_bias"
        )
