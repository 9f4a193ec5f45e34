"""Log probabilities in both of OpenAI's shapes: the same whole and in chunks."""

import json
from typing import Any

import pytest

from schemas.replies.chat import ChatShape
from schemas.replies.completion import CompletionShape
from schemas.replies.shape import Shape
from schemas.wire import Delta, TokenLogprob

FIRE = TokenLogprob("火", 5, -0.25, (("火", 5, -0.25), (" fire", 6, -1.5)))
CHOSEN_OUTSIDE_THE_TOP = TokenLogprob(" on", 7, -3.0, ((" off", 8, -0.125),))
ALONE = TokenLogprob("!", 9, -0.5)

DELTAS = [
    Delta(1, 0, "火", [5], logprobs=[FIRE]),
    Delta(1, 0, " on!", [7, 9], "stop", logprobs=[CHOSEN_OUTSIDE_THE_TOP, ALONE]),
]


def streamed(kind: type[Shape], deltas: list[Delta], choices: int = 1) -> list[Any]:
    """The `logprobs` of every chunk that has text."""
    shape = kind("fake", choices, with_logprobs=True, include_usage=False)
    events = b"".join(shape.chunk(delta) for delta in deltas)
    parsed = [json.loads(event.removeprefix(b"data: ")) for event in events.split(b"\n\n")[:-1]]
    return [body["choices"][0]["logprobs"] for body in parsed if body["choices"][0]["finish_reason"] is None]


def whole(kind: type[Shape], deltas: list[Delta]) -> Any:
    shape = kind("fake", 1, with_logprobs=True, include_usage=False)
    for delta in deltas:
        shape.choices[delta.index].add(delta)
    return json.loads(shape.whole())["choices"][0]["logprobs"]


def test_chat_tells_every_token_with_its_bytes_and_alternatives() -> None:
    first, second, third = whole(ChatShape, DELTAS)["content"]
    fire = {"token": "火", "logprob": -0.25, "bytes": [231, 129, 171]}

    assert first == {
        **fire,
        "top_logprobs": [fire, {"token": " fire", "logprob": -1.5, "bytes": [32, 102, 105, 114, 101]}],
    }
    assert (second["token"], [top["token"] for top in second["top_logprobs"]]) == (" on", [" off"])
    assert (third["token"], third["top_logprobs"]) == ("!", [])


def test_chat_tells_the_same_in_chunks() -> None:
    chunks = streamed(ChatShape, DELTAS)

    assert [token for chunk in chunks for token in chunk["content"]] == whole(ChatShape, DELTAS)["content"]


def test_completions_tell_four_lists() -> None:
    assert whole(CompletionShape, DELTAS) == {
        "tokens": ["火", " on", "!"],
        "token_logprobs": [-0.25, -3.0, -0.5],
        "top_logprobs": [{"火": -0.25, " fire": -1.5}, {" off": -0.125, " on": -3.0}, {"!": -0.5}],
        "text_offset": [0, 1, 4],
    }


def test_completions_tell_the_same_lists_in_chunks() -> None:
    chunks = streamed(CompletionShape, DELTAS)

    joined = {name: [item for chunk in chunks for item in chunk[name]] for name in chunks[0]}
    assert joined == whole(CompletionShape, DELTAS)
    assert [chunk["text_offset"] for chunk in chunks] == [[0], [1, 4]]


def test_each_choice_has_offsets_of_its_own() -> None:
    deltas = [
        Delta(1, 0, "火", [5], logprobs=[FIRE]),
        Delta(1, 1, " on", [7], logprobs=[CHOSEN_OUTSIDE_THE_TOP]),
        Delta(1, 0, "!", [9], logprobs=[ALONE]),
        Delta(1, 1, "!", [9], logprobs=[ALONE]),
        Delta(1, 1, "火", [5], logprobs=[FIRE]),
    ]

    assert [chunk["text_offset"] for chunk in streamed(CompletionShape, deltas, 2)] == [[0], [0], [1], [3], [4]]


def test_a_token_that_the_text_leaves_out_takes_no_room_in_it() -> None:
    silent = TokenLogprob("<|eot_id|>", 2, -0.5, silent=True)
    deltas = [Delta(1, 0, "火", [5], logprobs=[FIRE, silent]), Delta(1, 0, "!", [9], logprobs=[ALONE])]

    assert whole(CompletionShape, deltas)["text_offset"] == [0, 1, 1]
    assert [chunk["text_offset"] for chunk in streamed(CompletionShape, deltas)] == [[0, 1], [1]]


def test_the_first_token_of_an_echoed_prompt_has_no_logprob() -> None:
    deltas = [Delta(1, 0, "火!", [9], logprobs=[TokenLogprob("火", 5, None), ALONE])]
    logprobs = whole(CompletionShape, deltas)

    assert logprobs["token_logprobs"] == [None, -0.5]
    assert logprobs["top_logprobs"] == [None, {"!": -0.5}]


@pytest.mark.parametrize("kind", [ChatShape, CompletionShape])
def test_tokens_without_text_still_send_their_logprobs(kind: type[Shape]) -> None:
    empty = TokenLogprob("", 3, -0.5)
    (chunk,) = streamed(kind, [Delta(1, 0, "", [3], logprobs=[empty])])

    assert len(chunk["content" if kind is ChatShape else "tokens"]) == 1


@pytest.mark.parametrize("kind", [ChatShape, CompletionShape])
def test_text_without_tokens_sends_empty_lists(kind: type[Shape]) -> None:
    (chunk,) = streamed(kind, [Delta(1, 0, "held back", [])])

    assert chunk and not any(chunk.values())


PART = TokenLogprob(
    "",
    7,
    -1.0,
    (("", 7, -1.0), ("\ufffd", 8, -2.0), ("\ufffd", 9, -2.5), ("a", 1, -3.0), ("a", 2, -4.0), ("", 3, -5.0)),
    own_bytes=(b"\xf0\x9f", b"\xf0\x9f", b"\xe7", b"\xe8\x80", b"", b"", b""),
)
"""A token that is a part of a character, and alternatives that are, or have the same text."""


def test_no_alternative_of_completions_takes_the_place_of_another() -> None:
    (top,) = whole(CompletionShape, [Delta(1, 0, "", [7], "stop", None, [PART])])["top_logprobs"]

    assert top == {
        "": -1.0,
        "bytes:\\xe7": -2.0,
        "bytes:\\xe8\\x80": -2.5,
        "a": -3.0,
        "token_id:2": -4.0,
        "token_id:3": -5.0,
    }


def test_a_part_of_a_character_has_its_own_bytes_in_chat() -> None:
    (token,) = whole(ChatShape, [Delta(1, 0, "", [7], "stop", None, [PART])])["content"]

    assert token["bytes"] == [0xF0, 0x9F]
    assert [top["bytes"] for top in token["top_logprobs"]] == [[0xF0, 0x9F], [0xE7], [0xE8, 0x80], [97], [97], []]


def test_the_chosen_token_has_its_text_whatever_is_likelier() -> None:
    entry = TokenLogprob("b", 2, -3.0, (("b", 7, -1.0), ("a", 1, -1.5)))
    (top,) = whole(CompletionShape, [Delta(1, 0, "b", [2], "stop", None, [entry])])["top_logprobs"]

    assert top == {"token_id:7": -1.0, "a": -1.5, "b": -3.0}
