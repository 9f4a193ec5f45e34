"""Ids in URLs that no conversation and no response can have: a 404, without a look into the database."""

import pytest
from flask.testing import FlaskClient

from tests.webapp.conftest import MakeApp
from webapp.conversations.conversations import Conversations

CONVERSATIONS, RESPONSES = "/v1/conversations", "/v1/responses"
UNUSABLE = ["%00", "a%00b", "%1F", "%1Fresp_1", "a%0Ab", "%7F", "%E2%80%8B", "a" * 256, "%FF%00"]


@pytest.fixture
def closed(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A client of a server whose database must not be used."""

    def refuse(*_: object) -> None:
        raise AssertionError("the database is used")

    monkeypatch.setattr(Conversations, "_call", refuse)
    return make_app().test_client()


@pytest.mark.parametrize("name", UNUSABLE, ids=range(len(UNUSABLE)))
@pytest.mark.parametrize(
    ("method", "url", "end"),
    [
        ("GET", CONVERSATIONS, ""),
        ("DELETE", CONVERSATIONS, ""),
        ("GET", CONVERSATIONS, "/items"),
        ("GET", CONVERSATIONS, "/items/msg_1"),
        ("DELETE", CONVERSATIONS, "/items/msg_1"),
        ("GET", RESPONSES, ""),
        ("DELETE", RESPONSES, ""),
        ("GET", RESPONSES, "/input_items"),
        ("POST", RESPONSES, "/cancel"),
    ],
)
def test_it_is_a_404_before_the_database(closed: FlaskClient, method: str, url: str, end: str, name: str) -> None:
    response = closed.open(f"{url}/{name}{end}", method=method)

    assert response.status_code == 404
    assert response.get_json()["error"]["code"] in ("conversation_not_found", "response_not_found", "unknown_url")


def test_a_previous_response_too(closed: FlaskClient) -> None:
    response = closed.post(RESPONSES, json={"input": "Hello", "previous_response_id": "a\0b"})

    assert (response.status_code, response.get_json()["error"]["param"]) == (400, "previous_response_id")


def test_a_reference_too(closed: FlaskClient) -> None:
    response = closed.post(RESPONSES, json={"input": [{"type": "item_reference", "id": "a\0b"}]})

    assert (response.status_code, response.get_json()["error"]["code"]) == (404, "item_not_found")


def test_a_response_is_no_conversation(served: FlaskClient) -> None:
    made = served.post(RESPONSES, json={"input": "Hello"}).get_json()["id"]

    assert served.get(f"{RESPONSES}/{made}").status_code == 200
    assert served.get(f"{CONVERSATIONS}/%1F{made}").status_code == 404
    assert served.delete(f"{CONVERSATIONS}/%1F{made}").status_code == 404
    assert served.get(f"{RESPONSES}/{made}").status_code == 200
