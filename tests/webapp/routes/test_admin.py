"""/admin/requests: for those who have the admin key, and nobody else."""

from typing import Any, cast

import pytest
from flask.testing import FlaskClient

from schemas import wire
from tests.fake_engine import FakeEngine, welcome
from tests.webapp.conftest import MakeApp, wait_until
from tests.webapp.jobs.test_streams import Slow
from webapp.api_keys import ApiKey, digest, parse_keys
from webapp.engine import questions

ADMIN = {"Authorization": "Bearer root"}
LISTED = [
    wire.LiveSummary(name="chatcmpl-1", seconds=12.5, tenant="name:ann", user="u", sequences=2),
    wire.LiveSummary(name="cmpl-2", seconds=0.5),
]


@pytest.fixture
def operated(make_app: MakeApp, engine: FakeEngine) -> FlaskClient:
    message = welcome()
    message.features = [wire.REQUESTS]
    engine.on_hello = message
    engine.requests = LISTED
    admin = ApiKey("admin", digest(b"root"), "admin")
    return make_app(api_keys=parse_keys(["ann:sk-ann"]), admin_key=admin).test_client()


def test_the_requests_are_listed_with_the_names_of_their_keys(operated: FlaskClient) -> None:
    told = operated.get("/admin/requests", headers=ADMIN).get_json()
    assert told["total"] == 2
    assert told["data"] == [
        {"id": "chatcmpl-1", "object": "request", "age_seconds": 12.5, "key": "ann", "user": "u", "sequences": 2},
        {"id": "cmpl-2", "object": "request", "age_seconds": 0.5, "key": "-", "user": "", "sequences": 1},
    ]


def test_one_is_ended(operated: FlaskClient, engine: FakeEngine) -> None:
    for _ in range(2):  # an order is none of the questions whose answers are used again
        response = operated.delete("/admin/requests/chatcmpl-1", headers=ADMIN)
        assert response.get_json() == {"id": "chatcmpl-1", "object": "request", "ended": True}
    assert [message.name for message in engine.received if isinstance(message, wire.EndRequest)] == ["chatcmpl-1"] * 2


@pytest.mark.parametrize("name", ["chatcmpl-3", "%20", "x" * 200, "%C3%A4"])
def test_one_that_is_not_there_is_a_404(operated: FlaskClient, name: str) -> None:
    response = operated.delete(f"/admin/requests/{name}", headers=ADMIN)
    assert response.status_code == 404
    assert response.get_json()["error"]["code"] == "request_not_found"


@pytest.mark.parametrize("header", ["Bearer sk-ann", "Bearer roo", "Bearer root2", "root", ""])
def test_no_other_key_opens(operated: FlaskClient, engine: FakeEngine, header: str) -> None:
    for response in (
        operated.get("/admin/requests", headers={"Authorization": header}),
        operated.delete("/admin/requests/chatcmpl-1", headers={"Authorization": header}),
        operated.get("/admin/nothing", headers={"Authorization": header}),
    ):
        assert response.status_code == 401
        assert response.get_json()["error"]["code"] == "invalid_admin_key"
    assert not any(isinstance(message, wire.AskRequests | wire.EndRequest) for message in engine.received)


def test_the_admin_key_opens_nothing_else(operated: FlaskClient) -> None:
    assert operated.get("/v1/models", headers=ADMIN).status_code == 401


def test_without_an_admin_key_nobody_may(served: FlaskClient) -> None:
    for response in (served.get("/admin/requests", headers=ADMIN), served.delete("/admin/requests/chatcmpl-1")):
        assert response.status_code == 403
        assert response.get_json()["error"]["code"] == "no_admin_key"


def test_an_older_engine_is_named(operated: FlaskClient, engine: FakeEngine) -> None:
    engine.on_hello = welcome()
    response = operated.get("/admin/requests", headers=ADMIN)
    assert (response.status_code, response.get_json()["error"]["code"]) == (503, "engine_too_old")


def test_an_engine_that_says_nothing_holds_nobody_up(
    operated: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "ASK_SECONDS", 0.05)
    operated.get("/health")
    engine.silent = True
    assert operated.get("/admin/requests", headers=ADMIN).status_code == 503
    assert operated.delete("/admin/requests/chatcmpl-1", headers=ADMIN).status_code == 503


ANN = {"Authorization": "Bearer sk-ann"}


def background(client: FlaskClient) -> str:
    made = client.post("/v1/responses", json={"input": "a", "background": True}, headers=ANN).get_json()
    return str(made["id"])


def jobs(client: FlaskClient) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", client.get("/admin/jobs", headers=ADMIN).get_json()["data"])


def test_background_answers_are_listed_as_far_as_they_are_and_ended(operated: FlaskClient, engine: FakeEngine) -> None:
    assert jobs(operated) == []
    slow = Slow(engine)
    name = background(operated)
    wait_until(lambda: [job["tokens"] for job in jobs(operated)] == [1])
    (job,) = jobs(operated)
    assert 0 <= job.pop("age_seconds") < 20
    assert job == {"id": name, "object": "job", "state": "in_progress", "key": "ann", "tokens": 1}
    slow.say("two")
    wait_until(lambda: jobs(operated)[0]["tokens"] == 2)
    assert operated.get("/admin/jobs", headers=ADMIN).get_json()["total"] == 1
    response = operated.delete(f"/admin/jobs/{name}", headers=ADMIN)
    assert response.get_json() == {"id": name, "object": "job", "ended": True}
    assert operated.get(f"/v1/responses/{name}", headers=ANN).get_json()["status"] == "cancelled"
    assert jobs(operated) == []
    again = operated.delete(f"/admin/jobs/{name}", headers=ADMIN)
    assert (again.status_code, again.get_json()["error"]["code"]) == (404, "job_not_found")


@pytest.mark.parametrize("name", ["resp_3", "%20", "x" * 200, "%C3%A4"])
def test_a_job_that_is_not_there_is_a_404(operated: FlaskClient, name: str) -> None:
    response = operated.delete(f"/admin/jobs/{name}", headers=ADMIN)
    assert (response.status_code, response.get_json()["error"]["code"]) == (404, "job_not_found")


def test_jobs_are_for_the_admin_key_alone(operated: FlaskClient) -> None:
    for response in (operated.get("/admin/jobs", headers=ANN), operated.delete("/admin/jobs/resp_1", headers=ANN)):
        assert (response.status_code, response.get_json()["error"]["code"]) == (401, "invalid_admin_key")
