"""A Hearth with every lock on: API keys from a file, CURVE over TCP."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import zmq

from engine_proc.commands.asking import ask
from schemas import wire
from schemas.shared.curve import KeyPair
from tests.e2e.guarded import ANN, BOB, CHAT, KEYS, NAMELESS, NEW, Guarded
from tests.harness import Hearth, chat_body, until

WRONG = "sk-wrong-1111"


def test_both_tiers_and_the_command_line_meet_over_curve(guarded: Guarded) -> None:
    answer = guarded.answer_with(ANN, model="thoughtful").json()
    assert "Hearth" in answer["choices"][0]["message"]["content"]
    status = guarded.engine("status")
    assert f"endpoint      {guarded.endpoint}" in status.stdout


def test_strangers_get_nothing_from_the_engine_and_do_it_no_harm(guarded: Guarded) -> None:
    replies = guarded.welcome_with(guarded.curve)
    assert replies is not None
    before = replies[0]
    unknown = replace(guarded.curve, own=KeyPair(*zmq.curve_keypair()))
    assert guarded.welcome_with(None, seconds=1.0) is None
    assert guarded.welcome_with(unknown, seconds=1.0) is None
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", int(guarded.endpoint.rpartition(":")[2]))) as raw:
            raw.sendall(os.urandom(1000))
    replies = guarded.welcome_with(guarded.curve)
    assert replies is not None
    assert (replies[0].pid, replies[0].load_count) == (before.pid, before.load_count)
    assert guarded.answer_with(ANN).status_code == 200


def test_what_a_known_but_broken_web_tier_sends_does_the_engine_no_harm(guarded: Guarded) -> None:
    with zmq.Context() as context:
        for size in (1, 1000, 65 * 1024 * 1024):  # the last is more than a message may have
            with context.socket(zmq.DEALER) as dealer:
                dealer.linger = 2000
                guarded.curve.set_on(dealer)
                dealer.connect(guarded.endpoint)
                dealer.send(os.urandom(size))
                dealer.send_multipart([b"", b"\x81\xa1t\xa4ping"])
    replies = guarded.welcome_with(replace(guarded.curve))
    assert replies is not None
    refused = ask(guarded.endpoint, wire.Hello(major=wire.MAJOR + 1, minor=0), keys=guarded.curve, seconds=10.0)
    assert refused is not None
    assert "upgrade and restart the engine" in refused[0].message
    assert guarded.answer_with(ANN).status_code == 200


@pytest.mark.parametrize("key", [None, WRONG, ANN[:-1]])
def test_without_a_key_there_is_no_answer(guarded: Guarded, key: str | None) -> None:
    response = guarded.answer_with(key)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"


@pytest.fixture
def replaceable_keys(guarded: Guarded) -> Iterator[Guarded]:
    """With the keys that all tests know, also afterwards."""
    yield guarded
    guarded.write_keys(*KEYS)
    reload_web(guarded)


def reload_web(stack: Hearth) -> None:
    old = {worker.pid for worker in stack.workers()}
    assert stack.web is not None
    stack.web.send_signal(signal.SIGHUP)
    until(lambda: not old & {worker.pid for worker in stack.workers()}, 60, "the old workers have gone")


def test_the_file_of_keys_is_read_again_by_a_reload(replaceable_keys: Guarded) -> None:
    """A key is replaced by another of the same name: its conversations stay, and the old key opens nothing."""
    guarded = replaceable_keys
    assert guarded.answer_with(ANN, conversation_id="kept").status_code == 200
    assert guarded.answer_with(NEW).status_code == 401
    guarded.write_keys(f"ann:{NEW}", f"bob:{BOB}", NAMELESS)
    assert guarded.answer_with(ANN).status_code == 200, "not before the reload"
    reload_web(guarded)
    until(lambda: guarded.answer_with(NEW).status_code == 200, 60, "the new key opens")
    for _ in range(8):  # whichever worker answers
        assert guarded.answer_with(ANN).status_code == 401
    headers = {"Authorization": f"Bearer {NEW}"}
    url = f"{guarded.url}/v1/conversations/kept"
    assert httpx.get(url, headers=headers, timeout=30).json()["messages"][0]["content"] == "Who are you?"
    headers = {"Authorization": f"Bearer {BOB}"}
    assert httpx.get(url, headers=headers, timeout=30).status_code == 404


# ---- logs, as JSON and for a console ----------------------------------------------------------------------------


@pytest.fixture
def on_a_console(hearth: Hearth, tmp_path: Path) -> Iterator[Hearth]:
    """A web tier with keys that logs lines, on the engine that the tests share."""
    (tmp_path / "keys").touch(mode=0o600)
    (tmp_path / "keys").write_text("\n".join(KEYS))
    engine = {"HEARTH_ENGINE_ENDPOINT": hearth.endpoint, "HEARTH_ENGINE_SPAWN": "0"}
    stack = Hearth(tmp_path / "run", key=BOB, HEARTH_API_KEYS_FILE=str(tmp_path / "keys"), **engine)
    stack.start_web()
    until(lambda: stack.get("/ready").status_code == 200, 30, "it is ready")
    yield stack
    stack.stop_web()


def try_to_forge(stack: Hearth) -> str:
    """The log, after a client has tried to write lines of its own into it."""
    forged = "x\n2026-01-01 00:00:00,000 INFO forged\x1b[2J\r"
    path = "/v1/%0a2026-01-01%2000:00:00,000%20INFO%20forged%1b[2J"
    body = chat_body("Who are you?", model="hearth-demo", user=forged)
    assert stack.post(CHAT, body, {"X-Request-ID": "a%0ab"}).status_code == 200
    assert stack.get(path).status_code == 404
    with socket.create_connection(("127.0.0.1", stack.port)) as raw:
        raw.sendall(b"GET /\x1b[2J HTTP/1.1\r\nHost: x\r\nX-Y: a\x00b\x1b[2J\r\n\r\n")
        raw.settimeout(30)
        assert raw.recv(100).startswith(b"HTTP/1.1 4")
    log = stack.web_log.read_text()
    assert "\x1b" not in log
    assert not re.search(r"(?m)^2026-01-01 00:00:00", log)
    return log


def test_nobody_forges_a_line_of_a_console(on_a_console: Hearth, hearth: Hearth) -> None:
    assert "user='x\\n2026" in try_to_forge(on_a_console)
    assert "\x1b" not in (hearth.run_dir / "engine.log").read_text()


def test_nobody_forges_a_line_of_json(guarded: Guarded) -> None:
    assert '"user": "x\\n2026' in try_to_forge(guarded)
    assert "\x1b" not in guarded.logs()
    assert not re.search(r"(?m)^2026-01-01 00:00:00", guarded.logs())


SECRETS = (ANN, BOB, NAMELESS, NEW, WRONG)


def use_every_key(stack: Hearth) -> None:
    for key in SECRETS:
        for path in (CHAT, "/v1/nothing"):
            stack.post(path, chat_body("Hello", model="hearth-demo", max_tokens=2), {"Authorization": f"Bearer {key}"})
        httpx.get(f"{stack.url}/v1/models?api_key=1", headers={"Authorization": key}, timeout=30)


def test_keys_stand_on_no_console_and_names_do(on_a_console: Hearth) -> None:
    use_every_key(on_a_console)
    until(lambda: "key=key-3" in on_a_console.web_log.read_text(), 10, "the last line is written")
    log = on_a_console.web_log.read_text()
    assert "key=ann" in log and "key=bob" in log
    assert [secret for secret in SECRETS if secret in log] == []


def test_keys_stand_in_no_json_and_names_do(guarded: Guarded) -> None:
    use_every_key(guarded)
    names = {"ann", "bob", "key-3"}
    until(lambda: names <= {line.get("key") for line in lines_of(guarded)}, 10, "the last line is written")
    secrets = (*SECRETS, guarded.curve.own.secret.decode())
    assert [secret for secret in secrets if secret in guarded.logs()] == []


def lines_of(stack: Hearth) -> list[dict[str, object]]:
    return [json.loads(line) for line in stack.web_log.read_text().splitlines() if line.startswith("{")]
