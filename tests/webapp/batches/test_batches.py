"""A batch from its file to its results: every line is answered once, and what is wrong is said where OpenAI says it."""

import json
import time
from functools import partial
from typing import Any

import pytest
from openai.types import Batch, FileObject

from schemas import wire
from tests.fake_engine import FakeEngine, complete, welcome
from tests.sdk_types import check
from tests.webapp.asking import hold
from tests.webapp.batches.conftest import CHAT, MakeWeb, Web, line, some
from tests.webapp.conftest import wait_until
from webapp.api_keys import parse_keys


def names(results: list[dict[str, Any]]) -> list[str]:
    return [result["custom_id"] for result in results]


def answered(web: Web, batch: str, count: int) -> bool:
    return bool(web.get(batch)["request_counts"]["completed"] == count)


def test_every_line_is_answered_in_its_place(web: Web) -> None:
    made = web.get(web.make(some(3), metadata={"a": "b"}))
    batch = web.ended(made["id"])
    assert (batch["status"], batch["errors"], batch["metadata"]) == ("completed", None, {"a": "b"})
    assert batch["request_counts"] == {"total": 3, "completed": 3, "failed": 0}
    assert batch["error_file_id"] is None
    assert batch["in_progress_at"] and batch["completed_at"] and batch["finalizing_at"]
    assert batch["expires_at"] - batch["created_at"] == 24 * 3600
    assert (batch["usage"]["input_tokens"], batch["usage"]["output_tokens"]) == (21, 6)
    results = web.results(batch["output_file_id"])
    assert names(results) == ["q0", "q1", "q2"]
    for result in results:
        response = result["response"]
        assert (result["error"], response["status_code"]) == (None, 200)
        assert response["body"]["choices"][0]["message"]["content"] == "one two"
        assert response["request_id"] == response["body"]["id"]
    output = web.client.get(f"/v1/files/{batch['output_file_id']}").get_json()
    check(FileObject, output)
    assert (output["purpose"], output["filename"]) == ("batch_output", f"{batch['id']}_output.jsonl")


@pytest.mark.parametrize(
    ("endpoint", "body", "object_"),
    [
        ("/v1/completions", {"prompt": "Once"}, "text_completion"),
        ("/v1/responses", {"input": "Hello", "instructions": "Be brief."}, "response"),
        ("/v1/embeddings", {"input": ["a", "b"]}, "list"),
    ],
)
def test_every_endpoint_has_its_own_shape(web: Web, engine: FakeEngine, endpoint: str, body: Any, object_: str) -> None:
    def vectors(running: FakeEngine, generate: wire.Generate) -> None:
        if not generate.embed:
            return complete(running, generate)
        running.send(wire.Accepted(id=generate.id, prompt_tokens=7))
        for index in range(generate.choices):
            delta = wire.Delta(generate.id, index, "", [], "stop", vector=b"\0\0\0\0")
            running.send(wire.Deltas(batch=[delta]))
        return None

    engine.on_generate = vectors
    batch = web.answered(line("a", endpoint, **body), endpoint=endpoint)
    assert batch["status"] == "completed"
    (result,) = web.results(batch["output_file_id"])
    assert result["response"]["body"]["object"] == object_


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + line("q0") + b"\r\n" + line("q1") + b"\r\n",
        b"\n\n" + line("q0") + b"\n  \n" + line("q1"),
        line("q0") + b"\n" + line("q1") + b"\r",
    ],
    ids=["a mark and CRLF", "empty lines and no last end", "a lone CR"],
)
def test_a_file_as_editors_write_it(web: Web, content: bytes) -> None:
    batch = web.answered(content)
    assert names(web.results(batch["output_file_id"])) == ["q0", "q1"]


@pytest.mark.parametrize(
    ("content", "code", "number"),
    [
        (b"", "empty_file", None),
        (b"\r\n \n", "empty_file", None),
        (b"no JSON", "invalid_json_line", 1),
        (line("a") + b"\n\xff\xfe\n", "invalid_json_line", 2),
        ('{"custom_id": "a"}'.encode("utf-16"), "invalid_json_line", 1),
        (line("a") + b"\n\n" + line("a"), "duplicate_custom_id", 3),
        (line("a", "/v1/completions", prompt="x"), "invalid_url", 1),
        (b'{"custom_id": "a", "method": "POST", "url": "%b"}' % CHAT.encode(), "missing_required_parameter", 1),
        (line("a", messages=[{"role": "user", "content": "x" * 70_000}]), "line_too_long", 1),
    ],
    ids=["empty", "blank", "no JSON", "no UTF-8", "UTF-16", "twice", "another url", "no body", "too long"],
)
def test_a_file_that_is_no_batch_fails_before_a_line_is_answered(
    make_web: MakeWeb, engine: FakeEngine, content: bytes, code: str, number: int | None
) -> None:
    web = make_web(max_body_bytes=65_536)
    batch = web.answered(content)
    assert (batch["status"], batch["output_file_id"], batch["error_file_id"]) == ("failed", None, None)
    assert batch["failed_at"]
    error = batch["errors"]["data"][0]
    assert (error["code"], error["line"]) == (code, number)
    assert engine.messages(wire.Generate) == []


def test_too_many_lines_and_too_many_errors(make_web: MakeWeb) -> None:
    web = make_web(batch_max_lines=200)
    assert web.answered(b"{}\n" * 201)["errors"]["data"][0]["code"] == "missing_required_parameter"
    assert web.answered(some(201))["errors"]["data"][0]["code"] == "too_many_requests"
    assert len(web.answered(b"{}\n" * 1_000_000)["errors"]["data"]) == 100
    assert web.answered(some(200))["status"] == "completed"


@pytest.mark.parametrize(
    ("endpoint", "body", "param"),
    [
        (CHAT, {"prompt": "x"}, "messages"),
        (CHAT, {"messages": [{"role": "user", "content": "x"}], "stream": True}, "stream"),
        (CHAT, {"messages": [{"role": "user", "content": "x"}], "conversation_id": "c"}, "conversation_id"),
        (CHAT, {"messages": [{"role": "user", "content": "x"}], "temperature": 9}, "temperature"),
        ("/v1/completions", {"messages": []}, "prompt"),
        ("/v1/embeddings", {}, "input"),
        ("/v1/responses", {"input": "x", "stream": True}, "stream"),
        ("/v1/responses", {"input": "x", "previous_response_id": "resp_1"}, "previous_response_id"),
        ("/v1/responses", {"input": "x", "conversation": "c"}, "conversation"),
        ("/v1/responses", {"input": [{"type": "item_reference", "id": "msg_1"}]}, "input"),
        ("/v1/responses", {"input": "x", "truncation": "auto"}, "truncation"),
    ],
)
def test_a_body_that_is_refused_is_an_error_of_its_line(web: Web, endpoint: str, body: Any, param: str) -> None:
    batch = web.answered(line("a", endpoint, **body), endpoint=endpoint)
    assert (batch["status"], batch["output_file_id"]) == ("completed", None)
    assert batch["request_counts"] == {"total": 1, "completed": 0, "failed": 1}
    (result,) = web.results(batch["error_file_id"])
    assert (result["custom_id"], result["error"], result["response"]["status_code"]) == ("a", None, 400)
    assert result["response"]["body"]["error"]["param"] == param


def test_what_the_engine_refuses_is_an_error_of_its_line_alone(make_web: MakeWeb, engine: FakeEngine) -> None:
    web = make_web(batch_at_once=1)

    def refuse_second(running: FakeEngine, generate: wire.Generate) -> None:
        if len(running.messages(wire.Generate)) == 2:
            running.send(wire.Failed(id=generate.id, status=400, message="too long", param="messages"))
        else:
            complete(running, generate)

    engine.on_generate = refuse_second
    batch = web.answered(some(3))
    assert batch["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    assert names(web.results(batch["output_file_id"])) == ["q0", "q2"]
    assert web.results(batch["error_file_id"])[0]["response"]["body"]["error"]["param"] == "messages"


def test_a_batch_keeps_to_the_model_that_it_began_with(make_web: MakeWeb, engine: FakeEngine) -> None:
    """Not to its files: an operator may give a better one the same name. An adapter is a model of its own."""
    web = make_web(batch_at_once=1)
    engine.on_hello = first = welcome()
    first.adapters = ["tuned", "other"]
    engine.send(first)

    def change_after_two(running: FakeEngine, generate: wire.Generate) -> None:
        count = len(running.messages(wire.Generate))
        if count == 2:
            running.on_hello = changed = welcome()
            changed.fingerprint, changed.adapters = "f2", ["other"]
            running.send(changed)
        elif count == 4:
            running.on_hello = replaced = welcome()
            replaced.served_names = ["larger"]
            running.send(replaced)
        complete(running, generate)

    engine.on_generate = change_after_two
    hello: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
    asked = ["tuned", "any", "tuned", "other", "any", "fake", "larger"]
    content = b"\n".join(line(f"q{n}", model=name, **hello) for n, name in enumerate(asked))
    batch = web.answered(content)
    assert (batch["status"], batch["model"]) == ("completed", "fake")
    assert names(web.results(batch["output_file_id"])) == ["q0", "q1", "q3", "q4"]
    errors = web.results(batch["error_file_id"])
    assert names(errors) == ["q2", "q5", "q6"]
    assert {each["response"]["body"]["error"]["code"] for each in errors} == {"model_not_found"}
    told = [each["response"]["body"]["error"]["message"] for each in errors]
    assert ["'tuned'" in told[0], "'fake'" in told[1], "'fake'" in told[2]] == [True] * 3


def test_a_full_queue_is_waited_for(web: Web, engine: FakeEngine) -> None:
    def refuse_first(running: FakeEngine, generate: wire.Generate) -> None:
        if len(running.messages(wire.Generate)) == 1:
            running.send(wire.Failed(id=generate.id, status=429, message="full", code="queue_full", retry_after=1))
        else:
            complete(running, generate)

    engine.on_generate = refuse_first
    assert web.answered(some(2))["request_counts"] == {"total": 2, "completed": 2, "failed": 0}


def test_no_more_lines_than_allowed_are_in_the_engine(make_web: MakeWeb, engine: FakeEngine) -> None:
    engine.on_generate = hold
    web = make_web(batch_at_once=3)
    batch = web.make(some(9))
    wait_until(lambda: len(engine.messages(wire.Generate)) == 3)
    for number in range(9):
        request = engine.messages(wire.Generate)[number]
        engine.send(wire.Deltas(batch=[wire.Delta(request.id, 0, "x", [1], "stop")]))
        wait_until(partial(answered, web, batch, number + 1))
        assert len(engine.messages(wire.Generate)) <= number + 4
    assert web.ended(batch)["status"] == "completed"


def test_a_batch_that_is_cancelled_keeps_what_it_has(make_web: MakeWeb, engine: FakeEngine) -> None:
    def answer_one(running: FakeEngine, generate: wire.Generate) -> None:
        (complete if len(running.messages(wire.Generate)) == 1 else hold)(running, generate)

    engine.on_generate = answer_one
    web = make_web(batch_at_once=1)
    made = web.make(some(5))
    wait_until(lambda: len(engine.messages(wire.Generate)) == 2)
    for _ in range(2):
        told = web.client.post(f"/v1/batches/{made}/cancel").get_json()
        check(Batch, told)
        assert told["status"] in ("cancelling", "cancelled")
    batch = web.ended(made)
    assert batch["status"] == "cancelled"
    assert batch["cancelling_at"] and batch["cancelled_at"]
    assert names(web.results(batch["output_file_id"])) == ["q0"]
    wait_until(lambda: engine.messages(wire.Abort))
    assert web.client.post(f"/v1/batches/{made}/cancel").get_json()["status"] == "cancelled"


def test_what_has_ended_cannot_be_cancelled(web: Web) -> None:
    batch = web.answered(some(1))
    response = web.client.post(f"/v1/batches/{batch['id']}/cancel")
    assert (response.status_code, response.get_json()["error"]["param"]) == (400, "id")


def test_a_batch_that_nobody_has_begun_is_cancelled_at_once(make_web: MakeWeb, engine: FakeEngine) -> None:
    engine.on_hello = None
    web = make_web(connected=False)
    made = web.make(some(1))
    assert web.client.post(f"/v1/batches/{made}/cancel").get_json()["status"] == "cancelled"
    assert web.get(made)["output_file_id"] is None


def test_lines_that_come_too_late_are_errors(
    make_web: MakeWeb, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.on_generate = hold
    web = make_web(batch_at_once=1)
    made = web.make(some(4), completion_window="1m")
    wait_until(lambda: engine.messages(wire.Generate))
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    engine.on_generate = complete
    engine.send(wire.Deltas(batch=[wire.Delta(engine.messages(wire.Generate)[0].id, 0, "x", [1], "stop")]))
    batch = web.ended(made)
    assert (batch["status"], batch["expired_at"] is not None) == ("expired", True)
    assert batch["request_counts"] == {"total": 4, "completed": 1, "failed": 3}
    late = web.results(batch["error_file_id"])
    assert names(late) == ["q1", "q2", "q3"]
    assert {result["error"]["code"] for result in late} == {"batch_expired"}


def test_a_file_that_is_deleted_is_read_to_its_end(make_web: MakeWeb, engine: FakeEngine) -> None:
    engine.on_generate = hold
    web = make_web(batch_at_once=1)
    made = web.make(some(3))
    wait_until(lambda: engine.messages(wire.Generate))
    file = web.get(made)["input_file_id"]
    assert web.client.delete(f"/v1/files/{file}").get_json()["deleted"]
    web.client.application.extensions["hearth.files"].sweep()
    engine.on_generate = complete
    engine.send(wire.Deltas(batch=[wire.Delta(engine.messages(wire.Generate)[0].id, 0, "x", [1], "stop")]))
    assert web.ended(made)["request_counts"]["completed"] == 3
    files = web.client.application.extensions["hearth.files"]
    files.sweep()
    assert files._database.call("gone", 10) == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input_file_id": "file-none"}, "input_file_id"),
        ({"input_file_id": 7}, "input_file_id"),
        ({"endpoint": "/v1/moderations"}, "endpoint"),
        ({"completion_window": "soon"}, "completion_window"),
        ({"completion_window": "31d"}, "completion_window"),
        ({"metadata": {"a": "x" * 600}}, "metadata.a"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, "output_expires_after.seconds"),
    ],
)
def test_a_bad_request_is_refused_by_name(web: Web, body: dict[str, Any], param: str) -> None:
    response = web.post(**{"input_file_id": web.upload(some(1)), **body})
    assert (response.status_code, response.get_json()["error"]["param"]) == (400, param)


def test_only_files_for_batches_are_taken(web: Web) -> None:
    response = web.post(input_file_id=web.upload(some(1), "user_data"))
    assert response.get_json()["error"]["code"] == "file_not_found"


def test_a_key_has_its_own_batches_and_so_many_of_them(make_web: MakeWeb, engine: FakeEngine) -> None:
    engine.on_generate = hold
    web = make_web(jobs_per_key=2, api_keys=parse_keys(["ann:sk-ann", "bob:sk-bob"]))
    web.client.environ_base["HTTP_AUTHORIZATION"] = "Bearer sk-ann"
    first, second = (web.make(some(1)) for _ in range(2))
    full = web.post(input_file_id=web.upload(some(1)))
    assert (full.status_code, full.headers["Retry-After"]) == (429, "30")
    listed = web.client.get("/v1/batches").get_json()
    assert [batch["id"] for batch in listed["data"]] == [second, first]
    page = web.client.get("/v1/batches", query_string={"limit": 1}).get_json()
    assert page["has_more"]
    rest = web.client.get("/v1/batches", query_string={"after": page["last_id"]}).get_json()
    assert [batch["id"] for batch in rest["data"]] == [first]
    wait_until(lambda: engine.messages(wire.Generate))
    assert engine.messages(wire.Generate)[0].request_id in (first, second), "the engine's log names the batch"
    file = web.get(first)["input_file_id"]
    web.client.environ_base["HTTP_AUTHORIZATION"] = "Bearer sk-bob"
    assert web.client.get("/v1/batches").get_json()["data"] == []
    assert web.client.get(f"/v1/batches/{first}").status_code == 404
    assert web.client.post(f"/v1/batches/{first}/cancel").status_code == 404
    assert web.post(input_file_id=file).status_code == 400


def test_no_path_holds_up_the_database(web: Web) -> None:
    for name in ("x" * 5000, "é", "a b", "%00"):
        assert web.client.get(f"/v1/batches/{name}").status_code == 404
        assert web.client.post(f"/v1/batches/{name}/cancel").status_code == 404


def test_a_line_of_megabytes(web: Web) -> None:
    long = json.dumps({"custom_id": "a", "method": "POST", "url": CHAT, "body": {"x": "y" * 900_000}}).encode()
    batch = web.answered(long)
    assert web.results(batch["error_file_id"])[0]["response"]["body"]["error"]["param"] == "messages"
