"""What the server answers, sends and aborts, over stand-ins for the engine."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from engine_proc.adapter.outputs import TOO_SLOW, EngineGone
from engine_proc.answering.choices import Contest
from engine_proc.answering.live import LiveRequest
from engine_proc.serving import clients as clients_module
from engine_proc.serving import server as server_module
from engine_proc.serving.decoding import LARGE
from schemas import wire
from schemas.errors import ApiError, unavailable
from tests.engine_proc.helpers import on_a_loop
from tests.engine_proc.stand_ins import Output, Room, generate

ANN, BOB = b"ann", b"bob"
BEAM = wire.Sampling(use_beam_search=True)
HELLO = wire.Hello(major=wire.MAJOR, minor=wire.MINOR)


# ---- hello and ping ---------------------------------------------------------------------------------------------


@on_a_loop
async def test_hello_is_answered_with_who_the_engine_is(tmp_path: Path) -> None:
    room = Room(tmp_path, max_queue=9)
    room.receive(HELLO)
    ((client, welcome),) = room.take()
    assert client == ANN
    assert isinstance(welcome, wire.Welcome)
    assert (welcome.major, welcome.minor) == (wire.MAJOR, wire.MINOR)
    assert (welcome.load_count, welcome.max_queue, welcome.load.ready) == (2, 9, True)
    assert welcome.instance == room.server.welcome.instance


@on_a_loop
async def test_an_engine_that_is_loading_says_how_far_it_is(tmp_path: Path) -> None:
    room = Room(tmp_path, attached=False)
    room.clock.stage("reading weights")
    room.receive(HELLO)
    room.receive(wire.Ping())
    loads = [message.load for _, message in room.take()]
    assert [(load.ready, load.stage) for load in loads] == [(False, "reading weights")] * 2


@on_a_loop
async def test_what_it_has_done_is_told_once_there_is_a_model(tmp_path: Path) -> None:
    room = Room(tmp_path, attached=False)
    room.receive(wire.AskStats())
    room.attach()
    room.engine.figures.generated_tokens = 5
    room.receive(wire.AskStats())
    (_, pong), (_, stats) = room.take()
    assert isinstance(pong, wire.Pong)
    assert (stats.generated_tokens, stats.itl.counts) == (5, [0, 0])


@on_a_loop
async def test_vllms_metrics_are_told_once_there_is_a_model(tmp_path: Path) -> None:
    room = Room(tmp_path, attached=False)
    room.receive(wire.AskMetrics())
    room.attach()
    room.receive(wire.AskMetrics())
    assert [message.text for _, message in room.take()] == ["", "vllm:up 1\n"]


@pytest.mark.parametrize(("major", "upgrade"), [(wire.MAJOR - 1, "web tier"), (wire.MAJOR + 1, "engine")])
@on_a_loop
async def test_another_major_version_is_refused_saying_which_side_to_upgrade(
    tmp_path: Path, major: int, upgrade: str
) -> None:
    room = Room(tmp_path)
    room.receive(wire.Hello(major=major, minor=0))
    ((_, refused),) = room.take()
    assert isinstance(refused, wire.Refused)
    assert refused.message.endswith(f"restart the {upgrade}")


@on_a_loop
async def test_another_minor_version_is_welcome(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.receive(wire.Hello(major=wire.MAJOR, minor=wire.MINOR + 1))
    assert isinstance(room.take()[0][1], wire.Welcome)


@on_a_loop
async def test_a_ping_brings_the_pulse(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.start(n=2)
    room.receive(wire.Ping())
    ((_, pong),) = room.take()
    assert isinstance(pong, wire.Pong)
    assert (pong.live, pong.running, pong.waiting, pong.kv_cache_usage) == (1, 3, 2, 0.5)
    assert pong.instance == room.server.welcome.instance


@on_a_loop
async def test_every_web_worker_is_told_when_the_model_is_ready(tmp_path: Path) -> None:
    room = Room(tmp_path, attached=False)
    for client in (ANN, BOB):
        room.receive(wire.Ping(), client)
    room.take()
    room.attach()
    room.server.announce()
    assert [(client, message.load.ready) for client, message in room.take()] == [(ANN, True), (BOB, True)]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"GET / HTTP/1.1\r\n",
        msgspec.msgpack.encode({"t": "no such message"}),
        msgspec.msgpack.encode({"t": "generate", "id": "one", "name": "x"}),
        msgspec.msgpack.encode({"t": "generate"}),
        b"\x81\xa1t\xa5\xff\xff\xff\xff\xff",
        b"\x82\xa1t\xa4ping\xa1x" + b"\x91" * 100_000 + b"\xc0",
    ],
    ids=["empty", "no msgpack", "HTTP", "unknown tag", "wrong type", "field missing", "no UTF-8", "deep"],
)
@on_a_loop
async def test_garbage_is_ignored_and_its_sender_lives_on(tmp_path: Path, payload: bytes) -> None:
    room = Room(tmp_path)
    room.server.on_message(ANN, payload)
    await room.settle()
    assert room.take() == []
    assert await room.start() == ["key-1"]


@on_a_loop
async def test_a_large_message_is_decoded_beside_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(tmp_path)
    threads: list[threading.Thread] = []
    decode = wire.decode_to_engine

    def decode_noting_where(data: bytes) -> Any:
        threads.append(threading.current_thread())
        return decode(data)

    monkeypatch.setattr(wire, "decode_to_engine", decode_noting_where)
    large = wire.encode(generate(1, prompts=["a" * LARGE]))
    handled = room.server.on_message(ANN, memoryview(large))
    assert handled is not None
    await handled
    await room.settle()
    assert isinstance(room.take()[0][1], wire.Accepted)
    spoilt = room.server.on_message(ANN, memoryview(large[:-1]))
    assert spoilt is not None
    await spoilt
    assert threading.main_thread() not in threads
    assert len(threads) == 2


# ---- a request --------------------------------------------------------------------------------------------------


@on_a_loop
async def test_a_request_is_accepted_and_its_deltas_follow(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.receive(generate(7, prompts=["four"], stream=True))
    await room.settle()
    assert room.take() == [(ANN, wire.Accepted(id=7, prompt_tokens=4))]
    logprobs = [wire.TokenLogprob("Hi", 5, -0.5, (("Hi", 5, -0.5),))]
    first = await room.step(("key-1", {"text": "Hi", "token_ids": [5], "logprobs": logprobs}))
    last = await room.step(("key-1", {"text": "!", "token_ids": [6], "finish_reason": "stop", "stop_reason": "\n"}))
    assert first == [(ANN, [wire.Delta(7, 0, "Hi", [5], None, None, logprobs)])]
    assert last == [(ANN, [wire.Delta(7, 0, "!", [6], "stop", "\n")])]
    assert len(room.server.live) == 0


@pytest.mark.parametrize("stream", [True, False])
@on_a_loop
async def test_the_engine_learns_whether_to_stream(tmp_path: Path, stream: bool) -> None:
    room = Room(tmp_path)
    await room.start(stream=stream)
    assert room.engine.streamed == [stream]


@on_a_loop
async def test_every_choice_of_every_prompt_is_started(tmp_path: Path) -> None:
    room = Room(tmp_path)
    keys = await room.start(prompts=["a", "bc"], n=2)
    assert [room.engine.tags[key].index for key in keys] == [0, 1, 2, 3]


@on_a_loop
async def test_a_request_lives_until_its_last_choice_has_ended(tmp_path: Path) -> None:
    room = Room(tmp_path)
    keys = await room.start(n=2)
    await room.step((keys[0], {"finish_reason": "stop"}))
    assert (len(room.server.live), room.server.live.sequences) == (1, 2)
    await room.step((keys[1], {"finish_reason": "length"}))
    assert (len(room.server.live), room.server.live.sequences) == (0, 0)


@on_a_loop
async def test_a_step_brings_each_web_worker_one_message(tmp_path: Path) -> None:
    room = Room(tmp_path)
    ann1, ann2 = await room.start(1, ANN, n=2)
    (bob,) = await room.start(1, BOB)
    (ann3,) = await room.start(2, ANN)
    batches = await room.step(*[(key, {"text": key}) for key in (ann1, bob, ann2, ann3)])
    seen = [(client, [(delta.id, delta.index, delta.text) for delta in batch]) for client, batch in batches]
    assert seen == [(ANN, [(1, 0, ann1), (1, 1, ann2), (2, 0, ann3)]), (BOB, [(1, 0, bob)])]


@on_a_loop
async def test_a_beam_search_brings_what_it_has_found(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.start(prompts=["a", "b"], sampling=BEAM)
    for index, search in enumerate(room.starter.searches):
        assert len(room.server.live) == 1
        delta = wire.Delta(1, index, "found", [7], "stop")
        search.found.set_result([delta])
        await room.settle()
        assert room.take() == [(ANN, wire.Deltas(batch=[delta]))]
    assert len(room.server.live) == 0


@on_a_loop
async def test_a_beam_search_that_fails_ends_its_request_once(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.start(prompts=["a", "b"], sampling=BEAM)
    room.starter.searches[0].found.set_exception(ApiError(400, "too wide", param="best_of"))
    await room.settle()
    ((_, failed),) = room.take()
    assert (failed.id, failed.status, failed.param) == (1, 400, "best_of")
    assert room.starter.searches[1].found.cancelled()
    assert len(room.server.live) == 0


@on_a_loop
async def test_a_step_without_outputs_brings_no_message(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.start()
    assert await room.step() == []


@on_a_loop
async def test_a_step_that_decides_nothing_for_a_web_worker_brings_no_message(tmp_path: Path) -> None:
    room = Room(tmp_path)
    (key,) = await room.start()
    room.engine.tags[key] = Contest([room.engine.tags[key]], candidates=2, with_logprobs=False)
    assert await room.step((key, {"text": "the first of two", "finish_reason": "stop"})) == []
    assert len(room.server.live) == 1


@on_a_loop
async def test_a_second_request_of_a_live_id_is_ignored(tmp_path: Path) -> None:
    room = Room(tmp_path)
    (key,) = await room.start(1)
    room.receive(generate(1, prompts=["another"]))
    await room.settle()
    assert room.take() == []
    assert (list(room.engine.tags), room.starter.begun) == ([key], 1)
    assert room.server.live.sequences == 1
    await room.step((key, {"finish_reason": "stop"}))
    await room.start(1)


# ---- refusals ---------------------------------------------------------------------------------------------------


@on_a_loop
async def test_while_the_model_loads_a_request_is_503(tmp_path: Path) -> None:
    room = Room(tmp_path, attached=False)
    room.receive(generate())
    ((_, failed),) = room.take()
    assert (failed.status, failed.code) == (503, "engine_loading")
    assert failed.retry_after
    assert len(room.server.live) == 0


@pytest.mark.parametrize(
    "fields",
    [{"n": 2}, {"prompts": ["a", "b"]}, {"n": 4}, {"best_of": 2}],
    ids=["n", "prompts", "all of it", "best_of"],
)
@on_a_loop
async def test_a_queue_that_is_full_is_429_until_there_is_room(tmp_path: Path, fields: dict[str, Any]) -> None:
    room = Room(tmp_path, max_queue=4)
    keys = await room.start(1, n=3)
    room.receive(generate(2, **fields), BOB)
    ((client, failed),) = room.take()
    assert (client, failed.id, failed.status, failed.code) == (BOB, 2, 429, "queue_full")
    assert failed.retry_after
    await room.start(3, BOB, n=1)
    await room.step(*[(key, {"finish_reason": "stop"}) for key in keys])
    room.receive(wire.Abort(ids=[3]), BOB)
    await room.start(4, BOB, **fields)


@on_a_loop
async def test_what_another_engine_had_let_in_is_not_turned_away(tmp_path: Path) -> None:
    room = Room(tmp_path, max_queue=2)
    await room.start(1, ANN, n=2)
    await room.start(2, BOB, n=3, resumed=True, ended=[1], sent={0: [5, 6]})
    assert room.engine.sent == [[], [], [5, 6], [], []]
    assert [request.open for request in room.server.live] == [2, 2]


@on_a_loop
async def test_no_key_gets_more_than_its_share(tmp_path: Path) -> None:
    room = Room(tmp_path, max_queue=9, max_per_key=3)
    await room.start(1, ANN, n=2, tenant="one")
    await room.start(2, BOB, tenant="one")
    room.receive(generate(3, tenant="one"), BOB)
    ((_, failed),) = room.take()
    assert (failed.status, failed.code, failed.retry_after) == (429, "key_limit", 60)
    assert "share is used up: 3" in failed.message

    await room.start(4, ANN, n=3, tenant="other")
    room.receive(wire.Abort(ids=[2]), BOB)
    await room.start(5, BOB, tenant="one")
    room.receive(generate(6, tenant="new", n=4), BOB)
    ((_, failed),) = room.take()
    assert (failed.status, failed.param) == (400, "n")


@on_a_loop
async def test_progress_counts_from_when_there_is_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(server_module, "time", SimpleNamespace(monotonic=lambda: now, time=lambda: now))
    room = Room(tmp_path)
    now += 500
    assert room.server.seconds_without_progress() == 0, "nothing to do"
    room.engine.busy = True
    now += 7
    assert room.server.seconds_without_progress() == 7
    (key,) = await room.start(1)
    await room.step((key, {"text": "x"}))
    assert room.server.seconds_without_progress() == 0


@on_a_loop
async def test_a_request_that_could_never_fit_is_400_and_not_429(tmp_path: Path) -> None:
    room = Room(tmp_path, max_queue=4)
    room.receive(generate(n=5))
    ((_, failed),) = room.take()
    assert (failed.status, failed.param, failed.retry_after) == (400, "n", None)


@on_a_loop
async def test_what_vllm_refuses_fails_before_anything_is_generated(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.receive(generate(n=2, sampling=wire.Sampling(stop=["refused"])))
    await room.settle()
    ((_, failed),) = room.take()
    assert (failed.id, failed.status, failed.param, failed.message) == (1, 400, "temperature", "vLLM refuses it")
    assert room.engine.tags == {}
    assert room.server.live.sequences == 0


class Unreadable:
    """A tag that raises an exception, as where a parser of vLLM's fails on what its model has written."""

    def __init__(self, tag: Any) -> None:
        self.request = tag.request

    def receive(self, output: Any) -> list[wire.Delta]:
        raise KeyError("a defect")

    def to_parse(self, output: Any) -> int:
        return 0


@pytest.mark.parametrize("place", ["tag", "adapter", "encoder"])
@on_a_loop
async def test_an_output_that_raises_ends_its_request_alone(tmp_path: Path, place: str) -> None:
    room = Room(tmp_path, max_queue=8)
    first, other = await room.start(1, n=2)
    (good,) = await room.start(2)
    tag = room.engine.tags[first]
    bad = {
        "tag": Output(Unreadable(tag), "x", [1]),
        "adapter": Output(tag, failed=True),
        "encoder": Output(tag, "half of a pair: \ud800", [1]),
    }
    pump = asyncio.create_task(room.server.pump())
    await room.engine.steps.put([bad[place], Output(room.engine.tags[good], "x", [1])])
    await room.settle()
    assert not pump.done()
    pump.cancel()
    messages = {type(message): message for _, message in room.take()}
    failed = messages[wire.Failed]
    assert (failed.id, failed.status, failed.code, failed.resumable) == (1, 500, "internal_error", False)
    assert [delta.id for delta in messages[wire.Deltas].batch] == [2]
    assert room.engine.aborted == [first, other]
    assert [request.id for request in room.server.live] == [2]


@pytest.mark.parametrize(
    ("structure", "limited", "stop_reason", "status", "told"),
    [
        ("", False, None, 500, "vLLM failed"),
        ("response_format", False, None, 400, "allows no token: no text"),
        ("response_format", True, None, 400, "white lists and biases"),
        ("response_format", True, TOO_SLOW, 400, "takes too long"),
    ],
    ids=["vLLM", "structure", "structure and white list", "slow structure"],
)
@on_a_loop
async def test_what_vllm_gives_up_is_an_error(
    tmp_path: Path, structure: str, limited: bool, stop_reason: str | None, status: int, told: str
) -> None:
    room = Room(tmp_path)
    (key,) = await room.start(1)
    (request,) = room.server.live
    request.structure, request.limited = structure, limited
    pump = asyncio.create_task(room.server.pump())
    await room.engine.steps.put([Output(room.engine.tags[key], finish_reason="error", stop_reason=stop_reason)])
    await room.settle()
    pump.cancel()
    ((_, failed),) = room.take()
    assert isinstance(failed, wire.Failed)
    assert (failed.status, failed.param) == (status, structure or None)
    assert told in failed.message
    assert not room.server.live


@on_a_loop
async def test_the_wait_that_a_refusal_names_counts_all_sequences_that_have_ended(tmp_path: Path) -> None:
    room = Room(tmp_path, max_queue=4)
    keys = await room.start(1, n=4)
    await room.step(*((key, {"finish_reason": "stop"}) for key in keys))
    await room.start(2, n=4)
    room.receive(generate(3, n=4))
    ((_, failed),) = room.take()
    assert (failed.status, failed.retry_after) == (429, 1), "four have ended within a second"


@on_a_loop
async def test_a_request_that_cannot_be_admitted_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(tmp_path)

    def admit(*_: Any) -> None:
        raise KeyError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(room.server.quarantine, "admit", admit)
        room.receive(generate(1))
    ((_, failed),) = room.take()
    assert (failed.id, failed.status, failed.code) == (1, 500, "internal_error")
    assert room.server.live.sequences == 0
    await room.start(1)


@on_a_loop
async def test_a_defect_is_a_500_that_tells_no_internals(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.receive(generate(sampling=wire.Sampling(stop=["broken"])))
    await room.settle()
    _, (_, failed) = room.take()
    assert (failed.status, failed.type) == (500, "server_error")
    assert "a defect" not in failed.message
    assert len(room.server.live) == 0


# ---- aborts -----------------------------------------------------------------------------------------------------


@on_a_loop
async def test_abort_while_running_stops_every_choice(tmp_path: Path) -> None:
    room = Room(tmp_path)
    keys = await room.start(1, n=2)
    (other,) = await room.start(2)
    room.receive(wire.Abort(ids=[1, 99]))
    await room.settle()
    assert room.engine.aborted == keys
    assert [request.id for request in room.server.live] == [2]
    assert await room.step((other, {"text": "x"}))
    assert room.take() == []


@on_a_loop
async def test_abort_cancels_beam_searches(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.start(1, sampling=BEAM)
    room.receive(wire.Abort(ids=[1]))
    await room.settle()
    assert room.starter.searches[0].found.cancelled()
    assert room.take() == []


@on_a_loop
async def test_abort_while_rendering_starts_nothing(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.starter.gate.clear()
    room.receive(generate())
    await room.settle()
    assert room.starter.begun == 1
    room.receive(wire.Abort(ids=[1]))
    assert room.server.live.sequences == 0
    room.starter.gate.set()
    await room.settle()
    assert room.take() == []
    assert room.engine.tags == {}


@on_a_loop
async def test_a_request_that_was_aborted_is_not_told_that_it_failed(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.starter.gate.clear()
    room.receive(generate(sampling=wire.Sampling(stop=["refused"])))
    await room.settle()
    room.receive(wire.Abort(ids=[1]))
    room.starter.gate.set()
    await room.settle()
    assert room.take() == []


@on_a_loop
async def test_abort_between_two_submits_stops_the_first_and_starts_no_third(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.engine.submits.clear()
    room.receive(generate(n=3))
    await room.settle()
    room.receive(wire.Abort(ids=[1]))
    room.engine.submits.set()
    await room.settle()
    assert list(room.engine.tags) == room.engine.aborted == ["key-1"]


@on_a_loop
async def test_only_the_owner_can_abort(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.start(1, ANN)
    room.receive(wire.Abort(ids=[1]), BOB)
    await room.settle()
    assert room.engine.aborted == []


@on_a_loop
async def test_an_id_may_be_used_again_after_an_abort(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.starter.gate.clear()
    room.receive(generate(1, prompts=["first"]))
    await room.settle()
    room.receive(wire.Abort(ids=[1]))
    room.receive(generate(1, prompts=["second one"]))
    room.starter.gate.set()
    await room.settle()
    assert room.take() == [(ANN, wire.Accepted(id=1, prompt_tokens=len("second one")))]
    assert len(room.engine.tags) == 1


@on_a_loop
async def test_a_web_worker_that_falls_silent_loses_its_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, now = Room(tmp_path), 1000.0
    monkeypatch.setattr(clients_module, "time", SimpleNamespace(monotonic=lambda: now))
    silent = await room.start(1, ANN)
    await room.start(1, BOB)
    now += wire.CLIENT_SILENCE_LIMIT - 0.1
    room.receive(wire.Ping(), BOB)
    room.server.abort_silent_clients()
    await room.settle()
    assert room.engine.aborted == []
    now += 0.2
    room.server.abort_silent_clients()
    await room.settle()
    assert room.engine.aborted == silent
    assert [request.client for request in room.server.live] == [BOB]
    told = [message for client, message in room.take() if client == ANN and isinstance(message, wire.Failed)]
    assert [(failed.status, failed.code, failed.resumable) for failed in told] == [(503, "contact_lost", True)]


@on_a_loop
async def test_a_ping_tells_what_is_waited_for_in_vain(tmp_path: Path) -> None:
    room = Room(tmp_path)
    (key,) = await room.start(1, ANN)
    await room.start(2, BOB)
    room.receive(wire.Ping(ids=[1, 2, 7]), ANN)
    *lost, pong = [message for _, message in room.take()]
    assert [(failed.id, failed.code, failed.resumable) for failed in lost] == [
        (2, "contact_lost", True),
        (7, "contact_lost", True),
    ]
    assert isinstance(pong, wire.Pong)
    await room.step((key, {"finish_reason": "stop"}))


@on_a_loop
async def test_an_engine_that_has_slept_itself_judges_nobody_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(clients_module, "time", SimpleNamespace(monotonic=lambda: now))
    room = Room(tmp_path)
    await room.start(1, ANN)
    now += 10 * wire.CLIENT_SILENCE_LIMIT
    room.server.abort_silent_clients()
    await room.settle()
    assert len(room.server.live) == 1


@on_a_loop
async def test_a_web_worker_that_cannot_be_reached_loses_its_requests(tmp_path: Path) -> None:
    room = Room(tmp_path)
    first, second = await room.start(1, ANN, n=2)
    (other,) = await room.start(1, BOB)
    room.unreachable.add(ANN)
    batches = await room.step((first, {"text": "x"}), (other, {"text": "y"}))
    assert [client for client, _ in batches] == [BOB]
    assert room.engine.aborted == [first, second]
    assert room.server.live.sequences == 1


@on_a_loop
async def test_a_web_worker_that_is_gone_before_accepted_leaves_nothing(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.unreachable.add(ANN)
    room.receive(generate(n=2))
    await room.settle()
    assert room.engine.aborted == list(room.engine.tags)
    assert room.server.live.sequences == 0


@pytest.mark.parametrize("wanted", [True, False])
@on_a_loop
async def test_requests_are_logged_where_that_is_wanted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, wanted: bool
) -> None:
    caplog.set_level("INFO", logger="hearth.server")
    room = Room(tmp_path)
    room.server.launcher.log_requests = wanted
    await room.start(user="somebody")
    assert caplog.messages == (["cmpl-1 accepted: 3 tokens in, user 'somebody'"] if wanted else [])


# ---- the end ----------------------------------------------------------------------------------------------------


@on_a_loop
async def test_an_engine_that_dies_ends_the_pump_and_hands_every_request_over(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.start(1, ANN)
    await room.start(2, BOB)
    await room.engine.steps.put(EngineGone())
    with pytest.raises(EngineGone):
        await room.server.pump()
    await room.server.strand_all(unavailable("The engine has crashed.", "engine_restarting"))
    told = room.take()
    welcomes = [(client, message.load.ready) for client, message in told[:2]]
    assert welcomes == [(ANN, False), (BOB, False)], "first of all that it takes nothing any more"
    failures = [(client, failed.id, failed.code, failed.resumable) for client, failed in told[2:]]
    assert failures == [(ANN, 1, "engine_restarting", True), (BOB, 2, "engine_restarting", True)]
    assert len(room.server.live) == 0


@on_a_loop
async def test_an_engine_that_dies_under_a_start_or_a_search_hands_that_over_too(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.receive(generate(1, sampling=wire.Sampling(stop=["gone"])))
    room.receive(generate(2, sampling=BEAM))
    await room.settle()
    room.starter.searches[0].found.set_exception(EngineGone())
    await room.settle()
    assert [type(message) for _, message in room.take()] == [wire.Accepted, wire.Accepted]
    await room.server.strand_all(unavailable("The engine has crashed.", "engine_restarting"))
    assert [message.id for _, message in room.take() if isinstance(message, wire.Failed)] == [1, 2]


@on_a_loop
async def test_thousands_of_requests_are_handed_over_in_several_turns(tmp_path: Path) -> None:
    room = Room(tmp_path)
    for number in range(2000):
        room.server.live.add(LiveRequest(ANN, number, "", "", 1))
    stranding = asyncio.create_task(room.server.strand_all(unavailable("It has crashed.", "engine_restarting")))
    await asyncio.sleep(0)
    assert 1000 < len(room.server.live) < 2000
    room.receive(wire.Abort(ids=[1999]))
    await stranding
    assert len(room.server.live) == 0
    failed = [message.id for _, message in room.take() if isinstance(message, wire.Failed)]
    assert failed == [*range(1999)]


@on_a_loop
async def test_a_drain_takes_nothing_new_and_waits_for_what_is_live(tmp_path: Path) -> None:
    room = Room(tmp_path)
    (key,) = await room.start(1)
    room.receive(wire.Drain(seconds=60))
    welcome, pong = [message for _, message in room.take()]
    assert (welcome.load.ready, pong.load.ready, pong.live) == (False, False, 1)
    assert "stopped" in pong.load.stage

    room.receive(generate(2), BOB)
    ((_, failed),) = room.take()
    assert (failed.id, failed.code, failed.resumable) == (2, "engine_stopping", True)

    drained = asyncio.create_task(room.server.drained())
    await room.settle()
    assert not drained.done()
    await room.step((key, {"finish_reason": "stop"}))
    await asyncio.wait_for(drained, 5)


@on_a_loop
async def test_a_drain_has_a_limit_and_the_nearest_holds(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.start(1)
    room.receive(wire.Drain(seconds=0))
    room.receive(wire.Drain(seconds=600))
    await asyncio.wait_for(room.server.drained(), 5)
    assert len(room.server.live) == 1


@on_a_loop
async def test_a_request_that_is_still_being_rendered_fails_once_when_the_engine_ends(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.starter.gate.clear()
    room.receive(generate())
    await room.settle()
    await room.server.strand_all(unavailable("The engine is being stopped.", "engine_stopping"))
    room.starter.gate.set()
    await room.settle()
    (_, (_, failed)) = room.take()
    assert failed.code == "engine_stopping"
    assert room.engine.tags == {}
