"""Deltas that leave together: joined where they are text, in the order of each choice."""

from schemas.replies.merging import merged
from schemas.wire import Delta, TokenLogprob, ToolCall


def test_the_text_of_a_choice_becomes_one_delta() -> None:
    deltas = [
        Delta(1, 0, "a", [1], cached_tokens=3),
        Delta(1, 1, "x", [7]),
        Delta(1, 0, "b", [2]),
        Delta(1, 0, "c", [3], "stop", "c", discarded_tokens=2, reasoning_tokens=1),
    ]
    assert merged(deltas) == [
        Delta(1, 0, "abc", [1, 2, 3], "stop", "c", discarded_tokens=2, cached_tokens=3, reasoning_tokens=1),
        Delta(1, 1, "x", [7]),
    ]


def test_log_probabilities_stay_in_order() -> None:
    first, second = TokenLogprob("a", 1, -0.5), TokenLogprob("b", 2, -0.25)
    (joined,) = merged([Delta(1, 0, "a", [1], logprobs=[first]), Delta(1, 0, "b", [2], logprobs=[second])])
    assert joined.logprobs == [first, second]


def test_what_a_parser_has_made_keeps_its_place() -> None:
    deltas = [
        Delta(1, 0, "a", [1]),
        Delta(1, 0, "", [2], tool_calls=[ToolCall(0, "id", "f", "{")]),
        Delta(1, 0, "", [3], tool_calls=[ToolCall(0, arguments="}")]),
        Delta(1, 0, "b", [4], reasoning="hm"),
        Delta(1, 0, "c", [5]),
        Delta(1, 0, "d", [6]),
    ]
    assert merged(deltas) == [*deltas[:4], Delta(1, 0, "cd", [5, 6])]


def test_one_delta_is_left_alone() -> None:
    deltas = [Delta(1, 0, "a", [1])]
    assert merged(deltas) is deltas
