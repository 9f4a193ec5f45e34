"""One live request: what comes in, in which order it goes out, and how it ends."""

import gevent
import pytest

from schemas import wire
from schemas.errors import ApiError, unavailable
from webapp.engine import reply as reply_module
from webapp.engine import shares
from webapp.engine.reply import HungUp, Reply


def delta(text: str, finish: str | None = None, index: int = 0) -> wire.Delta:
    return wire.Delta(1, index, text, [1], finish)


@pytest.fixture
def released() -> list[Reply]:
    """Every call of a reply's `release`."""
    return []


@pytest.fixture
def reply(released: list[Reply]) -> Reply:
    return Reply(wire.Generate(id=1, name="", messages=[]), released.append)


def test_the_first_delta_ends_the_wait_and_is_still_there(reply: Reply) -> None:
    waiting = gevent.spawn(reply.wait, 60)
    gevent.sleep(0)
    reply.accept(wire.Accepted(id=1, prompt_tokens=7))
    gevent.sleep(0)
    assert not waiting.ready(), "nobody is woken for an acceptance"

    reply.put(delta("a"))
    reply.deliver()
    waiting.get(timeout=5)
    assert reply.accepted == wire.Accepted(id=1, prompt_tokens=7)
    assert [item.text for item in reply.deltas()] == ["a"]


def test_the_wait_ends_after_its_time_whether_or_not_the_request_is_accepted(reply: Reply) -> None:
    reply.wait(0.01)
    reply.accept(wire.Accepted(id=1, prompt_tokens=7))
    reply.wait(0.01)
    assert reply.deltas(timeout=0) == []


def test_a_ping_that_is_asked_for_ends_a_wait_for_deltas(reply: Reply) -> None:
    waiting = gevent.spawn(reply.deltas, 10)
    gevent.sleep(0.01)
    reply.ask_for_ping()
    assert waiting.get(timeout=5) == []
    assert reply.ping_due


def test_a_refusal_is_raised_by_the_wait(reply: Reply) -> None:
    reply.fail(ApiError(400, "Too long."))

    with pytest.raises(ApiError, match="Too long"):
        reply.wait(5)


def test_of_two_acceptances_the_first_counts(reply: Reply) -> None:
    reply.accept(wire.Accepted(id=1, prompt_tokens=7))
    reply.accept(wire.Accepted(id=1, prompt_tokens=9))

    assert reply.accepted == wire.Accepted(id=1, prompt_tokens=7)


def test_all_waiting_deltas_come_at_once_and_in_order(reply: Reply) -> None:
    reply.put(delta("a"))
    reply.put(delta("b"))

    assert [item.text for item in reply.deltas()] == ["a", "b"]


def test_the_first_delta_is_waited_for(reply: Reply) -> None:
    waiting = gevent.spawn(reply.deltas)
    gevent.sleep(0)
    assert not waiting.ready()

    reply.put(delta("a"))
    reply.deliver()
    assert [item.text for item in waiting.get(timeout=5)] == ["a"]


def test_silence_gives_an_empty_list(reply: Reply) -> None:
    assert reply.deltas(timeout=0.01) == []


def test_what_was_taken_without_waiting_is_no_news_the_next_time(reply: Reply) -> None:
    reply.put(delta("a"))
    reply.deliver()
    assert [item.text for item in reply.deltas()] == ["a"]

    waiting = gevent.spawn(reply.deltas, 5)
    gevent.sleep(0.01)
    assert not waiting.ready(), "the wait ended though nothing had come"
    reply.put(delta("b"))
    reply.deliver()
    assert [item.text for item in waiting.get(timeout=5)] == ["b"]


def test_an_error_comes_after_the_deltas_before_it(reply: Reply) -> None:
    reply.put(delta("a"))
    reply.fail(ApiError(500, "Broken."))

    assert [item.text for item in reply.deltas()] == ["a"]
    with pytest.raises(ApiError, match="Broken"):
        reply.deltas()


def test_it_is_finished_when_every_choice_has_ended(released: list[Reply]) -> None:
    reply = Reply(wire.Generate(id=1, name="", prompts=["a", "b"], n=1), released.append)
    reply.put(delta("a", "stop", index=1))
    reply.deltas()
    assert not reply.consumed

    reply.put(delta("b", "length", index=0))
    reply.deltas()
    assert reply.consumed


def test_an_end_that_nobody_has_taken_is_no_end(reply: Reply) -> None:
    reply.put(delta("a", "stop"))
    assert not reply.consumed


def test_a_hang_up_wakes_and_releases(reply: Reply, released: list[Reply]) -> None:
    for wait in (reply.wait, reply.deltas):
        waiting = gevent.spawn(wait, 60)
        gevent.sleep(0)
        reply.hang_up()

        with pytest.raises(HungUp):
            waiting.get(timeout=5)
    assert released[0] is reply


def test_after_a_hang_up_no_wait_begins(reply: Reply) -> None:
    reply.hang_up()

    with pytest.raises(HungUp):
        reply.deltas()


def test_a_slow_reader_loses_the_request_and_not_the_memory(
    reply: Reply, released: list[Reply], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_module, "MAX_QUEUED", 3)
    for text in "abc":
        reply.put(delta(text))
    assert released == []

    reply.put(delta("d"))
    assert released == [reply]
    assert [item.text for item in reply.deltas()] == ["a", "b", "c"]
    with pytest.raises(ApiError) as caught:
        reply.deltas()
    assert (caught.value.status, caught.value.code) == (503, "slow_reader")


def test_a_full_queue_still_takes_an_error(
    reply: Reply, released: list[Reply], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_module, "MAX_QUEUED", 1)
    reply.put(delta("a"))
    reply.fail(unavailable("Gone.", "engine_gone"))

    assert [item.text for item in reply.deltas()] == ["a"]
    with pytest.raises(ApiError, match="Gone"):
        reply.deltas()
    assert released == []


def test_what_is_held_back_is_sent_with_the_end_or_with_an_error(released: list[Reply]) -> None:
    generate = wire.Generate(id=1, name="", messages=[], stream=True)
    ending, failing = (Reply(generate, released.append, 100) for _ in range(2))
    for reply in (ending, failing):
        reply.put(delta("a"))
        assert reply.deltas(0) == [delta("a")], "the first token waits for nothing"
        reply.put(delta("b"))
    waiting = [gevent.spawn(reply.deltas, 60) for reply in (ending, failing)]
    gevent.sleep(0)
    for reply in (ending, failing):
        reply.deliver()
    gevent.sleep(0)
    assert not any(greenlet.ready() for greenlet in waiting)

    ending.put(delta("c", "stop"))
    ending.deliver()
    assert waiting[0].get(timeout=5) == [delta("b"), delta("c", "stop")]
    failing.fail(ApiError(500, "Broken."))
    assert waiting[1].get(timeout=5) == [delta("b")]
    with gevent.Timeout(5), pytest.raises(ApiError, match="Broken"):
        failing.deltas(60)


def test_a_stream_resumes_after_what_it_holds_back(released: list[Reply]) -> None:
    reply = Reply(wire.Generate(id=1, name="", messages=[], stream=True), released.append, 100)
    for text in "ab":
        reply.put(delta(text))
    assert reply.resumption(2).sent == {0: [1, 1]}


def test_what_has_ended_is_not_sent_again() -> None:
    reply = Reply(wire.Generate(id=1, name="", messages=[], n=2, stream=True), lambda _: None)
    for item in (delta("a"), delta("b", index=1), delta("c", "stop")):
        reply.put(item)
    resumed = reply.resumption(2)
    assert (resumed.sent, resumed.ended) == ({1: [1]}, [0])


def scored(count: int, finish: str | None = None, *, more: bool = False) -> wire.Delta:
    entries = [wire.TokenLogprob("a", 1, -0.5, (("a", 1, -0.5),) * 4) for _ in range(count)]
    return wire.Delta(1, 0, "a" * count, [1] * count, finish, logprobs=entries, more=more)


def test_parts_are_queued_with_the_last_of_them(reply: Reply) -> None:
    for part in (scored(3, more=True), scored(2, more=True)):
        reply.put(part)
        assert reply.deltas(timeout=0) == []
    reply.put(scored(1, "stop"))
    assert [item.text for item in reply.deltas()] == ["aaa", "aa", "a"]
    assert reply.consumed


@pytest.mark.parametrize("streamed", [True, False])
def test_a_delta_whose_last_part_is_lost_comes_anew(streamed: bool) -> None:
    reply = Reply(wire.Generate(id=1, name="", messages=[], stream=streamed), lambda _: None)
    reply.put(scored(3, more=True))
    assert reply.resumption(2).sent == {}
    for part in (scored(4, more=True), scored(2, "stop")):
        reply.put(part)
    assert [item.text for item in reply.deltas()] == ["aaaa", "aa"]


def test_many_log_probabilities_are_taken_in_several_turns(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "MOST_LOGPROBS", 20)
    reply.put(scored(3))
    reply.put(scored(1))
    reply.put(scored(1))
    reply.put(scored(10, "stop"))  # an older engine sends it whole
    taken = []
    while not reply.consumed:
        taken.append([len(item.token_ids) for item in reply.deltas()])
    assert taken == [[3, 1], [1], [4], [4], [2]]


class Writer:
    """Counts the deltas of each write."""

    ready = True

    def __init__(self) -> None:
        self.written: list[int] = []

    def write(self, deltas: list[wire.Delta]) -> None:
        self.written.append(len(deltas))


def streams(count: int) -> list[tuple[Reply, Writer, gevent.Greenlet]]:
    """Return streams whose greenlets wait for the next delta."""
    made = []
    for _ in range(count):
        reply, writer = Reply(wire.Generate(id=1, name="", messages=[], stream=True), lambda _: None), Writer()
        reply.writer = writer  # type: ignore[assignment]
        made.append((reply, writer, gevent.spawn(reply.deltas)))
    gevent.sleep(0)
    return made


@pytest.mark.parametrize(
    ("items", "taken"), [([delta("a")] * 7, 4), ([scored(2)] * 3, 2)], ids=["many deltas", "many log probabilities"]
)
def test_what_is_too_much_for_a_turn_is_left_to_the_requests_greenlet(
    items: list[wire.Delta], taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "MOST_DELTAS", 4)
    monkeypatch.setattr(shares, "MOST_LOGPROBS", 20)
    ((reply, writer, waiting),) = streams(1)
    for item in items:
        reply.put(item)
    reply.deliver()
    assert writer.written == []
    assert len(waiting.get(timeout=5)) == taken
    assert len(reply.deltas()) == len(items) - taken


def test_many_streams_are_written_in_several_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_module, "MOST_WRITTEN", 45)
    made = streams(6)
    for reply, _, _ in made:
        reply.put(delta("a"))
        reply.put(delta("b"))
    seen: list[int] = []

    def other_work() -> None:
        while True:
            seen.append(sum(len(writer.written) for _, writer, _ in made))
            gevent.sleep(0)

    others = gevent.spawn(other_work)
    gevent.sleep(0)
    reply_module.deliver_all([reply for reply, _, _ in made])
    others.kill()
    assert [writer.written for _, writer, _ in made] == [[2]] * 6
    assert 3 in seen, "other greenlets run before all is written"
    for _, _, waiting in made:
        waiting.kill()
