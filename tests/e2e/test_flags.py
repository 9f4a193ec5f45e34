"""What flags and settings give: adapters, reasoning, priorities, a template of one's own, JSON logs, traces."""

import json
import re
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.collector import Collector
from tests.e2e.guarded import CHAT, Guarded
from tests.harness import endless, until

CONSOLE = re.compile(r"(INFO|WARNING|ERROR) (\[\d+\] |\d\d-\d\d |hearth|gunicorn|vllm)")
"""How a line of Hearth's, gunicorn's or vLLM's loggers begins on a console. Libraries in C++ have none."""
QUESTION = [{"role": "user", "content": "Who are you?"}]


def test_an_adapter_is_a_model_of_its_own(guarded: Guarded) -> None:
    client = guarded.openai()
    assert [model.id for model in client.models.list()] == ["hearth-demo", "thoughtful"]
    adapter = guarded.get("/v1/models/thoughtful").json()
    assert (adapter["id"], adapter["parent"]) == ("thoughtful", "hearth-demo")
    assert "parent" not in guarded.get("/v1/models/hearth-demo").json()
    thoughtful = client.chat.completions.create(model="thoughtful", messages=QUESTION, temperature=0)  # type: ignore[arg-type]
    assert thoughtful.model == "thoughtful"
    plain = client.chat.completions.create(model="hearth-demo", messages=QUESTION, temperature=0)  # type: ignore[arg-type]
    assert plain.model == "hearth-demo"
    unknown = guarded.post(CHAT, {"model": "other", "messages": QUESTION})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.field("include_reasoning", "model")
def test_reasoning_is_told_apart(guarded: Guarded) -> None:
    body = {"model": "thoughtful", "messages": QUESTION, "temperature": 0}
    message = guarded.post(CHAT, body).json()["choices"][0]["message"]
    assert message["reasoning"].startswith("They ask about")
    assert "Hearth" in message["content"]
    assert "think>" not in message["content"]
    pieces = {"reasoning": "", "content": ""}
    for chunk in guarded.openai().chat.completions.create(**body, stream=True):  # type: ignore[call-overload]
        delta = chunk.choices[0].delta.model_dump()
        for name in pieces:
            pieces[name] += delta.get(name) or ""
    assert pieces == {"reasoning": message["reasoning"], "content": message["content"]}
    silent = guarded.post(CHAT, {**body, "include_reasoning": False}).json()
    assert silent["choices"][0]["message"] == {"role": "assistant", "content": message["content"], "refusal": None}


def test_a_response_has_its_reasoning_as_an_item(guarded: Guarded) -> None:
    made = guarded.openai().responses.create(model="thoughtful", input="Who are you?", temperature=0)
    assert [item.type for item in made.output] == ["reasoning", "message"]


@pytest.mark.field("priority")
def test_the_lower_priority_comes_first(guarded: Guarded) -> None:
    """Three that wait for one that runs, the last to come being the most urgent."""
    ended: list[int] = []

    def ask(priority: int) -> None:
        body = {"model": "hearth-demo", "prompt": "Hello", "max_tokens": 2, "priority": priority}
        assert guarded.post("/v1/completions", body).status_code == 200
        ended.append(priority)

    running = {**endless(n=1), "model": "hearth-demo", "priority": -9}
    with guarded.stream(CHAT, running) as response, ThreadPoolExecutor(3) as pool:
        lines = response.iter_lines()
        next(lines)
        for priority in (5, 0, -5):
            waiting = guarded.live()
            pool.submit(ask, priority)
            until(lambda: guarded.live() > waiting, 10, "it waits")  # noqa: B023 - called at once
        response.close()
    assert ended == [-5, 0, 5]


@pytest.mark.field("chat_template_kwargs", "reasoning_effort")
def test_the_template_gets_what_it_asks_for(guarded: Guarded) -> None:
    def tokens(**fields: object) -> int:
        body = {"model": "hearth-demo", "messages": QUESTION, "max_tokens": 1, **fields}
        count: int = guarded.post(CHAT, body).json()["usage"]["prompt_tokens"]
        return count

    kwargs = {"shout": "Hey! " * 9}
    assert tokens(chat_template_kwargs=kwargs, reasoning_effort="low") == tokens()
    assert tokens(chat_template_kwargs=kwargs, reasoning_effort="high") > tokens()


@pytest.mark.parametrize("stream", [False, True])
def test_a_trace_goes_through_both_tiers(guarded: Guarded, collector: Collector, stream: bool) -> None:
    trace, parent = secrets.token_hex(16), secrets.token_hex(8)
    headers = {"traceparent": f"00-{trace}-{parent}-01", "X-Request-ID": f"traced-{stream}"}
    body = {"model": "hearth-demo", "messages": QUESTION, "max_tokens": 5, "stream": stream}
    guarded.post(CHAT, body, headers).raise_for_status()
    until(lambda: len(collector.of(trace)) == 2, 20, "both spans have come")
    web, engine = sorted(collector.of(trace), key=lambda span: span["service"], reverse=True)
    assert (web["service"], web["name"], web["parent"]) == ("hearth-web", "POST /v1/chat/completions", parent)
    assert (engine["service"], engine["name"], engine["parent"]) == ("hearth-engine", "llm_request", web["id"])
    assert (web["http.response.status_code"], web["hearth.request_id"]) == (200, f"traced-{stream}")
    assert web["gen_ai.usage.output_tokens"] == engine["gen_ai.usage.completion_tokens"] == 5
    assert web["gen_ai.usage.input_tokens"] == engine["gen_ai.usage.prompt_tokens"] > 0
    assert engine["gen_ai.latency.time_in_model_prefill"] > 0


def test_a_trace_goes_through_an_answer_in_the_background(guarded: Guarded, collector: Collector) -> None:
    trace, parent = secrets.token_hex(16), secrets.token_hex(8)
    body = {"model": "hearth-demo", "input": "Hello", "max_output_tokens": 5, "background": True}
    guarded.post("/v1/responses", body, {"traceparent": f"00-{trace}-{parent}-01"}).raise_for_status()
    until(lambda: len(collector.of(trace)) == 2, 20, "both spans have come")
    web, engine = sorted(collector.of(trace), key=lambda span: span["service"], reverse=True)
    assert (web["name"], web["parent"], engine["parent"]) == ("POST /v1/responses", parent, web["id"])


def test_what_is_logged_is_json_and_the_request_is_in_both(guarded: Guarded) -> None:
    name = secrets.token_hex(8)
    body = {"model": "hearth-demo", "messages": QUESTION, "max_tokens": 5}
    response = guarded.post(CHAT, body, {"X-Request-ID": name})
    assert response.headers["X-Request-ID"] == name
    until(lambda: name in guarded.web_log.read_text(), 10, "the web tier has written its line")
    logs = {}
    for path in (guarded.web_log, guarded.run_dir / "engine.log"):
        lines = [line for line in path.read_text().splitlines() if line.strip()]
        assert not [line for line in lines if CONSOLE.search(line) and not line.startswith("{")]
        logs[path.name] = [json.loads(line) for line in lines if line.startswith("{")]
    (told,) = [line for line in logs["web.log"] if line.get("request_id") == name]
    assert (told["status"], told["completion_tokens"], told["model"]) == (200, 5, "hearth-demo")
    assert any(name in line["message"] and "accepted" in line["message"] for line in logs["engine.log"])
    assert any(line["logger"].startswith("vllm") for line in logs["engine.log"])
