"""`truncation` of a response: which messages are left out of a conversation that is too long."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from schemas import wire
from tests.fake_engine import FakeEngine, complete

URL = "/v1/responses"
CONTEXT = 512
"""Of the fake engine. A quarter of it is kept for the answer."""


def count_tens(engine: FakeEngine, generate: wire.Generate) -> None:
    """Every message has ten tokens."""
    if generate.tokens_only:
        engine.send(wire.Accepted(id=generate.id, prompt_tokens=10 * len(generate.messages or ())))
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "", [], "stop")]))
    else:
        complete(engine, generate)


def turns(count: int) -> list[dict[str, str]]:
    pairs = [({"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}) for n in range(count)]
    return [message for pair in pairs for message in pair]


def sent(served: FlaskClient, engine: FakeEngine, **body: Any) -> list[str]:
    """Return the contents of the messages that are answered."""
    engine.on_generate = count_tens
    response = served.post(URL, json={"truncation": "auto", **body})
    assert response.status_code == 200, response.text
    assert response.get_json()["truncation"] == "auto"
    return [message["content"] for message in engine.messages(wire.Generate)[-1].messages or ()]


def test_what_fits_is_sent_whole(served: FlaskClient, engine: FakeEngine) -> None:
    asked = [*turns(18), {"role": "user", "content": "now"}]

    assert len(sent(served, engine, input=asked)) == 37
    assert len(engine.messages(wire.Generate)) == 2


@pytest.mark.parametrize(
    ("fields", "most"), [({}, 384), ({"max_output_tokens": 100}, 412), ({"max_output_tokens": 500}, 256)], ids=str
)
def test_the_oldest_are_left_out_and_system_messages_stay(
    served: FlaskClient, engine: FakeEngine, fields: dict[str, Any], most: int
) -> None:
    rules = [{"role": "system", "content": "rule"}, {"role": "developer", "content": "other"}]
    contents = sent(served, engine, input=[*rules, *turns(1000), {"role": "user", "content": "now"}], **fields)

    assert contents[:2] == ["rule", "other"]
    assert contents[2].startswith("q")
    assert contents[-1] == "now"
    assert most - 20 < 10 * len(contents) <= most
    assert len(engine.messages(wire.Generate)) < 15


def test_a_result_stays_with_its_call(served: FlaskClient, engine: FakeEngine) -> None:
    calls = [
        item
        for n in range(40)
        for item in (
            {"type": "function_call", "call_id": f"call_{n}", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": f"call_{n}", "output": f"r{n}"},
        )
    ]
    contents = sent(served, engine, input=[*turns(40), {"role": "user", "content": "now"}, *calls])

    assert contents[0] == "now"
    assert len(contents) == 81


def test_instructions_stay(served: FlaskClient, engine: FakeEngine) -> None:
    first = served.post(URL, json={"input": [*turns(100), {"role": "user", "content": "now"}]}).get_json()
    contents = sent(served, engine, input="next", instructions="rule", previous_response_id=first["id"])

    assert (contents[0], contents[-1]) == ("rule", "next")
    assert len(contents) < 40


def test_without_it_nothing_is_left_out(served: FlaskClient, engine: FakeEngine) -> None:
    served.post(URL, json={"input": turns(1000), "truncation": "disabled"})
    (generate,) = engine.messages(wire.Generate)

    assert len(generate.messages or ()) == 2000
