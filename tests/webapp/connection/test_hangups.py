"""A client that goes while nothing is written to it is noticed; nobody else is."""

import errno
import socket
from collections.abc import Iterator

import gevent
import pytest

from tests.webapp.conftest import wait_until
from webapp.connection import hangups
from webapp.connection.hangups import HangupWatch

CHECK_INTERVAL = 0.01
LONG_ENOUGH = 5 * CHECK_INTERVAL


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hangups, "CHECK_INTERVAL", CHECK_INTERVAL)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's end and the client's."""
    server, client = socket.socketpair()
    yield server, client
    server.close()
    client.close()


Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def calls() -> list[str]:
    return []


def unasked() -> None:
    raise AssertionError("a client that is gone was taken for one that only sends no more")


def test_a_client_that_goes_is_noticed_once(pair: Pair, calls: list[str]) -> None:
    server, client = pair
    watch = HangupWatch()
    watch.add(server.fileno(), lambda: calls.append("gone"), unasked)
    client.close()

    wait_until(lambda: calls)
    gevent.sleep(LONG_ENOUGH)
    assert calls == ["gone"]


def test_a_client_that_stays_is_left_alone_even_when_it_sends(pair: Pair, calls: list[str]) -> None:
    server, client = pair
    watch = HangupWatch()
    watch.add(server.fileno(), lambda: calls.append("gone"), unasked)
    client.send(b"GET /next HTTP/1.1\r\n")

    gevent.sleep(LONG_ENOUGH)
    assert calls == []


def test_a_client_that_sends_no_more_may_still_read(pair: Pair, calls: list[str]) -> None:
    server, client = pair
    watch = HangupWatch()
    watch.add(server.fileno(), lambda: calls.append("gone"), lambda: calls.append("sends no more"))
    client.shutdown(socket.SHUT_WR)

    wait_until(lambda: calls)
    gevent.sleep(LONG_ENOUGH)
    assert calls == ["sends no more"]
    client.close()
    wait_until(lambda: len(calls) > 1)
    assert calls == ["sends no more", "gone"]


def test_on_tcp_the_reaction_to_a_write_tells_who_is_gone(calls: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        with server:
            watch = HangupWatch()
            watch.add(server.fileno(), lambda: calls.append("gone"), lambda: calls.append(f"{server.send(b'H')} sent"))
            client.close()
            wait_until(lambda: len(calls) > 1)
            assert calls == ["1 sent", "gone"]


def test_bytes_that_nobody_has_read_do_not_hide_the_end(pair: Pair, calls: list[str]) -> None:
    server, client = pair
    client.send(b"GET /next HTTP/1.1\r\n")
    watch = HangupWatch()
    watch.add(server.fileno(), lambda: calls.append("gone"), unasked)
    gevent.sleep(LONG_ENOUGH)
    client.close()

    wait_until(lambda: calls)


def test_after_remove_nothing_is_called(pair: Pair, calls: list[str]) -> None:
    server, client = pair
    watch = HangupWatch()
    watch.add(server.fileno(), lambda: calls.append("gone"), unasked)
    watch.remove(server.fileno())
    watch.remove(server.fileno())
    client.close()

    gevent.sleep(LONG_ENOUGH)
    assert calls == []


def test_one_client_is_told_from_another(pair: Pair, calls: list[str]) -> None:
    other_server, other_client = socket.socketpair()
    with other_server, other_client:
        watch = HangupWatch()
        watch.add(pair[0].fileno(), lambda: calls.append("first"), unasked)
        watch.add(other_server.fileno(), lambda: calls.append("second"), unasked)
        other_client.close()

        wait_until(lambda: calls)
        gevent.sleep(LONG_ENOUGH)
        assert calls == ["second"]


def test_the_watch_goes_on_after_a_rest(pair: Pair, calls: list[str]) -> None:
    server, client = pair
    watch = HangupWatch()
    watch.add(server.fileno(), lambda: calls.append("first"), unasked)
    watch.remove(server.fileno())
    gevent.sleep(LONG_ENOUGH)

    watch.add(server.fileno(), lambda: calls.append("second"), unasked)
    client.close()
    wait_until(lambda: calls)
    assert calls == ["second"]


def test_the_kernel_ends_a_write_that_nobody_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hangups, "STUCK_MS", 300)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        server, _ = listener.accept()
        with server, pytest.raises(OSError) as caught:
            server.settimeout(60)
            hangups.cut_off_when_stuck(server)
            server.sendall(b"x" * 64 * 1024 * 1024)
    assert caught.value.errno == errno.ETIMEDOUT


def test_a_unix_socket_is_left_as_it_is(pair: tuple[socket.socket, socket.socket]) -> None:
    hangups.cut_off_when_stuck(pair[0])
