"""The arithmetic of the report: ratios by round, targets met and not met, and what was not measured."""

from pathlib import Path

import pytest

from bench import report, results, tables, targets
from bench.capacity import cost
from bench.document import DOCUMENT, filled
from bench.loads import GPU_LOADS
from bench.results import Results
from bench.samples import Sample, Samples, percentile
from bench.targets import Checks, Row


def sample(round_number: int, contender: str, seconds: float, load: str = "stream-256", cpu: float = 1.0) -> Sample:
    tokens = 1000 if load != "one-token-64" else 100
    return Sample(round_number, contender, load, "wrk", seconds, 100, tokens, {"web": cpu, "model": cpu}, 5.0)


@pytest.fixture
def measured() -> Results:
    samples = [
        sample(1, "hearth", 1.0),
        sample(1, "vllm", 2.0, cpu=4),
        sample(2, "hearth", 2.0),
        sample(2, "vllm", 2.2, cpu=4),
        sample(3, "hearth", 1.0),
        sample(3, "vllm", 1.3, cpu=4),
    ]
    return Results(
        results.machine(rounds=3, quick=False),
        Samples(samples),
        checks=Checks(restart_seconds=[0.5, 1.5], restart_lost=[0, 0]),
    )


def row(measured: Results, what: str) -> Row:
    (found,) = (row for row in targets.rows(measured.gpu, measured.checks, {"rust": "no wheel"}) if what in row.what)
    return found


def test_ratios_are_taken_within_a_round(measured: Results) -> None:
    streamed = row(measured, "streamed throughput at 256, relative to `vllm serve`")
    assert streamed.values == pytest.approx([2.0, 1.1, 1.3])
    assert streamed.value == pytest.approx(1.3)
    assert streamed.met is False


def test_less_cpu_is_better(measured: Results) -> None:
    assert row(measured, "front-end CPU per token, streamed at 256, relative to `vllm").value == pytest.approx(0.25)
    assert row(measured, "front-end CPU per token, streamed at 256, relative to `vllm").met is True


def test_a_promise_is_held_to_its_worst_round(measured: Results) -> None:
    restart = row(measured, "until a new worker answers")
    assert restart.value == 1.5
    assert restart.verdict == "**not met**"
    assert row(measured, "requests lost").met is True


def test_what_was_not_measured_is_neither_met_nor_not(measured: Results) -> None:
    rust = row(measured, "streamed throughput at 256, relative to vLLM's Rust front end")
    assert rust.met is None
    assert rust.verdict == "not measured: no wheel"
    assert row(measured, "to the engine alone").verdict == "not measured"


def test_figures_of_a_sample() -> None:
    one = sample(1, "hearth", 2.0, cpu=0.5)
    assert one.figure("tokens_per_s") == 500
    assert one.figure("requests_per_s") == 50
    assert one.figure("cpu_us_per_token") == 1000
    assert one.figure("web_us_per_request") == 5000
    assert one.figure("ttft_p50") is None
    assert Sample(1, "engine", "stream-64", "wrk", 2.0, 100, 1000).figure("cpu_us_per_token") is None


def test_bad_answers_leave_no_figures_but_are_told(measured: Results) -> None:
    measured.gpu.all[0].bad = 3
    measured.gpu.all[0].failures = {"http/1.1 503 gone": 3}
    assert row(measured, "front-end CPU per token, streamed at 256, relative to `vllm").values == pytest.approx(
        [0.25, 0.25]
    )
    assert "round 1: 3 of 100 answers were bad (http/1.1 503 gone)" in tables.targets(measured)


@pytest.mark.parametrize(("share", "value"), [(0.5, 51), (0.99, 100), (1.0, 100), (0.0, 1)])
def test_percentile(share: float, value: float) -> None:
    assert percentile(range(100, 0, -1), share) == value


def test_the_cost_of_a_token_is_without_its_request_s(measured: Results) -> None:
    assert cost(measured.gpu, "web") is None
    measured.gpu.all += [sample(1, "hearth", 1.0, "one-token-64", cpu=0.0128)]
    web = cost(measured.gpu, "web")
    assert web is not None
    assert web.request == pytest.approx(128)
    assert web.token == pytest.approx(1000 - 1)
    assert web.cores(10_000, 128) == pytest.approx(10.0)


def test_results_are_read_as_they_were_written(measured: Results, tmp_path: Path) -> None:
    files = report.write(measured, tmp_path)
    assert all(file.stat().st_size for file in files)
    again = results.load(files[0])
    assert again == measured or again.gpu.all == measured.gpu.all
    assert report.text(again) == report.text(measured)


def test_a_document_gets_the_tables_that_it_asks_for(measured: Results) -> None:
    text = "a\n<!-- bench: targets -->\nold\n<!-- end -->\nb <!-- bench: latency on the gpu --> c"
    assert filled(text, measured) == text.replace("old", tables.targets(measured))
    with pytest.raises(KeyError):
        filled("<!-- bench: nothing -->\n<!-- end -->", measured)


def test_a_document_gets_the_tables_of_the_run_beside_an_earlier_commit(measured: Results) -> None:
    text = "<!-- bench: throughput on the gpu before -->\nold\n<!-- end -->"
    expected = tables.throughput(measured.gpu, GPU_LOADS)
    assert filled(text, Results({}), measured) == text.replace("old", expected)
    assert filled(text, measured) == text.replace("old", "Not measured.")


def test_the_performance_document_is_that_of_the_results() -> None:
    text = DOCUMENT.read_text()
    before = results.load(results.RESULTS / "before" / results.FILE)
    expected = filled(text, results.load(results.RESULTS / results.FILE), before)
    assert expected == text, "run `python -m bench.document`"
