"""JSON that is written as text inside a body counts like the body's own."""

import pytest
from marshmallow import ValidationError

from schemas.requests.parts.arguments import object_text
from schemas.requests.reading.counting import MAX_ELEMENTS
from schemas.shared import client_json
from tests.schemas.requests.loading import Load, chat, refusal, response

TEXT = '{"a":[' + "1," * (MAX_ELEMENTS + 1) + "1]}"
HALF = '{"a":[' + "1," * (MAX_ELEMENTS // 2 + 1) + "1]}"


def in_messages(*texts: str) -> tuple[Load, dict[str, object]]:
    calls = [{"function": {"name": "f", "arguments": text}} for text in texts]
    return chat, {"messages": [{"role": "assistant", "tool_calls": [call]} for call in calls]}


def in_items(*texts: str) -> tuple[Load, dict[str, object]]:
    head = {"type": "function_call", "call_id": "c", "name": "f"}
    return response, {"input": [{**head, "arguments": text} for text in texts]}


@pytest.mark.parametrize("texts", [(TEXT,), (HALF, HALF)], ids=["one", "two together"])
@pytest.mark.parametrize("within", [in_messages, in_items])
def test_arguments_of_too_many_values_are_refused(within: type, texts: tuple[str, ...]) -> None:
    load, body = within(*texts)
    assert f"more than {MAX_ELEMENTS} values" in str(refusal(load, **body))


@pytest.mark.parametrize("within", [in_messages, in_items])
def test_arguments_with_numbers_that_take_long_to_read_are_refused(within: type) -> None:
    load, body = within('{"a":[' + ("7" * 4000 + ",") * 300 + "7]}")
    assert "a number of more than 400 digits" in str(refusal(load, **body))


@pytest.mark.parametrize("within", [in_messages, in_items])
def test_long_arguments_of_few_values_are_taken(within: type) -> None:
    load, body = within('{"file":"' + "a, " * MAX_ELEMENTS + '"}', HALF)
    load(**body)


def test_no_value_is_built_of_a_text_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_json, "decode", None)
    with pytest.raises(ValidationError):
        object_text(TEXT)
