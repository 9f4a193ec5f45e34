"""The deltas of a choice: what is put around its text, and which candidates win."""

from engine_proc.adapter.outputs import Output
from engine_proc.answering.choices import Choice, Contest
from engine_proc.answering.live import LiveRequest

REQUEST = LiveRequest(b"web", 1, "name", "user", 1)


def output(text: str, token_ids: list[int], finish: str | None = None, score: float | None = None) -> Output:
    return Output(None, text, token_ids, finish, None, cumulative_logprob=score)


def test_the_echo_comes_once_and_first_and_the_suffix_once_and_last() -> None:
    choice = Choice(REQUEST, 0, opening="Once ", ending=" The end.")
    outputs = [output("upon ", [1]), output("a ", [2]), output("time.", [3], "stop")]
    assert [choice.delta(each).text for each in outputs] == ["Once upon ", "a ", "time. The end."]


def test_candidates_are_compared_by_the_mean_of_their_log_probabilities() -> None:
    contest = Contest([Choice(REQUEST, 0)], 3, with_logprobs=False)
    short, long, last = (
        output("short", [1], "stop", -1.0),
        output("long", [1, 2, 3, 4], "stop", -2.0),
        output("last", [1, 2], "stop", -3.0),
    )
    assert contest.receive(short) == contest.receive(long) == []
    (delta,) = contest.receive(last)
    assert delta.text == "long", "-0.5 a token, though its sum is less than the short one's"
    assert delta.discarded_tokens == 3


def test_a_candidate_without_a_token_loses_to_none_but_the_certain() -> None:
    contest = Contest([Choice(REQUEST, 0), Choice(REQUEST, 1)], 2, with_logprobs=False)
    contest.receive(output("", [], "stop", 0.0))
    assert [delta.text for delta in contest.receive(output("a", [1], "stop", -1.0))] == ["", "a"]
