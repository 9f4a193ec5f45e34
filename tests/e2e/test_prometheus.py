"""A real Prometheus scrapes the running Hearth; the alerts and the dashboard ask it for what there is."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.shared.endpoint import PROJECT_ROOT
from tests.harness import Hearth, chat_body, until
from tests.prometheus import DEPLOY, Prometheus, scraping
from tests.readme import blocks

DASHBOARD = PROJECT_ROOT / "deploy/grafana/hearth.json"
VLLMS_DASHBOARD = (
    "vllm:e2e_request_latency_seconds_bucket",
    "vllm:generation_tokens_total",
    "vllm:inter_token_latency_seconds_bucket",
    "vllm:iteration_tokens_total_bucket",
    "vllm:kv_cache_usage_perc",
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:prompt_tokens_total",
    "vllm:request_decode_time_seconds_sum",
    "vllm:request_generation_tokens_bucket",
    "vllm:request_params_max_tokens_bucket",
    "vllm:request_prefill_time_seconds_sum",
    "vllm:request_prompt_tokens_bucket",
    "vllm:request_queue_time_seconds_sum",
    "vllm:request_success_total",
    "vllm:time_to_first_token_seconds_bucket",
)
"""What the dashboard that comes with vLLM asks for."""


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(["promtool", *arguments], cwd=DEPLOY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prometheus(running: Hearth, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """With the shipped configuration, but for the port and how often it asks."""
    with scraping(running, tmp_path_factory.mktemp("prometheus")) as found:
        for _ in range(3):
            running.post("/v1/chat/completions", chat_body("Who are you?"))
            with running.stream("/v1/completions", {"prompt": "Once upon a time", "max_tokens": 30}) as response:
                response.read()
            time.sleep(0.6)
        yield found


def test_promtool_finds_nothing_wrong() -> None:
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")
    assert "7 rules found" in promtool("check", "rules", "hearth-alerts.yml")


def test_the_commands_that_are_shown_run(hearth: Hearth) -> None:
    shown = [
        block for block in blocks(PROJECT_ROOT / "docs/monitoring.md", "sh") if block.startswith(("promtool", "curl"))
    ]
    assert len(shown) == 2
    for block, says in zip(sorted(shown, reverse=True), ("SUCCESS", "hearth_engine_state"), strict=True):
        here = block.replace("127.0.0.1:6006", f"127.0.0.1:{hearth.port}")
        done = subprocess.run(
            ["bash", "-euc", here], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert says in done.stdout


def test_each_alert_fires_where_it_should_and_only_there() -> None:
    names = re.findall(r"alert: (\w+)", (DEPLOY / "hearth-alerts.yml").read_text())
    tests = (DEPLOY / "hearth-alerts.test.yml").read_text()
    for name in names:
        assert len(re.findall(rf"alertname: {name}\b", tests)) == 2, name
    assert "SUCCESS" in promtool("test", "rules", "hearth-alerts.test.yml")


def test_the_page_is_well_formed(hearth: Hearth) -> None:
    lines = hearth.get("/metrics").text.splitlines(keepends=True)
    ours = [line for line in lines if re.match(r"(# (HELP|TYPE) )?hearth_", line)]
    assert len(ours) > 20
    assert lint(ours) == (0, "")
    status, complaints = lint(lines)
    assert status in (0, 3), complaints  # it is parsed; 3: vLLM's names are not to promtool's liking
    assert all(line.startswith("vllm:") for line in complaints.splitlines()), complaints


def lint(lines: list[str]) -> tuple[int, str]:
    """The exit status of `promtool check metrics`, and what it says."""
    text = "".join(lines)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("series", VLLMS_DASHBOARD)
def test_vllms_own_dashboard_finds_its_series(prometheus: Prometheus, series: str) -> None:
    assert prometheus.ask(f'{{__name__="{series}"}}')


def dashboard_queries() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize("query", dashboard_queries())
def test_every_panel_of_the_dashboard_has_something_to_show(prometheus: Prometheus, query: str) -> None:
    filled = query.replace("$instance", ".*").replace("$__rate_interval", "1m")
    found = prometheus.ask(filled)
    assert found
    assert all(sample["value"][1] != "NaN" for sample in found)


def test_every_alert_knows_its_series(prometheus: Prometheus) -> None:
    """An alert about a series that does not exist would never fire."""
    text = (DEPLOY / "hearth-alerts.yml").read_text()
    series = set(re.findall(r"\b((?:hearth|vllm)[_:]\w+)(?=[\[{ ])", text))
    assert len(series) >= 6
    for name in series:
        assert prometheus.ask(f'{{__name__="{name}"}}'), name


def test_counts_go_on_over_a_reload_and_over_a_killed_worker(hearth: Hearth) -> None:
    def counted() -> float:
        pattern = r'^hearth_http_requests_total\{path="/v1/models",status="200"\} (\S+)$'
        found = re.search(pattern, hearth.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    before = counted()
    for number in (1, 9):
        for _ in range(6):
            assert hearth.get("/v1/models").status_code == 200
        old = {worker.pid for worker in hearth.workers()}
        assert hearth.web is not None
        if number == 1:
            hearth.web.send_signal(1)
        else:
            for worker in hearth.workers():
                worker.kill()
        until(lambda old=old: not old & {worker.pid for worker in hearth.workers()}, 30, "the workers are new")  # type: ignore[misc]
        until(lambda: hearth.get("/ready").status_code == 200, 30, "they answer")
    assert counted() == before + 12
    files = list((hearth.run_dir / "metrics").glob("*.db"))
    assert len(files) <= 2 + 3 * len(hearth.workers())
