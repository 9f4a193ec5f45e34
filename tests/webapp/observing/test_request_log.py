"""One line for each generation, whatever became of it."""

import json
import logging
import re
from collections.abc import Iterator

import pytest
from flask import Flask

from schemas.replies.completion import CompletionShape
from schemas.shared.log_lines import JsonLines
from schemas.wire import Accepted, Delta
from webapp.middleware import call
from webapp.observing.request_log import RequestLog


@pytest.fixture(autouse=True)
def _level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hearth.access")


@pytest.fixture(autouse=True)
def _request() -> Iterator[None]:
    with Flask("test").test_request_context("/v1/completions", method="POST"):
        yield


def record_of(user: str, *finish_reasons: str | None) -> RequestLog:
    return RequestLog(call.current(), stream=False, user=user, shape=shape_of(*finish_reasons))


def shape_of(*finish_reasons: str | None) -> CompletionShape:
    shape = CompletionShape("fake", len(finish_reasons), with_logprobs=False, include_usage=False)
    shape.accept(Accepted(id=1, prompt_tokens=7))
    for index, reason in enumerate(finish_reasons):
        shape.add(Delta(1, index, "a", [1, 2], reason))
    return shape


def test_the_line_tells_who_what_and_how_much(caplog: pytest.LogCaptureFixture) -> None:
    record = record_of("somebody", "stop", "length", None)
    record.status = 200
    record.on_text()
    record.write()

    assert re.fullmatch(
        r"POST /v1/completions 200 cmpl-[0-9a-f]{32} ttft=\d+\.\d{3}s total=\d+\.\d{3}s "
        r"prompt_tokens=7 completion_tokens=6 finish=stop,length,none model=fake key=- user='somebody'",
        caplog.messages[0],
    )


def test_it_is_written_once(caplog: pytest.LogCaptureFixture) -> None:
    record = record_of("")
    record.write()
    record.write()

    assert len(caplog.messages) == 1


def test_a_client_that_left_before_any_text_is_a_499(caplog: pytest.LogCaptureFixture) -> None:
    record_of("").write()

    assert re.match(r"POST /v1/completions 499 cmpl-\w+ ttft=- ", caplog.messages[0])
    assert "prompt_tokens=7 completion_tokens=0 finish=none model=fake key=- user=''" in caplog.messages[0]


def test_the_first_text_sets_the_time_to_the_first_token(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([100.0, 100.25, 103.0])
    monkeypatch.setattr("webapp.observing.request_log.time.monotonic", lambda: next(now))
    record = record_of("")
    record.on_text()
    record.on_text()
    record.write()

    assert "ttft=0.250s total=3.000s" in caplog.messages[0]


def test_a_user_cannot_write_lines_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    record_of("a\nPOST /forged 200").write()

    assert "\n" not in caplog.messages[0]


def test_a_long_user_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    record_of("u" * 1000).write()

    assert caplog.messages[0].endswith(f"user='{'u' * 64}'")


def test_many_choices_do_not_make_a_long_line(caplog: pytest.LogCaptureFixture) -> None:
    record = record_of("", *["stop"] * 128)
    record.write()

    assert caplog.messages[0].count("stop") == 8
    assert "completion_tokens=256" in caplog.messages[0]


def test_as_json_the_figures_are_fields(caplog: pytest.LogCaptureFixture) -> None:
    record = record_of("some\nbody", "stop", "length")
    record.status = 200
    record.on_text()
    record.write()
    told = json.loads(JsonLines().format(caplog.records[0]))

    assert told["logger"] == "hearth.access"
    assert (told["method"], told["path"], told["status"]) == ("POST", "/v1/completions", 200)
    assert (told["prompt_tokens"], told["completion_tokens"], told["finish"]) == (7, 4, ["stop", "length"])
    assert (told["user"], told["key"], told["model"], told["request_id"]) == ("some\nbody", "-", "fake", None)
    assert 0 <= told["ttft"] <= told["total"] < 60
