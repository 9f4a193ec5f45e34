"""`conversation_id` over HTTP, with an engine that answers `one two` to all."""

import gc
import json
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gevent
import pytest
from flask.testing import FlaskClient

from schemas import wire
from schemas.errors import ApiError
from schemas.replies.choice import Choice
from tests.fake_engine import FakeEngine, complete
from tests.webapp.asking import hold
from tests.webapp.conftest import MakeApp, wait_until
from webapp.api_keys import parse_keys
from webapp.conversations import conversations
from webapp.conversations.conversations import DAY, Conversations
from webapp.conversations.store import Store
from webapp.database import connecting, thread
from webapp.database.sweeping import SWEEP_EVERY
from webapp.database.thread import DatabaseThread
from webapp.settings import Settings

CHAT = "/v1/chat/completions"
KEPT = "/v1/conversations/"
ANSWER = {"role": "assistant", "content": "one two"}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def say(client: FlaskClient, text: str, name: Any = 42, headers: Any = None, **fields: Any) -> Any:
    body = {"messages": [user(text)], "conversation_id": name, **fields}
    response = client.post(CHAT, json=body, headers=headers)
    response.get_data()  # a stream is read to its end
    return response


def kept(client: FlaskClient, name: Any = 42, headers: Any = None) -> Any:
    return client.get(f"{KEPT}{name}", headers=headers).get_json().get("messages")


def asked(engine: FakeEngine) -> list[Any]:
    """The messages that the engine got, request by request."""
    return [message.messages for message in engine.received if isinstance(message, wire.Generate)]


@pytest.mark.parametrize("stream", [False, True])
def test_the_engine_gets_what_was_said_before(served: FlaskClient, engine: FakeEngine, stream: bool) -> None:
    assert say(served, "a", stream=stream, n=2).status_code == 200
    say(served, "b", "42", stream=stream)
    assert asked(engine) == [[user("a")], [user("a"), ANSWER, user("b")]]
    assert kept(served) == [user("a"), ANSWER, user("b"), ANSWER]


def test_two_tabs_do_not_double_a_conversation(served: FlaskClient, engine: FakeEngine) -> None:
    first = [user("a"), ANSWER]
    for messages in ([user("a")], [*first, user("b")], [*first, user("c")]):
        served.post(CHAT, json={"messages": messages, "conversation_id": 42})
    assert asked(engine)[-1] == [*first, user("c")]
    assert kept(served) == [*first, user("b"), ANSWER, user("c"), ANSWER]


def test_force_prompt_is_obeyed_and_not_kept(served: FlaskClient, engine: FakeEngine) -> None:
    for text in ("a", "b"):
        say(served, text, force_prompt="In French.")
    rule = {"role": "system", "content": "In French."}
    assert asked(engine)[1] == [rule, user("a"), ANSWER, user("b")]
    assert kept(served) == [user("a"), ANSWER, user("b"), ANSWER]
    served.post(CHAT, json={"messages": [{"role": "system", "content": "Be."}, user("c")], "conversation_id": 7})
    say(served, "d", 7, force_prompt="In French.")
    assert asked(engine)[-1][0] == {"role": "system", "content": "Be.\nIn French."}
    assert kept(served, 7)[0] == {"role": "system", "content": "Be."}


def test_without_an_id_nothing_is_kept(served: FlaskClient, settings: Settings) -> None:
    served.post(CHAT, json={"messages": [user("a")]})
    assert not (settings.run_dir / "conversations.db").exists()


def test_another_key_has_another_conversation(engine: FakeEngine, make_app: MakeApp) -> None:
    client = make_app(api_keys=parse_keys(["sk-first", "sk-second"])).test_client()
    first, second = ({"Authorization": f"Bearer {key}"} for key in ("sk-first", "sk-second"))
    say(client, "a", headers=first)
    assert kept(client, headers=second) is None
    say(client, "b", headers=second)
    assert asked(engine)[1] == [user("b")]
    assert client.delete(f"{KEPT}42", headers=second).status_code == 200
    assert kept(client, headers=first) == [user("a"), ANSWER]
    assert client.get(f"{KEPT}42").status_code == 401


@pytest.mark.parametrize("name", ["42", "a b", "我的 对话", "a/b", "a//b", "a/", "50%", "?x=1#y", "."])
def test_get_and_delete(served: FlaskClient, name: str) -> None:
    before = int(time.time())
    say(served, "a", name)
    path = KEPT + quote(name, safe="")
    got = served.get(path).get_json()
    assert before <= got.pop("created_at") == got.pop("updated_at") <= time.time()
    assert got == {"id": name, "object": "conversation", "metadata": {}, "messages": [user("a"), ANSWER]}
    deleted = served.delete(path)
    assert (deleted.status_code, deleted.get_json()) == (
        200,
        {"id": name, "object": "conversation.deleted", "deleted": True},
    )
    assert served.get(path).status_code == 404


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_conversation_is_a_404(served: FlaskClient, method: str) -> None:
    response = served.open(f"{KEPT}nowhere", method=method)
    error = response.get_json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (404, "conversation_not_found", "conversation_id")


@pytest.mark.parametrize("name", ["", "x" * 300, 4.5, True, ["42"], {}])
def test_a_wrong_id_is_named(served: FlaskClient, name: Any) -> None:
    response = say(served, "a", name)
    assert (response.status_code, response.get_json()["error"]["param"]) == (400, "conversation_id")


def test_turns_at_once_are_all_answered_and_all_kept(served: FlaskClient, engine: FakeEngine) -> None:
    waiting: list[wire.Generate] = []

    def gather(engine: FakeEngine, generate: wire.Generate) -> None:
        waiting.append(generate)
        if len(waiting) == 5:
            for each in waiting:
                complete(engine, each)

    engine.on_generate = gather
    talks = [gevent.spawn(say, served, str(number)) for number in range(5)]
    assert [talk.get().status_code for talk in talks] == [200] * 5
    messages = kept(served)
    assert sorted(message["content"] for message in messages[::2]) == ["0", "1", "2", "3", "4"]
    assert messages[1::2] == [ANSWER] * 5


def test_a_turn_that_fails_leaves_nothing(served: FlaskClient, engine: FakeEngine) -> None:
    def fail(engine: FakeEngine, generate: wire.Generate) -> None:
        hold(engine, generate)
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "one ", [1])]))
        engine.send(wire.Failed(generate.id, 500, "It broke.", "server_error", "internal_error"))

    engine.on_generate = fail
    assert say(served, "a").status_code == 500
    assert "It broke." in say(served, "a", stream=True).text
    assert kept(served) is None


def test_a_conversation_has_a_largest_size(engine: FakeEngine, make_app: MakeApp) -> None:
    client = make_app(conversation_each_mb=100 / 2**20).test_client()
    assert say(client, "a").status_code == 200
    response = say(client, "b" * 30)
    assert (response.status_code, response.get_json()["error"]["code"]) == (400, "conversation_too_long")
    assert response.get_json()["error"]["param"] == "conversation_id"
    assert len(asked(engine)) == 1
    assert say(client, "b" * 30, 43).status_code == 200
    assert kept(client, 43) is None, "its answer took it over the limit"
    assert client.delete(f"{KEPT}43").status_code == 200


# ---- the database fails ---------------------------------------------------------------------------------------------


def assert_unavailable(response: Any) -> None:
    error = response.get_json()["error"]
    assert (response.status_code, error["code"]) == (503, "conversation_store_unavailable")
    assert response.headers["Retry-After"]


@pytest.mark.parametrize("url", ["sqlite:////nowhere/x.db", "postgresql://u:secret@127.0.0.1:1/x"])
def test_without_a_database(engine: FakeEngine, make_app: MakeApp, url: str, caplog: pytest.LogCaptureFixture) -> None:
    client = make_app(database_url=url).test_client()
    assert_unavailable(say(client, "a"))
    assert_unavailable(client.get(f"{KEPT}42"))
    assert_unavailable(client.delete(f"{KEPT}42"))
    assert client.post(CHAT, json={"messages": [user("a")]}).status_code == 200
    assert "a conversation could not be read" in caplog.text
    assert "secret" not in caplog.text and "Traceback" not in caplog.text


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_cannot_be_kept_is_still_given(
    served: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    monkeypatch.delattr(Store, "add")
    assert_answered_with_a_warning(say(served, "a", stream=stream), stream)
    assert "conversation '42' could not be stored" in caplog.text


@pytest.mark.parametrize("stream", [False, True])
def test_a_full_disk_loses_the_record_and_not_the_answer(
    served: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    set_up = connecting._set_up_sqlite

    def set_up_small(connection: Any, record: Any) -> None:
        set_up(connection, record)
        connection.execute("PRAGMA max_page_count=8")  # what SQLite then says is what it says of a full disk

    monkeypatch.setattr(connecting, "_set_up_sqlite", set_up_small)
    assert say(served, "a", "small").status_code == 200
    assert_answered_with_a_warning(say(served, "b" * 50_000, stream=stream), stream)
    assert "could not be stored: OperationalError: (sqlite3.OperationalError) database or disk is full" in caplog.text
    assert kept(served, "small") == [user("a"), ANSWER], "what was stored can still be read"


def assert_answered_with_a_warning(response: Any, stream: bool) -> None:
    assert response.status_code == 200
    if not stream:
        body = response.get_json()
        assert body["choices"][0]["message"] == {**ANSWER, "refusal": None}
        assert body["warning"] == conversations.NOT_STORED
        return
    *chunks, last, done = response.text.removesuffix("\n\n").split("\n\n")
    assert done == "data: [DONE]"
    assert all("warning" not in chunk for chunk in chunks)
    chunk = json.loads(last.removeprefix("data: "))
    assert (chunk["choices"], chunk["warning"]) == ([], conversations.NOT_STORED)
    assert '"finish_reason":"stop"' in chunks[-1]


def test_a_database_that_has_gone_is_a_503_until_it_is_back(served: FlaskClient, tmp_path: Path) -> None:
    say(served, "a")
    served.application.extensions["hearth"].conversations.close()
    for file in tmp_path.glob("conversations.db*"):
        file.unlink()
    (tmp_path / "conversations.db").mkdir()
    served.application.extensions["hearth"].conversations._store = None
    served.application.extensions["hearth"].conversations._thread = DatabaseThread()
    assert_unavailable(say(served, "b"))
    assert served.post(CHAT, json={"messages": [user("a")]}).status_code == 200, "others are answered"
    (tmp_path / "conversations.db").rmdir()
    assert say(served, "b").status_code == 200
    assert kept(served) == [user("b"), ANSWER]


def test_a_database_that_hangs_holds_up_nobody_else(served: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread, "WAIT_SECONDS", 0.3)
    goes_on = threading.Event()
    monkeypatch.setattr(Store, "read", lambda *_: goes_on.wait(10) and [])
    stuck = [gevent.spawn(say, served, "a") for _ in range(4)]
    gevent.sleep(0.05)
    assert served.post(CHAT, json={"messages": [user("a")]}).status_code == 200
    assert not any(talk.ready() for talk in stuck), "it was answered while they waited"
    for talk in stuck:
        assert_unavailable(talk.get(timeout=1))
    goes_on.set()
    wait_until(lambda: say(served, "a").status_code == 200)


# ---- age and size ---------------------------------------------------------------------------------------------------


class Clock:
    now = 1e9

    def __call__(self) -> float:
        return self.now


def test_old_conversations_go_when_others_are_stored(make_app: MakeApp, settings: Settings) -> None:
    clock = Clock()
    kept = Conversations(settings, clock)

    def turn(name: str) -> None:
        kept.keep(
            "anyone", name, kept.open("anyone", name, [user("a")], continuing=False), Choice(text=["b"]), echo=False
        )

    turn("old")
    clock.now += 29 * DAY
    kept._sweeping._next = 0.0
    turn("newer")
    assert kept.read("anyone", "old", list)
    clock.now += 2 * DAY
    kept._sweeping._next = 0.0
    turn("new")
    wait_until(lambda: not kept.read("anyone", "old", list))
    assert kept.read("anyone", "newer", list)
    clock.now += 40 * DAY
    kept._sweeping._next = time.monotonic() + SWEEP_EVERY  # a clock that jumps makes none due
    turn("newest")
    gevent.sleep(0.2)
    assert kept.read("anyone", "newer", list), "the next sweep is not due"
    kept.close()


def test_a_conversation_cannot_be_opened_beyond_its_size(settings: Settings) -> None:
    with pytest.raises(ApiError, match="4194304"):
        Conversations(settings).open("anyone", "42", [user("x" * 2**22)], continuing=False)


def test_who_keeps_no_conversation_pays_for_none() -> None:
    code = "import sys; from webapp.app import create_app; create_app(); sys.exit('sqlalchemy' in sys.modules)"
    root = Path(conversations.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, env={"HEARTH_RUN_DIR": "/tmp/x"}).returncode == 0


class Large:
    """What a conversation's work holds."""


@pytest.mark.parametrize("error", [ApiError(400, "No."), KeyError("a defect")])
def test_a_refusal_keeps_no_conversation_and_a_defect_is_no_database_that_has_failed(
    served: FlaskClient, error: Exception
) -> None:
    store: Conversations = served.application.extensions["hearth"].conversations
    held: list[weakref.ref[Large]] = []

    def work(turns: object) -> None:
        large = Large()
        held.append(weakref.ref(large))
        raise error

    gc.disable()
    try:
        with pytest.raises(type(error)):
            store.read("anyone", "c", work)
        error.__traceback__ = None
        assert [found() for found in held] == [None]
    finally:
        gc.enable()
