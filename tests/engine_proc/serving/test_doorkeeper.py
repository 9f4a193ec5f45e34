"""CURVE over real TCP: whoever has a known key is heard, strangers are not, and they cost the engine nothing."""

import os
import socket as sockets
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import zmq

from engine_proc.commands.asking import ask
from engine_proc.commands.keys import make_keys
from engine_proc.serving.router import Router
from schemas import wire
from schemas.shared.curve import ClientKeys, KeyPair, read_client_keys, read_server_keys, write_pair
from schemas.shared.endpoint import PROJECT_ROOT, EndpointError
from tests.engine_proc.helpers import eventually, on_a_loop
from tests.harness import free_port

Connect = Callable[[ClientKeys | None], "zmq.Socket[bytes]"]
Received = list[tuple[bytes, bytes]]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    assert make_keys(tmp_path / "keys") == 0
    return tmp_path / "keys"


@pytest.fixture
def endpoint() -> str:
    return f"tcp://127.0.0.1:{free_port()}"


@pytest.fixture
def connect(endpoint: str) -> Iterator[Connect]:
    context = zmq.Context()
    kept = []

    def dealer(client: ClientKeys | None) -> "zmq.Socket[bytes]":
        made = context.socket(zmq.DEALER)
        made.linger = 0
        kept.append(made)
        if client:
            client.set_on(made)
        made.connect(endpoint)
        return made

    yield dealer
    context.destroy(linger=0)


def bind(endpoint: str, keys: Path, received: Received) -> "closing[Router]":
    router = Router(endpoint, lambda *message: received.append(message), lambda _: None, read_server_keys(keys))
    return closing(router)


def stranger() -> KeyPair:
    return KeyPair(*zmq.curve_keypair())


# ---- who is heard -----------------------------------------------------------------------------------------------


@on_a_loop
async def test_a_known_key_is_heard_and_answered(endpoint: str, keys: Path, connect: Connect) -> None:
    received: Received = []
    with bind(endpoint, keys, received) as router:
        dealer = connect(read_client_keys(keys))
        dealer.send(b"hello")
        await eventually(lambda: received, "the message is here")
        router.send(received[0][0], b"welcome")
        await eventually(lambda: dealer.poll(0), "the answer is there")
        assert dealer.recv() == b"welcome"


@on_a_loop
async def test_strangers_are_not_heard_and_harm_nobody(
    endpoint: str, keys: Path, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    known = read_client_keys(keys)
    unknown = stranger()
    received: Received = []
    with bind(endpoint, keys, received):
        for keys_of_stranger in (
            None,
            replace(known, own=unknown),  # knows the engine's public key, which is no secret
            replace(known, engine_public=stranger().public),  # takes another for the engine
            replace(known, own=KeyPair(known.own.public, stranger().secret)),  # has but half of a known key
        ):
            connect(keys_of_stranger).send(b"let me in")
        port = int(endpoint.rpartition(":")[2])
        raw = [sockets.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for connection in raw:
            connection.sendall(os.urandom(4096))
        await eventually(lambda: "unknown public key" in caplog.text, "the stranger has knocked")
        connect(known).send(b"hello")
        await eventually(lambda: received, "the message is here")
        assert [payload for _, payload in received] == [b"hello"]
        for connection in raw:
            connection.close()
    assert unknown.public.decode() in caplog.text
    assert known.own.secret.decode() not in caplog.text


@on_a_loop
async def test_a_stranger_that_comes_again_is_told_of_once(
    endpoint: str, keys: Path, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with bind(endpoint, keys, []):
        unknown = replace(read_client_keys(keys), own=stranger())
        for _ in range(5):
            connect(unknown).send(b"let me in")
        await eventually(lambda: caplog.messages, "the stranger has knocked")
        time.sleep(0.3)
    assert len([line for line in caplog.messages if "unknown public key" in line]) == 1


@on_a_loop
async def test_where_nobody_can_tell_who_is_known_nobody_is_heard(endpoint: str, keys: Path, connect: Connect) -> None:
    received: Received = []
    with bind(endpoint, keys, received) as router:
        assert router._doorkeeper is not None
        router._doorkeeper.close()
        connect(read_client_keys(keys)).send(b"hello")
        with pytest.raises(AssertionError, match="the message is here"):
            await eventually(lambda: received, "the message is here")


@on_a_loop
async def test_another_public_key_in_the_directory_is_another_known_client(
    endpoint: str, keys: Path, connect: Connect
) -> None:
    second = stranger()
    (keys / "web2.public").write_bytes(second.public)
    received: Received = []
    with bind(endpoint, keys, received):
        connect(replace(read_client_keys(keys), own=second)).send(b"hello")
        await eventually(lambda: received, "the message is here")


def test_a_question_without_the_right_key_gets_no_answer(endpoint: str, keys: Path) -> None:
    """As `engine_proc status` asks; the engine's end is another thread of zmq's."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        read_server_keys(keys).set_on(router)
        router.bind(endpoint)
        assert ask(endpoint, wire.Ping(), seconds=0.5) is None
        assert not router.poll(0)


# ---- the files --------------------------------------------------------------------------------------------------


def test_keys_are_for_their_owner_alone(keys: Path) -> None:
    files = sorted(keys.iterdir())
    assert [file.name for file in files] == ["engine.public", "engine.secret", "web.public", "web.secret"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    secret = (keys / "web.secret").read_bytes().strip()
    assert zmq.curve_public(secret) == (keys / "web.public").read_bytes().strip()


def test_keys_are_never_overwritten(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (keys / "engine.secret").read_bytes()
    capsys.readouterr()
    assert make_keys(keys) == 1
    assert capsys.readouterr().err == f"engine_proc: {keys}/engine.secret already exists and was not changed\n"
    assert (keys / "engine.secret").read_bytes() == before


def test_a_directory_that_cannot_be_made_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert make_keys(tmp_path / "file" / "keys") == 1
    assert "Not a directory" in capsys.readouterr().err


def test_the_engines_host_needs_no_key_of_the_web_tier(keys: Path) -> None:
    (keys / "web.secret").unlink()
    own = read_client_keys(keys).own
    assert own.public in read_server_keys(keys).allowed


@pytest.mark.parametrize("spoil", ["missing", "open", "short"])
def test_keys_that_cannot_be_used_are_refused_with_a_sentence(keys: Path, spoil: str) -> None:
    secret = keys / "engine.secret"
    match spoil:
        case "missing":
            secret.unlink()
        case "open":
            secret.chmod(0o640)
        case _:
            secret.write_text("short")
    with pytest.raises(EndpointError, match=r"^HEARTH_CURVE_KEYS: .*engine\.secret"):
        read_server_keys(keys)


def test_a_secret_is_not_shown(keys: Path) -> None:
    client, server = read_client_keys(keys), read_server_keys(keys)
    for pair in (client.own, server.own):
        assert pair.secret.decode() not in repr(client) + repr(server)


def test_a_pair_is_written_as_it_is_read(tmp_path: Path) -> None:
    for name in ("engine", "web"):
        pair = stranger()
        write_pair(tmp_path, name, pair)
    assert read_client_keys(tmp_path).own == pair


@pytest.mark.parametrize("command", ["status", "wait", "serve"])
def test_the_command_line_says_what_is_wrong_with_the_keys(tmp_path: Path, command: str) -> None:
    environment = {**os.environ, "HEARTH_CURVE_KEYS": str(tmp_path / "none"), "HEARTH_RUN_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "engine_proc", command],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "HEARTH_CURVE_KEYS" in done.stderr.splitlines()[-1]
