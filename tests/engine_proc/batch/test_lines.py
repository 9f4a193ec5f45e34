"""What a line becomes: a job, a refusal of its own, or nothing where its result is there already."""

import json
from typing import Any

import pytest

from engine_proc.batch.files import MAX_LINE_BYTES, Done
from engine_proc.batch.lines import Intake, Job
from schemas.replies.chat import ChatShape
from schemas.replies.completion import CompletionShape
from schemas.requests.reading import body

CHAT, COMPLETION = "/v1/chat/completions", "/v1/completions"
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


def line(**fields: Any) -> bytes:
    """A good chat line with `fields` in place of its own; None takes one away."""
    whole = {"custom_id": "a", "method": "POST", "url": CHAT, "body": HELLO, **fields}
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode() + b"\n"


def job(raw: bytes) -> Job:
    taken = Intake(Done()).accept(1, raw)
    assert isinstance(taken, Job), taken
    return taken


def refusal(raw: bytes, number: int = 1) -> dict[str, Any]:
    taken = Intake(Done()).accept(number, raw)
    assert isinstance(taken, bytes), taken
    assert taken.count(b"\n") == 1
    assert taken.endswith(b"\n")
    result: dict[str, Any] = json.loads(taken)
    assert result.pop("id").startswith("batch_req_")
    return result


def test_a_chat_line() -> None:
    taken = job(line(body={**HELLO, "n": 3, "temperature": 0}))
    assert (taken.custom_id, taken.shape_class) == ("a", ChatShape)
    assert taken.request.params.messages is not None
    assert taken.request.params.messages[0]["content"] == "Hello"
    assert taken.request.params.n == 3


def test_a_completion_line() -> None:
    taken = job(line(url=COMPLETION, body={"prompt": ["a", "b"]}))
    assert taken.shape_class is CompletionShape
    assert taken.request.params.prompts == ["a", "b"]


def test_force_prompt_is_enforced() -> None:
    taken = job(line(body={**HELLO, "force_prompt": "Be brief."}))
    assert taken.request.params.messages is not None
    assert taken.request.params.messages[0] == {"role": "system", "content": "Be brief."}


def test_a_result_that_answers_no_call_is_refused() -> None:
    told = refusal(line(body={"messages": [*HELLO["messages"], {"role": "tool", "tool_call_id": "x", "content": "1"}]}))
    assert told["response"]["status_code"] == 400
    assert told["response"]["body"]["error"]["param"] == "messages[1].tool_call_id"


def test_a_byte_order_mark_begins_a_file_and_nothing_else() -> None:
    raw = b"\xef\xbb\xbf" + line()
    assert isinstance(Intake(Done()).accept(1, raw), Job)
    assert isinstance(Intake(Done()).accept(2, raw), bytes)


@pytest.mark.parametrize(
    ("raw", "code", "message"),
    [
        (b"not json\n", "invalid_json_line", "not valid JSON"),
        (b'{"custom_id": "a", \n', "invalid_json_line", "not valid JSON"),
        (b"\xff\xfe\n", "invalid_json_line", "not valid JSON"),
        (b"[" * 10_000 + b"\n", "invalid_json_line", "nested too deeply"),
        (b'["a"]\n', "invalid_json_line", "must be a JSON object"),
        (b'{"custom_id": "a", "body": {"temperature": NaN}}\n', "invalid_json_line", "`body.temperature`"),
        (b" " * (MAX_LINE_BYTES + 1), "line_too_long", "longer than 16777216 bytes"),
        (line(custom_id=None), "missing_required_parameter", "`custom_id` is missing"),
        (line(custom_id=7), "invalid_custom_id", "must be a string"),
    ],
    ids=["words", "torn", "no UTF-8", "deep", "an array", "NaN", "too long", "no id", "a number for an id"],
)
def test_a_line_that_has_no_name_is_named_by_its_number(raw: bytes, code: str, message: str) -> None:
    result = refusal(raw, number=17)
    assert (result["custom_id"], result["response"]) == (None, None)
    assert (result["error"]["code"], result["error"]["line"]) == (code, 17)
    assert result["error"]["message"].startswith("Line 17: ")
    assert message in result["error"]["message"]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (line(method="GET"), "invalid_method"),
        (line(method=None), "invalid_method"),
        (line(url="/v1/embeddings"), "invalid_url"),
        (line(url=["/v1/completions"]), "invalid_url"),
        (line(url=None), "invalid_url"),
        (line(body=None), "missing_required_parameter"),
        (line(body="Hello"), "missing_required_parameter"),
    ],
)
def test_a_line_without_a_request_gets_an_error_under_its_name(raw: bytes, code: str) -> None:
    result = refusal(raw)
    assert (result["custom_id"], result["response"], result["error"]["code"]) == ("a", None, code)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "messages"),
        ({**HELLO, "temperature": 9}, "temperature"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({**HELLO, "stream": True}, "stream"),
        ({**HELLO, "conversation_id": 42}, "conversation_id"),
    ],
)
def test_a_body_that_is_refused_gets_the_envelope_that_http_would_give(body: dict[str, Any], param: str) -> None:
    result = refusal(line(body=body))
    assert (result["custom_id"], result["error"]) == ("a", None)
    response = result["response"]
    assert response["status_code"] == 400
    assert response["request_id"]
    assert response["body"]["error"]["type"] == "invalid_request_error"
    assert response["body"]["error"]["param"] == param


def test_a_defect_costs_its_own_line_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(body, "load", broken)
    result = refusal(line())
    assert result["response"]["status_code"] == 500
    assert result["response"]["body"]["error"]["code"] == "internal_error"


def test_a_second_line_of_one_name_is_refused_and_the_first_is_not() -> None:
    intake = Intake(Done())
    assert isinstance(intake.accept(1, line()), Job)
    second = intake.accept(2, line())
    assert isinstance(second, bytes)
    error = json.loads(second)["error"]
    assert (error["code"], error["line"]) == ("duplicate_custom_id", 2)
    assert isinstance(intake.accept(3, line(custom_id="b")), Job)


def test_what_has_its_result_is_passed_over() -> None:
    intake = Intake(Done(ids={"a"}, lines={2, 3}))
    assert intake.accept(1, line()) is None
    assert intake.accept(2, b"not json\n") is None
    assert intake.accept(3, line()) is None, "the duplicate was refused the first time"
    assert isinstance(intake.accept(4, line()), bytes)
    assert isinstance(intake.accept(5, line(custom_id="b")), Job)


def test_a_refused_line_that_has_been_mended_is_done() -> None:
    assert isinstance(Intake(Done(lines={1})).accept(1, line()), Job)


def test_the_refusal_of_a_duplicate_does_not_count_as_the_first_ones_result() -> None:
    assert isinstance(Intake(Done(lines={2})).accept(1, line()), Job)
