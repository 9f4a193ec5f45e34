"""An accepted request outlives its client's connection, its web worker and its engine: the text is the same, and every
event comes once.
"""

from collections.abc import Callable
from typing import Any

import httpx
import openai
import psutil
import pytest

from tests.e2e.resuming import CHAT, ENOUGH, RESPONSES, TEXT, Client, kill_workers, reload_web, restart_web
from tests.harness import Hearth, until

pytestmark = pytest.mark.field("resumable")

LONG: dict[str, Any] = {"temperature": 0, "ignore_eos": True, "max_tokens": 400}
COUNT: dict[str, Any] = {"messages": [{"role": "user", "content": "Count from 1 to 100."}], **LONG}
TALE: dict[str, Any] = {"prompt": "Once upon a time, in a land far away,", **LONG, "n": 2, "logprobs": 1}
ASKED = "Write a long story."


def whole_text(hearth: Hearth, path: str, body: dict[str, Any]) -> str:
    answer = hearth.post(path, body).json()
    if path == RESPONSES:
        found: str = answer["output"][0]["content"][0]["text"]
    else:
        choice = answer["choices"][0]
        found = choice["message"]["content"] if path == CHAT else choice["text"]
    return found


def settled(client: openai.OpenAI, name: str) -> Any:
    """The response once it has ended."""
    until(lambda: client.responses.retrieve(name).status not in ("queued", "in_progress"), 120, "it has ended")
    return client.responses.retrieve(name)


def test_the_sdk_answers_in_the_background(hearth: Hearth) -> None:
    client = hearth.openai()
    whole = client.responses.create(model="m", input="Who are you?", temperature=0)
    made = client.responses.create(model="m", input="Who are you?", temperature=0, background=True)
    assert made.status == "queued"
    done = settled(client, made.id)
    assert (done.status, done.output_text) == ("completed", whole.output_text)
    again = client.responses.create(model="m", input="Again, please.", previous_response_id=made.id, temperature=0)
    assert again.status == "completed"

    events = list(client.responses.create(model="m", input="Who are you?", temperature=0, background=True, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:3]] == ["response.created", "response.queued", "response.in_progress"]
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == whole.output_text
    rest = client.responses.retrieve(last.response.id, stream=True, starting_after=4)
    assert [event.model_dump() for event in rest] == [event.model_dump() for event in events[5:]]
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_the_sdk_cancels(hearth: Hearth) -> None:
    client = hearth.openai()
    made = client.responses.create(model="m", input=ASKED, background=True, extra_body={"temperature": 2})
    until(lambda: client.responses.retrieve(made.id).status != "queued", 30, "it has begun")
    cancelled = client.responses.cancel(made.id)
    assert cancelled.status in ("cancelled", "completed")
    until(lambda: hearth.live() == 0, 2, "it is aborted")
    assert client.responses.cancel(made.id).model_dump() == cancelled.model_dump()
    with pytest.raises(openai.NotFoundError):
        client.responses.cancel("resp_none")


@pytest.mark.parametrize(("path", "body"), [(CHAT, COUNT), (TEXT, TALE)], ids=["chat", "text"])
def test_a_lost_connection_loses_nothing(hearth: Hearth, path: str, body: dict[str, Any]) -> None:
    client = Client(hearth, path, body)
    assert len(client.events) == ENOUGH
    client.come_back()
    again = Client(hearth, path, body)
    again.come_back()
    assert client.text() == again.text() != ""
    assert client.text(1) == again.text(1)
    assert len([event for _, event in client.events if event["choices"][0]["finish_reason"]]) == body.get("n", 1)
    httpx.delete(f"{hearth.url}/v1/streams/{client.stream_id}").raise_for_status()
    assert hearth.get(f"/v1/streams/{client.stream_id}").status_code == 404


def kill_engine(hearth: Hearth) -> None:
    psutil.Process(hearth.welcome().pid).kill()


def outlive(hearth: Hearth, happen: Callable[[Hearth], object]) -> None:
    """Begin answers of every kind, let `happen` happen, and compare each answer with the uninterrupted one."""
    client = hearth.openai()
    story: dict[str, Any] = {"input": ASKED, "temperature": 0, "max_output_tokens": 400}
    expected = [whole_text(hearth, path, body) for path, body in ((CHAT, COUNT), (TEXT, TALE), (RESPONSES, story))]
    made = client.responses.create(model="m", background=True, **story)
    clients = [Client(hearth, path, body) for path, body in ((CHAT, COUNT), (TEXT, TALE), (RESPONSES, story))]
    happen(hearth)
    for each in clients:
        each.come_back()
    assert [each.text() for each in clients] == expected
    assert clients[1].text(1) == expected[1]
    assert settled(client, made.id).output_text == expected[2]
    assert settled(client, clients[2].stream_id).output_text == expected[2], "it is stored"


@pytest.mark.parametrize("happen", [kill_workers, restart_web, reload_web])
def test_jobs_outlive_web_workers(precise: Hearth, happen: Callable[[Hearth], object]) -> None:
    outlive(precise, happen)


def test_jobs_outlive_engines(mortal: Hearth) -> None:
    mortal.bring_up()
    outlive(mortal, kill_engine)
