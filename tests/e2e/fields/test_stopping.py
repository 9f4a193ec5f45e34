"""What ends a choice, and what of the end is shown."""

from typing import Any, ClassVar

import pytest

from tests.e2e.fields.asking import END_OF_TEXT, END_OF_TURN, ENDPOINTS, TOKENIZER, ask, ids_of
from tests.harness import Hearth

both = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=["chat", "completions"])


@pytest.mark.field("max_tokens")
@both
class TestMaxTokens:
    def test_max_tokens(self, hearth: Hearth, endpoint: str) -> None:
        answer = ask(hearth, endpoint, max_tokens=5, ignore_eos=True)
        assert answer.completion_tokens == 5
        assert answer.finish_reasons == ["length"]

    def test_left_out(self, hearth: Hearth, endpoint: str) -> None:
        answer = ask(hearth, endpoint, max_tokens=None, ignore_eos=True)
        rest_of_context = hearth.welcome().max_model_len - answer.prompt_tokens
        assert answer.completion_tokens == (rest_of_context if endpoint == ENDPOINTS[0] else 16)


@pytest.mark.field("max_completion_tokens")
def test_max_completion_tokens_is_stronger_than_max_tokens(hearth: Hearth) -> None:
    answer = ask(hearth, ENDPOINTS[0], max_tokens=9, max_completion_tokens=3, ignore_eos=True)
    assert answer.completion_tokens == 3


@both
class TestStop:
    def stop_at(self, hearth: Hearth, endpoint: str) -> tuple[str, str]:
        """A greedy answer, and some characters from inside of it that span tokens."""
        full = ask(hearth, endpoint).text
        middle = full[len(full) // 3 : len(full) // 3 + 7]
        assert len(ids_of(middle)) > 1
        return full, middle

    @pytest.mark.field("stop")
    def test_stop(self, hearth: Hearth, endpoint: str) -> None:
        full, stop = self.stop_at(hearth, endpoint)
        for value in (stop, [stop], ["never there", stop]):
            answer = ask(hearth, endpoint, stop=value)
            assert answer.text == full[: full.index(stop)]
            assert answer.finish_reasons == ["stop"]
            assert answer.stop_reasons == [stop]

    @pytest.mark.field("include_stop_str_in_output")
    def test_include_stop_str_in_output(self, hearth: Hearth, endpoint: str) -> None:
        full, stop = self.stop_at(hearth, endpoint)
        answer = ask(hearth, endpoint, stop=stop, include_stop_str_in_output=True)
        assert answer.text == full[: full.index(stop) + len(stop)]

    @pytest.mark.field("stop")
    def test_64_stops_are_taken(self, hearth: Hearth, endpoint: str) -> None:
        full, stop = self.stop_at(hearth, endpoint)
        answer = ask(hearth, endpoint, stop=[*(f"never {number}" for number in range(63)), stop])
        assert answer.text == full[: full.index(stop)]

    @pytest.mark.field("stop_token_ids")
    def test_stop_token_ids(self, hearth: Hearth, endpoint: str) -> None:
        (stop,) = ids_of(" but")
        biased = {"logit_bias": {str(stop): 100}}
        answer = ask(hearth, endpoint, stop_token_ids=[50256, stop], **biased)
        assert answer.text == ""
        assert answer.finish_reasons == ["stop"]
        assert answer.stop_reasons == [stop]
        shown = ask(hearth, endpoint, stop_token_ids=[stop], include_stop_str_in_output=True, **biased)
        assert shown.text == " but"

    @pytest.mark.field("stop_token_ids")
    def test_stop_token_ids_outside_the_vocabulary_never_match(self, hearth: Hearth, endpoint: str) -> None:
        assert ask(hearth, endpoint, stop_token_ids=[50256, 50257]).text == ask(hearth, endpoint).text


@both
class TestEndTokens:
    @pytest.mark.field("ignore_eos")
    def test_ignore_eos(self, hearth: Hearth, endpoint: str) -> None:
        ended = ask(hearth, endpoint, white_list_token_ids=[END_OF_TURN])
        assert ended.completion_tokens == 1
        assert ended.finish_reasons == ["stop"]
        going_on = ask(hearth, endpoint, white_list_token_ids=[END_OF_TURN], ignore_eos=True)
        assert going_on.completion_tokens == 24
        assert going_on.finish_reasons == ["length"]

    @pytest.mark.field("add_default_stop")
    def test_add_default_stop(self, hearth: Hearth, endpoint: str) -> None:
        # The tokenizer's own end is <|eot_id|>; the model's generation config knows <|end_of_text|> too.
        ended = ask(hearth, endpoint, white_list_token_ids=[END_OF_TEXT])
        assert ended.completion_tokens == 1
        assert ended.stop_reasons == [None], "an end token is no news"
        going_on = ask(hearth, endpoint, white_list_token_ids=[END_OF_TEXT], add_default_stop=False)
        assert going_on.completion_tokens == 24
        own_end = ask(hearth, endpoint, white_list_token_ids=[END_OF_TURN], add_default_stop=False)
        assert own_end.completion_tokens == 1


@pytest.mark.field("enable_repeat_stopper")
@both
def test_enable_repeat_stopper(hearth: Hearth, endpoint: str) -> None:
    loop = {"white_list_token": [" and"], "max_tokens": 300}
    off = ask(hearth, endpoint, **loop)
    assert off.completion_tokens == 300
    on = ask(hearth, endpoint, enable_repeat_stopper=True, **loop)
    assert on.completion_tokens < 60
    assert on.finish_reasons == ["stop"]
    assert on.stop_reasons == ["repetition"]


@pytest.mark.field("enable_repeat_stopper")
@both
def test_enable_repeat_stopper_ends_beams_too(hearth: Hearth, endpoint: str) -> None:
    loop = {"white_list_token_ids": ids_of(" and"), "max_tokens": 60, "use_beam_search": True}
    assert ask(hearth, endpoint, **loop).finish_reasons == ["length"]
    on = ask(hearth, endpoint, enable_repeat_stopper=True, **loop)
    assert len(ids_of(on.text)) < 60
    assert on.stop_reasons == ["repetition"]


@both
class TestSpecialTokens:
    """Two kinds of special token, and nothing to end on."""

    fields: ClassVar[dict[str, Any]] = {
        "white_list_token_ids": [TOKENIZER.token_to_id("<|start_header_id|>"), TOKENIZER.token_to_id("<|eom_id|>")],
        "ignore_eos": True,
        "max_tokens": 3,
    }

    @pytest.mark.field("skip_special_tokens")
    def test_skip_special_tokens(self, hearth: Hearth, endpoint: str) -> None:
        assert ask(hearth, endpoint, **self.fields).text == ""
        shown = ask(hearth, endpoint, skip_special_tokens=False, **self.fields).text
        assert shown.count("<|") == 3

    @pytest.mark.field("spaces_between_special_tokens")
    def test_spaces_between_special_tokens(self, hearth: Hearth, endpoint: str) -> None:
        fields = {**self.fields, "skip_special_tokens": False}
        apart = ask(hearth, endpoint, spaces_between_special_tokens=True, **fields).text
        together = ask(hearth, endpoint, spaces_between_special_tokens=False, **fields).text
        assert "|> <|" in apart
        assert together == apart.replace(" ", "")
