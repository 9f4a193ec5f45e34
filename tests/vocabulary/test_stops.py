"""Stop strings in text of many scripts: within a token, over several, and over the pieces of a stream."""

from typing import Any

import pytest

from tests.e2e.fields.asking import ENDPOINTS, ask
from tests.harness import Hearth
from tests.vocabulary.streaming import streamed

both = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=["chat", "completions"])
PROMPT = "Tell me"
LENGTHS = [1, 2, 5, 17]


@both
@pytest.mark.parametrize("length", LENGTHS)
def test_a_stop_string_ends_the_text_before_it(llama: Hearth, endpoint: str, length: int) -> None:
    whole = ask(llama, endpoint, PROMPT, max_tokens=60).text
    for begin in range(20, 20 + 8):
        stop = whole[begin : begin + length]
        expected = whole[: whole.index(stop)]
        assert ask(llama, endpoint, PROMPT, max_tokens=60, stop=stop).text == expected
        shown = ask(llama, endpoint, PROMPT, max_tokens=60, stop=[stop], include_stop_str_in_output=True)
        assert shown.text == expected + stop
        assert (shown.finish_reasons, shown.stop_reasons) == (["stop"], [stop])


@both
def test_no_piece_of_a_stream_has_a_part_of_the_stop_string(llama: Hearth, endpoint: str) -> None:
    pieces = [piece for piece in streamed(llama, endpoint, PROMPT) if piece]
    assert len(pieces) > 20, "the text comes in many pieces"
    stop = pieces[9][-1:] + pieces[10] + pieces[11][:1]  # over three of them
    whole = "".join(pieces)
    assert "".join(streamed(llama, endpoint, PROMPT, stop=stop)) == whole[: whole.index(stop)]


@both
@pytest.mark.parametrize("stop", ["世界", "🔥", "👩‍👩‍👧‍👦", "extraordinarily-long"])
def test_a_stop_string_of_several_tokens(llama: Hearth, endpoint: str, stop: str) -> None:
    said: dict[str, Any] = {"structured_outputs": {"choice": [f"你好 and {stop} 后来"]}, "max_tokens": 60}
    assert ask(llama, endpoint, PROMPT, **said).text == f"你好 and {stop} 后来"
    assert ask(llama, endpoint, PROMPT, stop=stop, **said).text == "你好 and "
    assert "".join(streamed(llama, endpoint, PROMPT, stop=stop, **said)) == "你好 and "
