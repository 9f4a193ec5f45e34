"""Resumable streams over HTTP, with a scripted engine: every event once, whoever reads it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from flask.testing import FlaskClient

from schemas import wire
from tests.fake_engine import FakeEngine, complete
from tests.webapp.asking import hold
from tests.webapp.conftest import MakeApp, wait_until
from webapp.api_keys import parse_keys
from webapp.jobs import run
from webapp.jobs.jobs import Jobs

CHAT = "/v1/chat/completions"
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "a"}], "stream_options": {"include_usage": True}},
    "/v1/completions": {"prompt": ["a", "b"], "n": 2},
    "/v1/responses": {"input": "a"},
    "/v1/messages": {"messages": [{"role": "user", "content": "a"}], "max_tokens": 9},
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "GROUP_SECONDS", 0.001)
    monkeypatch.setattr(run, "STORE_PAUSE", 0.01)


@pytest.fixture
def jobs(served: FlaskClient) -> Jobs:
    found: Jobs = served.application.extensions["hearth.jobs"]
    return found


def events(text: str) -> list[tuple[int, str]]:
    """The numbers of a stream's events, and what follows them."""
    found = [event.split("\n", 1) for event in text.split("\n\n") if event.startswith("id: ")]
    return [(int(number.removeprefix("id: ")), rest) for number, rest in found]


def plain(text: str) -> str:
    """A stream without what is new in each: ids and times."""
    text = re.sub(r"id: \d+\n", "", text)
    return re.sub(r'[a-z]+[-_][0-9a-f]{32}[0-9a-f]*|"(created|created_at|completed_at)":\d+', "X", text)


def id_of(text: str) -> str:
    found = re.search(r'"id":"((?:chatcmpl-|cmpl-|resp_|msg_)[0-9a-f]+)"', text)
    assert found is not None, text
    return found[1]


def stream(client: FlaskClient, url: str = CHAT, **fields: Any) -> Any:
    return client.post(url, json={**BODIES[url], "stream": True, "resumable": True, **fields})


def at_once(engine: FakeEngine, generate: wire.Generate) -> None:
    """Send each choice in one delta: how deltas that follow one another are merged depends on the time."""
    engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
    for index in range(generate.choices):
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, index, "one two", [1, 2], "stop")]))


@pytest.mark.parametrize("url", BODIES)
def test_a_resumable_stream_has_the_events_of_any_other_and_numbers(
    served: FlaskClient, engine: FakeEngine, url: str
) -> None:
    engine.on_generate = at_once
    ordinary = stream(served, url, resumable=False).text
    resumable = stream(served, url).text
    whole = events(resumable)
    assert "id: " not in ordinary
    assert plain(resumable) == plain(ordinary)
    assert [number for number, _ in whole] == list(range(len(whole)))

    again = served.get(f"/v1/streams/{id_of(resumable)}")
    assert again.mimetype == "text/event-stream"
    assert again.text == resumable
    for number in range(len(whole)):
        assert events(served.get(f"/v1/streams/{id_of(resumable)}?after={number}").text) == whole[number + 1 :]
    browser = served.get(f"/v1/streams/{id_of(resumable)}", headers={"Last-Event-ID": "1"})
    assert events(browser.text) == whole[2:]


def test_the_header_asks_for_it_too(served: FlaskClient) -> None:
    body = {**BODIES[CHAT], "stream": True}
    assert events(served.post(CHAT, json=body, headers={"X-Resumable": "1"}).text)
    assert not events(served.post(CHAT, json=body, headers={"X-Resumable": "0"}).text)


def test_without_stream_there_is_nothing_to_resume(served: FlaskClient) -> None:
    assert served.post(CHAT, json={**BODIES[CHAT], "resumable": True}).get_json()["object"] == "chat.completion"


def first_text(response: Any) -> tuple[str, Iterator[bytes]]:
    pieces = response.iter_encoded()
    text = ""
    while "one" not in text:
        text += next(pieces).decode()
    return text, pieces


class Slow:
    """An engine that says `one` and goes on when it is told to."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        engine.on_generate = self.begin
        self.asked: list[wire.Generate] = []

    def begin(self, engine: FakeEngine, generate: wire.Generate) -> None:
        self.asked.append(generate)
        hold(engine, generate)
        if not generate.sent:
            engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "one ", [1])]))

    def say(self, text: str, finish: str | None = None) -> None:
        self.engine.send(wire.Deltas(batch=[wire.Delta(self.asked[-1].id, 0, text, [len(text)], finish)]))


def test_a_hang_up_does_not_end_it_and_the_rest_is_read_later(served: FlaskClient, engine: FakeEngine) -> None:
    slow = Slow(engine)
    response = stream(served)
    seen, _ = first_text(response)
    response.close()
    slow.say("two", "stop")
    rest = served.get(f"/v1/streams/{id_of(seen)}?after={events(seen)[-1][0]}")
    numbers = [number for number, _ in events(seen) + events(rest.text)]
    assert numbers == list(range(len(numbers)))
    assert "two" in rest.text
    assert rest.text.endswith("data: [DONE]\n\n")
    assert engine.messages(wire.Abort) == []


def test_two_read_it_at_once(served: FlaskClient, engine: FakeEngine) -> None:
    slow = Slow(engine)
    response = stream(served)
    seen, pieces = first_text(response)
    second = gevent.spawn(lambda: served.get(f"/v1/streams/{id_of(seen)}").text)
    gevent.sleep(0.05)
    slow.say("two", "stop")
    first = seen + b"".join(pieces).decode()
    assert second.get(timeout=10) == first


def test_what_nobody_reads_is_cancelled_after_a_while(make_app: MakeApp, engine: FakeEngine) -> None:
    client = make_app(resume_seconds=0.2).test_client()
    Slow(engine)
    response = stream(client)
    seen, _ = first_text(response)
    gevent.sleep(1.2)
    assert engine.messages(wire.Abort) == [], "it is read"
    response.close()
    wait_until(lambda: engine.messages(wire.Abort))
    text = client.get(f"/v1/streams/{id_of(seen)}").text
    assert json.loads(events(text)[-1][1].removeprefix("data: "))["error"]["code"] == "cancelled"


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "9999999999", "٣"])
def test_what_is_no_number_of_an_event_is_named(served: FlaskClient, after: str) -> None:
    name = id_of(stream(served).text)
    for refused in (
        served.get(f"/v1/streams/{name}", query_string={"after": after}),
        served.get(f"/v1/responses/{name}", query_string={"stream": "true", "starting_after": after}),
    ):
        assert refused.status_code == 400
        assert refused.get_json()["error"]["param"] in ("after", "starting_after")


def test_an_event_that_does_not_exist_is_named(served: FlaskClient, engine: FakeEngine) -> None:
    whole = stream(served).text
    refused = served.get(f"/v1/streams/{id_of(whole)}?after={len(events(whole))}")
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (400, "event_not_found")
    last = served.get(f"/v1/streams/{id_of(whole)}?after={len(events(whole)) - 1}")
    assert (last.status_code, last.text) == (200, "")

    Slow(engine)
    response = stream(served)
    seen, _ = first_text(response)
    assert served.get(f"/v1/streams/{id_of(seen)}?after=99").status_code == 400, "not yet, either"
    response.close()


def test_another_keys_stream_does_not_exist(make_app: MakeApp, engine: FakeEngine) -> None:
    client = make_app(api_keys=parse_keys(["sk-first", "sk-second"])).test_client()
    ann, bob = ({"Authorization": f"Bearer {key}"} for key in ("sk-first", "sk-second"))
    name = id_of(client.post(CHAT, json={**BODIES[CHAT], "stream": True, "resumable": True}, headers=ann).text)
    for method in ("GET", "DELETE"):
        refused = client.open(f"/v1/streams/{name}", method=method, headers=bob)
        assert (refused.status_code, refused.get_json()["error"]["code"]) == (404, "stream_not_found")
    assert client.get(f"/v1/streams/{name}", headers=ann).status_code == 200
    assert client.delete(f"/v1/streams/{name}", headers=ann).get_json()["deleted"]
    assert client.get(f"/v1/streams/{name}", headers=ann).status_code == 404
    assert client.delete(f"/v1/streams/{name}", headers=ann).status_code == 404


def test_a_stream_of_chats_is_no_response(served: FlaskClient) -> None:
    name = id_of(stream(served).text)
    for method, path in (("GET", ""), ("GET", "?stream=true"), ("DELETE", ""), ("POST", "/cancel")):
        assert served.open(f"/v1/responses/{name}{path}", method=method).status_code == 404
    assert served.get(f"/v1/streams/{name}").status_code == 200


def test_a_stream_that_is_deleted_while_it_runs_is_aborted(served: FlaskClient, engine: FakeEngine) -> None:
    Slow(engine)
    response = stream(served)
    seen, pieces = first_text(response)
    assert served.delete(f"/v1/streams/{id_of(seen)}").status_code == 200
    wait_until(lambda: engine.messages(wire.Abort))
    assert "stream_not_found" in b"".join(pieces).decode()
    assert served.get(f"/v1/streams/{id_of(seen)}").status_code == 404


def test_a_refusal_is_a_status(served: FlaskClient, engine: FakeEngine) -> None:
    def refuse(engine: FakeEngine, generate: wire.Generate) -> None:
        engine.send(wire.Failed(generate.id, 400, "Too long.", code="context_length_exceeded", param="messages"))

    engine.on_generate = refuse
    refused = stream(served)
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (400, "context_length_exceeded")


def test_a_failure_in_the_middle_is_the_last_event(served: FlaskClient, engine: FakeEngine) -> None:
    slow = Slow(engine)
    response = stream(served)
    seen, pieces = first_text(response)
    engine.send(wire.Failed(slow.asked[0].id, 500, "It broke.", "server_error", "internal_error"))
    whole = seen + b"".join(pieces).decode()
    assert json.loads(events(whole)[-1][1].removeprefix("data: "))["error"]["message"] == "It broke."
    assert served.get(f"/v1/streams/{id_of(seen)}").text == whole


def test_a_conversation_gets_its_turn(served: FlaskClient) -> None:
    assert stream(served, conversation_id="42").text.endswith("data: [DONE]\n\n")
    messages = served.get("/v1/conversations/42").get_json()["messages"]
    assert [message["content"] for message in messages] == ["a", "one two"]


def test_a_key_has_a_limit(make_app: MakeApp, engine: FakeEngine) -> None:
    client = make_app(jobs_per_key=1).test_client()
    Slow(engine)
    response = stream(client)
    first_text(response)
    refused = stream(client)
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (429, "too_many_jobs")
    assert refused.headers["Retry-After"]
    response.close()


def test_the_engine_is_lost_in_the_middle(served: FlaskClient, engine: FakeEngine) -> None:
    slow = Slow(engine)
    response = stream(served)
    seen, pieces = first_text(response)
    engine.restart("second")
    wait_until(lambda: len(slow.asked) == 2)
    slow.say("two", "stop")
    whole = seen + b"".join(pieces).decode()
    assert slow.asked[1].sent == {0: [1]}
    assert [number for number, _ in events(whole)] == list(range(len(events(whole))))


def test_the_file_that_tells_of_live_jobs_goes_with_the_last(
    served: FlaskClient, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.jobs.jobs.QUIET_SECONDS", 0.01)
    monkeypatch.setattr("webapp.jobs.jobs.EXPECTED_SECONDS", 0.0)
    name = id_of(stream(served).text)
    assert jobs._are_expected()
    gevent.sleep(0.02)
    jobs.leases.look_soon()
    wait_until(lambda: not jobs._are_expected())
    assert events(served.get(f"/v1/streams/{name}").text), "it is still kept"


def test_a_live_job_keeps_the_file(
    served: FlaskClient, jobs: Jobs, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.jobs.jobs.QUIET_SECONDS", 0.01)
    monkeypatch.setattr("webapp.jobs.jobs.EXPECTED_SECONDS", 0.0)
    slow = Slow(engine)
    response = stream(served)
    _, pieces = first_text(response)
    for _ in range(3):
        gevent.sleep(0.05)
        jobs.leases.tick(jobs._on_seen)
        assert jobs._are_expected()
    slow.say("two", "stop")
    assert b"".join(pieces).endswith(b"data: [DONE]\n\n")


def test_the_file_is_not_removed_while_a_job_may_be_about_to_be_stored(served: FlaskClient, jobs: Jobs) -> None:
    jobs.expect()
    jobs._on_seen(False)
    assert jobs._marker is not None
    assert jobs._marker.exists()


def test_ordinary_requests_make_no_job(served: FlaskClient, jobs: Jobs, engine: FakeEngine) -> None:
    engine.on_generate = complete
    served.post(CHAT, json={**BODIES[CHAT], "stream": True})
    served.post(CHAT, json=BODIES[CHAT])
    assert not jobs._are_expected()
    assert jobs._writing._database is None
