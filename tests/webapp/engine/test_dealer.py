"""The DEALER on gevent's loop, over real sockets."""

import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
import zmq

from webapp.engine.dealer import READ_AT_ONCE, READ_BYTES, SEND_AT_ONCE, Dealer


class Peer:
    """A ROUTER that a test reads and writes itself."""

    def __init__(self, directory: Path) -> None:
        self.endpoint = f"ipc://{directory}/peer.sock"
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.ROUTER)
        self.socket.bind(self.endpoint)

    def receive(self) -> list[bytes]:
        """The frames of the next message, less the sender's identity."""
        while not self.socket.poll(0):
            gevent.sleep(0.005)
        self.client, *frames = self.socket.recv_multipart()
        return frames

    def close(self) -> None:
        self.socket.close(linger=0)
        self._context.term()


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    peer = Peer(tmp_path)
    yield peer
    peer.close()


@pytest.fixture
def dealer(peer: Peer) -> Iterator[Dealer]:
    """Connected, and known to `peer`."""
    dealer = Dealer(peer.endpoint)
    while not dealer.send(b"hello"):
        gevent.sleep(0.005)
    assert peer.receive() == [b"hello"]
    yield dealer
    dealer.close()


def test_without_a_peer_nothing_is_taken(tmp_path: Path) -> None:
    dealer = Dealer(f"ipc://{tmp_path}/nobody.sock")
    gevent.sleep(0.05)
    assert dealer.send(b"hello") is False
    dealer.close()


def test_what_is_sent_at_one_time_travels_together_where_the_peer_has_it_so(dealer: Dealer, peer: Peer) -> None:
    dealer.multipart = True
    for payload in (b"a", b"b", b"c"):
        assert dealer.send(payload)
    assert peer.receive() == [b"a", b"b", b"c"]


def test_what_is_in_zeromqs_memory_travels_with_the_others(dealer: Dealer, peer: Peer) -> None:
    dealer.multipart = True
    for payload in (b"a", zmq.Frame(b"b" * 1000), b"c"):
        assert dealer.send(payload)
    assert peer.receive() == [b"a", b"b" * 1000, b"c"]


def test_to_an_older_peer_each_goes_by_itself(dealer: Dealer, peer: Peer) -> None:
    for payload in (b"a", b"b"):
        assert dealer.send(payload)
    assert [peer.receive(), peer.receive()] == [[b"a"], [b"b"]]


def test_many_do_not_wait_for_the_last(dealer: Dealer, peer: Peer) -> None:
    dealer.multipart = True
    for number in range(SEND_AT_ONCE + 1):
        assert dealer.send(b"%d" % number)
    assert len(peer.receive()) == SEND_AT_ONCE
    assert peer.receive() == [b"%d" % SEND_AT_ONCE]


def test_messages_come_in_order_frame_by_frame(dealer: Dealer, peer: Peer) -> None:
    peer.socket.send_multipart([peer.client, b"a", b"b"])
    peer.socket.send_multipart([peer.client, b"c"])
    received: list[bytes] = []
    while len(received) < 3:
        received += dealer.receive()
    assert received == [b"a", b"b", b"c"]


def test_a_flood_is_read_in_parts(dealer: Dealer, peer: Peer) -> None:
    for _ in range(READ_AT_ONCE + 1):
        peer.socket.send_multipart([peer.client, b"flood"])
    gevent.sleep(0.2)
    assert len(dealer.receive()) == READ_AT_ONCE
    assert len(dealer.receive()) == 1


def test_large_messages_are_read_in_parts_too(dealer: Dealer, peer: Peer) -> None:
    for _ in range(3):
        peer.socket.send_multipart([peer.client, b"x" * (READ_BYTES * 2 // 3)])
    gevent.sleep(0.2)
    assert (len(dealer.receive()), dealer.more) == (2, True)
    assert (len(dealer.receive()), dealer.more) == (1, False)


def test_a_message_whose_notice_a_send_used_up_is_received(dealer: Dealer, peer: Peer) -> None:
    waiting = gevent.spawn(dealer.receive)
    gevent.sleep(0.01)
    peer.socket.send_multipart([peer.client, b"news"])
    time.sleep(0.05)  # it arrives while the loop is busy
    assert dealer.send(b"hello")  # and this uses up the edge that told of it
    assert waiting.get(timeout=5) == [b"news"]


def test_a_closed_peer_loses_what_waits_and_raises_nothing(dealer: Dealer, peer: Peer) -> None:
    assert dealer.send(b"a")
    peer.socket.close(linger=0)
    gevent.sleep(0.1)
    assert dealer.send(b"b") is False
