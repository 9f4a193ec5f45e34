"""Background responses over HTTP, with a scripted engine."""

import time
from typing import Any

import gevent
import msgspec
import pytest
from flask.testing import FlaskClient
from openai.types.responses import Response
from prometheus_client import REGISTRY

from schemas import wire
from tests.fake_engine import FakeEngine, complete
from tests.sdk_types import check
from tests.webapp.asking import hold
from tests.webapp.conftest import MakeApp, wait_until
from tests.webapp.jobs.test_streams import Slow, events
from webapp.api_keys import parse_keys
from webapp.jobs import run
from webapp.jobs.job import Job
from webapp.jobs.jobs import Jobs

URL = "/v1/responses"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "GROUP_SECONDS", 0.001)
    monkeypatch.setattr(run, "STORE_PAUSE", 0.01)
    monkeypatch.setattr(run, "BUSY_SECONDS", 0.01)


def ask(client: FlaskClient, **fields: Any) -> Any:
    return client.post(URL, json={"input": "a", "background": True, **fields})


def got(client: FlaskClient, name: str) -> Any:
    return client.get(f"{URL}/{name}").get_json()


def settled(client: FlaskClient, name: str) -> Any:
    wait_until(lambda: got(client, name)["status"] not in ("queued", "in_progress"))
    return got(client, name)


def test_it_is_answered_without_the_client(served: FlaskClient) -> None:
    made = ask(served).get_json()
    check(Response, made)
    assert (made["status"], made["output"], made["background"], made["usage"]) == ("queued", [], True, None)

    done = settled(served, made["id"])
    check(Response, done)
    assert done["status"] == "completed"
    assert done["output"][0]["content"][0]["text"] == "one two"
    assert {name: done[name] for name in ("id", "created_at", "model")} == {
        name: made[name] for name in ("id", "created_at", "model")
    }
    inputs = served.get(f"{URL}/{made['id']}/input_items").get_json()["data"]
    assert [item["content"][0]["text"] for item in inputs] == ["a"]


def counted(name: str, status: int) -> float:
    found = REGISTRY.get_sample_value(f"{name}_total", {"path": URL, "status": str(status)})
    return found or 0.0


def waited() -> float:
    """How many TTFTs have been measured."""
    return REGISTRY.get_sample_value("hearth_time_to_first_token_seconds_count", {"path": URL}) or 0.0


def test_it_counts_once_among_the_responses_and_once_among_what_nobody_waits_for(served: FlaskClient) -> None:
    names = ("hearth_http_requests", "hearth_background_requests")
    before, waits = [counted(name, 200) for name in names], waited()
    made = ask(served).get_json()
    wait_until(lambda: counted(names[1], 200) > before[1])
    after = [counted(name, 200) for name in names]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1]
    assert waited() == waits, "the TTFT of what nobody waits for would hide that of the others"
    settled(served, made["id"])


def test_what_it_fails_with_is_named_as_its_api_does(served: FlaskClient, engine: FakeEngine) -> None:
    def refuse(engine: FakeEngine, generate: wire.Generate) -> None:
        engine.send(wire.Failed(id=generate.id, status=400, message="`messages` is too long.", param="messages"))

    engine.on_generate = refuse
    name = ask(served).get_json()["id"]
    done = settled(served, name)
    assert (done["status"], done["error"]["message"]) == ("failed", "`input` is too long.")
    assert "`input` is too long." in served.get(f"{URL}/{name}?stream=true").text


def test_it_is_shown_while_it_runs(served: FlaskClient, engine: FakeEngine) -> None:
    slow = Slow(engine)
    name = ask(served).get_json()["id"]
    wait_until(lambda: got(served, name)["output"])
    running = got(served, name)
    check(Response, running)
    assert (running["status"], running["output"][0]["content"][0]["text"]) == ("in_progress", "one ")
    assert [item["role"] for item in served.get(f"{URL}/{name}/input_items").get_json()["data"]] == ["user"]
    slow.say("two", "length")
    assert settled(served, name)["status"] == "incomplete"


def test_it_is_cancelled_while_it_waits_for_an_engine(
    served: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "BUSY_SECONDS", 0.5)

    def refuse(engine: FakeEngine, generate: wire.Generate) -> None:
        engine.send(wire.Failed(id=generate.id, status=429, message="Full.", code="queue_full"))

    engine.on_generate = refuse
    name = ask(served).get_json()["id"]
    wait_until(lambda: engine.messages(wire.Generate))
    gevent.sleep(0.1)  # it has heard the refusal
    assert served.post(f"{URL}/{name}/cancel").get_json()["status"] == "cancelled"
    assert len(engine.messages(wire.Generate)) == 1, "the engine is not asked again"


def test_it_is_gone_on_from(served: FlaskClient, engine: FakeEngine) -> None:
    name = ask(served).get_json()["id"]
    settled(served, name)
    served.post(URL, json={"input": "b", "previous_response_id": name})
    assert [message["content"] for message in engine.messages(wire.Generate)[-1].messages or ()] == [
        "a",
        "one two",
        "b",
    ]


def test_its_conversation_gets_one_turn(served: FlaskClient) -> None:
    settled(served, ask(served, conversation="42").get_json()["id"])
    messages = served.get("/v1/conversations/42").get_json()["messages"]
    assert [message["content"] for message in messages] == ["a", "one two"]


def test_its_stream_is_told_from_the_beginning(served: FlaskClient) -> None:
    whole = ask(served, stream=True).text
    kinds = [rest.partition("\n")[0].removeprefix("event: ") for _, rest in events(whole)]
    assert kinds[:4] == ["response.created", "response.queued", "response.in_progress", "response.output_item.added"]
    assert kinds[-1] == "response.completed"
    told = [msgspec.json.decode(rest.partition("data: ")[2]) for _, rest in events(whole)]
    assert [event["sequence_number"] for event in told] == [number for number, _ in events(whole)]
    assert told[-1]["response"] == got(served, told[0]["response"]["id"])

    later = f"{URL}/{told[0]['response']['id']}?stream=true"
    assert served.get(later).text == whole
    assert events(served.get(f"{later}&starting_after=3").text) == events(whole)[4:]
    refused = served.get(f"{later}&starting_after=99")
    assert (refused.status_code, refused.get_json()["error"]["param"]) == (400, "starting_after")


def test_another_responses_events_are_not_kept(served: FlaskClient) -> None:
    stored = served.post(URL, json={"input": "a"}).get_json()["id"]
    refused = served.get(f"{URL}/{stored}?stream=true")
    assert (refused.status_code, refused.get_json()["error"]["param"]) == (400, "stream")
    assert served.get(f"{URL}/resp_none?stream=true").status_code == 404


def test_it_is_cancelled_and_again(served: FlaskClient, engine: FakeEngine) -> None:
    Slow(engine)
    name = ask(served).get_json()["id"]
    wait_until(lambda: got(served, name)["output"])
    cancelled = served.post(f"{URL}/{name}/cancel").get_json()
    check(Response, cancelled)
    assert (cancelled["status"], cancelled["output"][0]["status"]) == ("cancelled", "incomplete")
    assert len(engine.messages(wire.Abort)) == 1
    assert served.post(f"{URL}/{name}/cancel").get_json() == cancelled
    assert got(served, name) == cancelled


def test_what_has_ended_is_not_cancelled(served: FlaskClient) -> None:
    done = settled(served, ask(served).get_json()["id"])
    assert served.post(f"{URL}/{done['id']}/cancel").get_json() == done


def test_only_what_runs_in_the_background_is_cancelled(served: FlaskClient) -> None:
    made = served.post(URL, json={"input": "a"}).get_json()
    refused = served.post(f"{URL}/{made['id']}/cancel")
    assert (refused.status_code, refused.get_json()["error"]["param"]) == (400, "response_id")
    assert served.post(f"{URL}/resp_none/cancel").status_code == 404


def test_deleting_it_cancels_it(served: FlaskClient, engine: FakeEngine) -> None:
    Slow(engine)
    name = ask(served).get_json()["id"]
    wait_until(lambda: got(served, name)["output"])
    assert served.delete(f"{URL}/{name}").get_json()["deleted"]
    wait_until(lambda: engine.messages(wire.Abort))
    for path in ("", "?stream=true", "/input_items"):
        assert served.get(f"{URL}/{name}{path}").status_code == 404
    assert served.delete(f"{URL}/{name}").status_code == 404


def test_a_complete_one_is_deleted_whole(served: FlaskClient) -> None:
    name = settled(served, ask(served).get_json()["id"])["id"]
    assert served.delete(f"{URL}/{name}").status_code == 200
    assert served.get(f"{URL}/{name}").status_code == 404
    assert served.get(f"{URL}/{name}?stream=true").status_code == 404


def test_a_refusal_is_a_failed_response(served: FlaskClient, engine: FakeEngine) -> None:
    def refuse(engine: FakeEngine, generate: wire.Generate) -> None:
        engine.send(wire.Failed(generate.id, 400, "Too long.", code="context_length_exceeded", param="input"))

    engine.on_generate = refuse
    failed = settled(served, ask(served).get_json()["id"])
    check(Response, failed)
    assert (failed["status"], failed["error"]["message"]) == ("failed", "Too long.")
    assert failed["error"]["code"] == "invalid_prompt"


def test_a_full_queue_is_waited_for(served: FlaskClient, engine: FakeEngine) -> None:
    refusals = iter(range(3))

    def full(engine: FakeEngine, generate: wire.Generate) -> None:
        if next(refusals, None) is None:
            complete(engine, generate)
        else:
            engine.send(wire.Failed(generate.id, 429, "Full.", "rate_limit_error", "queue_full", retry_after=1))

    engine.on_generate = full
    assert settled(served, ask(served).get_json()["id"])["status"] == "completed"


def test_it_must_be_stored(served: FlaskClient) -> None:
    refused = ask(served, store=False)
    assert (refused.status_code, refused.get_json()["error"]["param"]) == (400, "background")


def test_some_run_and_the_others_wait_in_order(make_app: MakeApp, engine: FakeEngine) -> None:
    client = make_app(jobs_at_once=2).test_client()
    engine.on_generate = hold
    names = [ask(client).get_json()["id"] for _ in range(4)]
    wait_until(lambda: len(engine.messages(wire.Generate)) == 2)
    gevent.sleep(1.2)
    assert [generate.name for generate in engine.messages(wire.Generate)] == names[:2]
    assert [got(client, name)["status"] for name in names] == ["in_progress"] * 2 + ["queued"] * 2
    for begun, generate in enumerate(engine.messages(wire.Generate), start=3):
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "x", [1], "stop")]))
        wait_until(lambda begun=begun: len(engine.messages(wire.Generate)) == begun)  # type: ignore[misc]
    assert [generate.name for generate in engine.messages(wire.Generate)] == names


def test_a_queued_one_is_cancelled_at_once(make_app: MakeApp, engine: FakeEngine) -> None:
    client = make_app(jobs_at_once=1).test_client()
    engine.on_generate = hold
    _, second = (ask(client).get_json()["id"] for _ in range(2))
    wait_until(lambda: engine.messages(wire.Generate))
    assert client.post(f"{URL}/{second}/cancel").get_json()["status"] == "cancelled"
    kinds = [rest.partition("\n")[0] for _, rest in events(client.get(f"{URL}/{second}?stream=true").text)]
    assert kinds == [f"event: response.{kind}" for kind in ("created", "queued", "in_progress", "cancelled")]


def test_it_belongs_to_its_key(make_app: MakeApp, engine: FakeEngine) -> None:
    client = make_app(api_keys=parse_keys(["sk-first", "sk-second"])).test_client()
    ann, bob = ({"Authorization": f"Bearer {key}"} for key in ("sk-first", "sk-second"))
    Slow(engine)
    name = client.post(URL, json={"input": "a", "background": True}, headers=ann).get_json()["id"]
    for method, path in (("GET", ""), ("GET", "?stream=true"), ("DELETE", ""), ("POST", "/cancel")):
        assert client.open(f"{URL}/{name}{path}", method=method, headers=bob).status_code == 404
    assert client.get(f"{URL}/{name}", headers=ann).status_code == 200
    assert engine.messages(wire.Abort) == []


def test_a_key_has_a_limit(make_app: MakeApp, engine: FakeEngine) -> None:
    client = make_app(jobs_per_key=2).test_client()
    engine.on_generate = hold
    assert [ask(client).status_code for _ in range(3)] == [200, 200, 429]


def test_the_database_is_full(served: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, *arguments: Any) -> Any:
        raise OSError("no space left")

    jobs: Jobs = served.application.extensions["hearth.jobs"]
    monkeypatch.setattr(jobs._writing, "call", broken)
    refused = ask(served)
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (503, "job_store_unavailable")
    assert engine.messages(wire.Generate) == []


def test_what_an_older_release_has_stored_and_nobody_can_read_fails(served: FlaskClient) -> None:
    jobs: Jobs = served.application.extensions["hearth.jobs"]
    settled(served, ask(served).get_json()["id"])
    jobs._writing.call("add", Job(id="resp_0", scope="anyone", kind="background", request=b"\xc1"), 9)
    jobs.leases.look_soon()
    wait_until(lambda: jobs.find("anyone", "resp_0").state == "failed")  # type: ignore[union-attr]


def test_old_jobs_are_swept(make_app: MakeApp, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make_app(retention_hours=1).test_client()
    jobs: Jobs = client.application.extensions["hearth.jobs"]
    name = settled(client, ask(client).get_json()["id"])["id"]
    jobs.sweep()
    assert client.get(f"{URL}/{name}?stream=true").status_code == 200
    now = time.time
    monkeypatch.setattr("webapp.jobs.jobs.time.time", lambda: now() + 3700)
    jobs.sweep()
    assert client.get(f"{URL}/{name}?stream=true").status_code == 400
    assert client.get(f"{URL}/{name}").status_code == 200, "the response itself stays"
    assert got(client, name)["status"] == "completed", "it stays as long as conversations do"
