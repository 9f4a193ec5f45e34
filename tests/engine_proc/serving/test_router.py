"""The ROUTER on the loop, over real sockets."""

import asyncio
import itertools
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import zmq

from engine_proc.serving import router as router_module
from engine_proc.serving.decoding import Payload
from engine_proc.serving.router import COPIED, MAX_FRAMES, READ_AT_ONCE, READ_BYTES, Router
from schemas.shared.endpoint import PROJECT_ROOT, EndpointError
from tests.engine_proc.helpers import eventually, on_a_loop

HOLDER = """
import sys, time, zmq
socket = zmq.Context().socket(zmq.ROUTER)
socket.bind(sys.argv[1])
print("bound", flush=True)
time.sleep(600)
"""

Received = list[tuple[bytes, bytes]]


class Dealers:
    """Makes clients, and closes them."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.context = zmq.Context()

    def __call__(self, identity: bytes = b"", **options: int) -> "zmq.Socket[bytes]":
        dealer = self.context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        for name, value in options.items():
            dealer.setsockopt(getattr(zmq, name), value)
        if identity:
            dealer.setsockopt(zmq.IDENTITY, identity)
        dealer.connect(self.endpoint)
        return dealer


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/engine.sock"


@pytest.fixture
def dealer(endpoint: str) -> Iterator[Dealers]:
    dealers = Dealers(endpoint)
    yield dealers
    dealers.context.destroy(linger=0)


def bind(endpoint: str, received: Received, gone: list[bytes] | None = None) -> "closing[Router]":
    """`gone`: gets those who could not be sent to; without it there must be none."""

    def on_gone(client: bytes) -> None:
        assert gone is not None, f"{client!r} cannot be sent to"
        gone.append(client)

    return closing(Router(endpoint, lambda *message: received.append(message), on_gone))


@on_a_loop
async def test_messages_come_with_their_senders_identity_and_answers_go_back(endpoint: str, dealer: Dealers) -> None:
    received: Received = []
    with bind(endpoint, received) as router:
        ann, bob = dealer(b"ann"), dealer(b"bob")
        ann.send(b"from ann")
        bob.send(b"from bob")
        await eventually(lambda: len(received) == 2, "both messages are here")
        assert set(received) == {(b"ann", b"from ann"), (b"bob", b"from bob")}
        router.send(b"bob", b"to bob")
        router.send(b"ann", b"to ann")
        await eventually(lambda: ann.poll(0) and bob.poll(0), "both answers are there")
        assert (ann.recv(), bob.recv()) == (b"to ann", b"to bob")


@on_a_loop
async def test_a_message_that_raises_costs_its_sender_alone(
    endpoint: str, dealer: Dealers, caplog: pytest.LogCaptureFixture
) -> None:
    received: list[bytes] = []

    def on_message(client: bytes, payload: Payload) -> None:
        if payload == b"bad":
            raise KeyError("a defect")
        received.append(bytes(payload))

    with closing(Router(endpoint, on_message, lambda client: None)):
        client, other = dealer(), dealer()
        client.send_multipart([b"first", b"bad", b"second"])
        other.send(b"third")
        await eventually(lambda: len(received) == 3, "the good ones are here")
    assert sorted(received) == [b"first", b"second", b"third"]
    assert "a defect" in caplog.text


@on_a_loop
async def test_later_messages_wait_for_one_that_takes_its_time(
    endpoint: str, dealer: Dealers, caplog: pytest.LogCaptureFixture
) -> None:
    received: list[bytes] = []
    handling: list[asyncio.Future[None]] = []

    def on_message(client: bytes, payload: Payload) -> asyncio.Future[None] | None:
        received.append(bytes(payload))
        if len(payload) <= COPIED:
            return None
        assert isinstance(payload, memoryview), "it is not copied"
        handling.append(asyncio.get_running_loop().create_future())
        return handling[-1]

    with closing(Router(endpoint, on_message, lambda client: None)) as router:
        client = dealer(b"client")
        large = b"x" * (COPIED + 1)
        client.send_multipart([b"first", large, b"second"])
        client.send_multipart([large, b"third"])
        await eventually(lambda: handling, "the large one is being handled")
        router.send(b"client", b"meanwhile")
        await eventually(lambda: client.poll(0), "the loop sends meanwhile")
        router.poll()
        assert received == [b"first", large]
        handling[0].set_result(None)
        await eventually(lambda: len(handling) == 2, "the next large one is being handled")
        assert received == [b"first", large, b"second", large]
        handling[1].set_exception(KeyError("a defect"))
        await eventually(lambda: received[-1] == b"third", "the last one is here")
    assert "a defect" in caplog.text


@on_a_loop
async def test_a_client_that_is_gone_keeps_nothing_from_the_others(endpoint: str, dealer: Dealers) -> None:
    gone: list[bytes] = []

    def on_unreachable(client: bytes) -> None:
        gone.append(client)
        raise KeyError("a defect")

    received: Received = []
    with closing(Router(endpoint, lambda *message: received.append(message), on_unreachable)) as router:
        ann = dealer(b"ann")
        ann.send(b"hello")
        await eventually(lambda: received, "ann is known")
        router.send(b"nobody", b"x")
        router.send(b"ann", b"to ann")
        await eventually(lambda: ann.poll(0), "the message has arrived")
    assert gone == [b"nobody"]


@on_a_loop
async def test_many_messages_are_all_taken_in_order(endpoint: str, dealer: Dealers) -> None:
    received: Received = []
    wanted = [str(number).encode() for number in range(10 * READ_AT_ONCE + 7)]
    with bind(endpoint, received):
        client = dealer()

        def send_all() -> None:
            for payload in wanted:
                client.send(payload)

        await asyncio.to_thread(send_all)  # more than zmq's queues may hold: the loop must take some meanwhile
        await eventually(lambda: len(received) == len(wanted), "all messages are here")
        assert [payload for _, payload in received] == wanted


@pytest.mark.parametrize(
    ("payload", "count", "at_once"), [(b"flood", 900, READ_AT_ONCE), (b"x" * (READ_BYTES * 2 // 3), 12, 2)]
)
@on_a_loop
async def test_a_flood_leaves_other_work_its_turn(
    endpoint: str, dealer: Dealers, payload: bytes, count: int, at_once: int
) -> None:
    turn = itertools.count()
    turns: list[int] = []
    now = next(turn)

    async def other_work() -> None:
        nonlocal now
        while True:
            now = next(turn)
            await asyncio.sleep(0)

    with closing(Router(endpoint, lambda *_: turns.append(now), lambda _: None)):
        client = dealer()
        for _ in range(count):  # below zmq's high-water mark, so that all of them can wait
            client.send(payload)
        time.sleep(0.3)  # the loop must stand still, so that all of them do wait
        work = asyncio.create_task(other_work())
        await eventually(lambda: len(turns) == count, "the flood is through")
        work.cancel()
    assert max(Counter(turns).values()) <= 2 * at_once


@on_a_loop
async def test_a_message_that_comes_during_a_send_is_not_forgotten(endpoint: str, dealer: Dealers) -> None:
    received: Received = []
    with bind(endpoint, received) as router:
        client = dealer(b"client")
        client.send(b"hello")
        await eventually(lambda: received, "the client is known")
        for number in range(50):
            client.send(b"while sending")
            time.sleep(0.005)  # the message arrives while the loop is busy
            router.send(b"client", b"busy")  # and this uses up the edge that told of it
            await eventually(lambda number=number: len(received) == number + 2, "it was taken")  # type: ignore[misc]


@on_a_loop
async def test_an_unknown_client_is_told_of(endpoint: str, dealer: Dealers) -> None:
    gone: list[bytes] = []
    with bind(endpoint, [], gone) as router:
        router.send(b"nobody", b"hello")
        router.send(b"nobody", b"are you there?")
        await eventually(lambda: gone, "it is told of")
    assert gone == [b"nobody"]


@on_a_loop
async def test_a_client_that_has_left_is_told_of(endpoint: str, dealer: Dealers) -> None:
    received: Received = []
    gone: list[bytes] = []
    with bind(endpoint, received, gone) as router:
        client = dealer(b"client")
        client.send(b"hello")
        await eventually(lambda: received, "the client is known")
        client.close()
        await asyncio.sleep(0.2)
        router.send(b"client", b"still there?")
        await eventually(lambda: gone, "the client is unknown again")
    assert gone == [b"client"]


@on_a_loop
async def test_what_is_sent_at_one_time_travels_together_and_in_order(endpoint: str, dealer: Dealers) -> None:
    received: Received = []
    with bind(endpoint, received) as router:
        ann, bob = dealer(b"ann"), dealer(b"bob")
        ann.send(b"hello")
        bob.send(b"hello")
        await eventually(lambda: len(received) == 2, "both are known")
        for number in range(3):
            router.send(b"ann", b"%d for ann" % number)
            router.send(b"bob", b"%d for bob" % number)
        await eventually(lambda: ann.poll(0) and bob.poll(0), "both have their message")
        assert ann.recv_multipart() == [b"0 for ann", b"1 for ann", b"2 for ann"]
        assert bob.recv_multipart() == [b"0 for bob", b"1 for bob", b"2 for bob"]


@on_a_loop
async def test_what_was_sent_last_leaves_before_the_end(endpoint: str, dealer: Dealers) -> None:
    received: Received = []
    client = dealer(b"client")
    with bind(endpoint, received) as router:
        client.send(b"hello")
        await eventually(lambda: received, "the client is known")
        router.send(b"client", b"farewell")
    await eventually(lambda: client.poll(0), "the farewell is there")
    assert client.recv() == b"farewell"


@on_a_loop
async def test_a_client_that_never_reads_costs_a_bounded_queue_and_no_waiting(
    endpoint: str, dealer: Dealers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router_module, "SEND_QUEUE", 10)
    received: Received = []
    gone: list[bytes] = []
    with bind(endpoint, received, gone) as router:
        lazy = dealer(b"lazy", RCVHWM=10)
        lazy.send(b"hello")
        await eventually(lambda: received, "the client is known")
        sent = 0
        while not gone and sent < 1000:
            router.send(b"lazy", bytes(100_000))
            sent += 1
            await asyncio.sleep(0)
        assert 10 <= sent < 1000


@on_a_loop
async def test_each_frame_of_a_message_is_taken_in_order(endpoint: str, dealer: Dealers) -> None:
    received: Received = []
    with bind(endpoint, received):
        client = dealer(b"client")
        client.send_multipart([b"a", b"", b"c"])
        client.send(b"d")
        await eventually(lambda: len(received) == 4, "all are here")
        assert received == [(b"client", payload) for payload in (b"a", b"", b"c", b"d")]


@on_a_loop
async def test_a_message_of_too_many_frames_is_ignored(endpoint: str, dealer: Dealers) -> None:
    received: Received = []
    with bind(endpoint, received):
        client = dealer(b"client")
        client.send_multipart([b"bad"] * MAX_FRAMES)
        client.send(b"good")
        await eventually(lambda: received, "the good message is here")
        assert received == [(b"client", b"good")]


@on_a_loop
async def test_a_message_that_is_too_big_costs_its_sender_alone(
    endpoint: str, dealer: Dealers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router_module, "MAX_MESSAGE_BYTES", 1000)
    received: Received = []
    with bind(endpoint, received):
        big, small = dealer(b"big"), dealer(b"small")
        big.send(bytes(1001))
        small.send(bytes(1000))
        await eventually(lambda: received, "the small message is here")
        assert received == [(b"small", bytes(1000))]


@on_a_loop
async def test_a_client_that_comes_back_under_its_name_takes_over(endpoint: str, dealer: Dealers) -> None:
    received: Received = []
    with bind(endpoint, received) as router:
        first = dealer(b"same")
        first.send(b"first")
        await eventually(lambda: len(received) == 1, "the first is known")
        second = dealer(b"same")
        second.send(b"second")
        await eventually(lambda: len(received) == 2, "the second is known")
        router.send(b"same", b"for the second")
        await eventually(lambda: second.poll(0), "the second has the answer")
        assert not first.poll(0)


@on_a_loop
async def test_the_endpoint_of_a_killed_engine_can_be_bound_again(endpoint: str, dealer: Dealers) -> None:
    command = [sys.executable, "-c", HOLDER, endpoint]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"bound\n"
        client = dealer()  # a web worker connects once and must find the next engine by itself
        holder.send_signal(signal.SIGKILL)
    received: Received = []
    with bind(endpoint, received):
        client.send(b"hello")
        await eventually(lambda: received, "the client has found the new engine")


@on_a_loop
async def test_a_tcp_endpoint_that_is_taken_is_an_error(endpoint: str) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as holder:
        port = holder.bind_to_random_port("tcp://127.0.0.1")
        with pytest.raises(EndpointError, match=r"cannot listen at tcp://.*: Address already in use"):
            bind(f"tcp://127.0.0.1:{port}", [])
