"""The results as sentences and tables, in Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

from bench.capacity import LENGTHS, PACES, cost
from bench.loads import Load
from bench.results import Results
from bench.samples import LATENCIES, Samples
from bench.targets import NAMES, Row, rows

PARTS = ("web workers", "model process")
COLUMNS = {
    "tokens_per_s": "tokens/s",
    "requests_per_s": "requests/s",
    "cpu_us_per_token": "front-end CPU, us per token",
    "cpu_us_per_request": "us per request",
}
PART_COLUMNS = ("of a token: web + model", "of a request: web + model")


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    all_lines = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in all_lines)


def number(value: float | None) -> str:
    """Format a number with at least three significant digits. None: a dash."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def targets(results: Results) -> str:
    """Return the table of the targets, and how many are met."""
    all_rows = rows(results.gpu, results.checks, results.absent)
    met, measured = sum(row.met is True for row in all_rows), sum(row.met is not None for row in all_rows)
    lines = [[row.what, _limit(row), number(row.value), _each(row), row.verdict] for row in all_rows]
    head = ["what", "target", "measured", "each round", ""]
    count = f"{met} of {measured} measured targets are met; {len(all_rows) - measured} were not measured."
    return f"{table(head, lines)}\n\n{_failures(results)}{count}"


def _failures(results: Results) -> str:
    """Return a list of the loads with bad answers, for which there are no figures, and of lost requests."""
    lines = [
        f"- {NAMES[sample.contender]}, {sample.load}, round {sample.round}: {sample.bad} of {sample.requests} answers "
        f"were bad ({', '.join(sample.failures) or 'counted by wrk'})"
        for sample in (*results.gpu.failed(), *results.samples.failed())
    ]
    lines += [f"- requests lost by a restart: {reason}" for reason in results.checks.restart_failures]
    return "\n".join([*lines, "\n"]) if lines else ""


def _limit(row: Row) -> str:
    return f"{'>=' if row.at_least else '<='} {row.limit:g} {row.unit}".strip()


def _each(row: Row) -> str:
    """Return the values of the rounds, if there are several."""
    return ", ".join(number(value) for value in row.values) if len(row.values) > 1 else ""


def throughput(samples: Samples, loads: Sequence[Load]) -> str:
    """Return the table of throughput and CPU, by load and contender, as the first tool of each load measured them."""
    lines = []
    for load in loads:
        for name in NAMES:
            values = [samples.median(name, load.name, load.tools[0], figure) for figure in COLUMNS]
            if values[0] is not None:
                parts = (_parts(samples, name, load, unit) for unit in ("token", "request"))
                lines.append([load.name, NAMES[name], *(number(value) for value in values), *parts])
    return table(["load", "", *COLUMNS.values(), *PART_COLUMNS], lines) if lines else "Not measured."


def _parts(samples: Samples, name: str, load: Load, unit: str) -> str:
    """Return Hearth's CPU time by part: web workers + model process. Others have one part."""
    if name not in ("hearth", "before"):
        return ""
    figures = (f"{part}_us_per_{unit}" for part in ("web", "model"))
    return " + ".join(number(samples.median(name, load.name, load.tools[0], figure)) for figure in figures)


def latency(samples: Samples, loads: Sequence[Load]) -> str:
    """Return the table of TTFT and ITL, by load and contender."""
    lines = []
    for load in loads:
        for name in NAMES:
            values = [samples.median(name, load.name, "client", figure) for figure in LATENCIES]
            if values[0] is not None:
                lines.append([load.name, NAMES[name], *(number(value) for value in values)])
    head = ["load", "", *(f"{name.upper().replace('_P', ' p')}, ms" for name in LATENCIES)]
    return table(head, lines) if lines else "Not measured."


def web_tier(points: list[dict[str, Any]]) -> str:
    """Return the table of the web tier alone, from the points of `bench.web_tier`."""
    lines = [
        [
            str(point["workers"]),
            number(point["asked_tokens_per_s"]) if point["asked_tokens_per_s"] else "unbounded",
            number(point["tokens_per_s"]),
            number(point["worker_cpu_us_per_token"]),
            number(1e6 / point["worker_cpu_us_per_token"]),
        ]
        for point in points
    ]
    return table(["workers", "tokens/s offered", "delivered", "web CPU, us per token", "tokens/s per core"], lines)


def offline(result: dict[str, Any]) -> str:
    """Return the table of the batch command and Transformers, from the result of `bench.offline`."""
    batch, plain = result["batch"], result["transformers"]
    lines = [
        ["`hearth batch`", number(batch["seconds"]), number(batch["loading"]), "1"],
        [
            "Transformers, one prompt after another",
            number(plain["seconds"]),
            number(plain["loading"]),
            number(1 / result["ratio"]),
        ],
        [
            "Transformers, 64 prompts at a time",
            number(plain["batched_seconds"]),
            number(plain["loading"]),
            number(1 / result["ratio_to_batched_transformers"]),
        ],
    ]
    head = [
        f"{result['prompts']} prompts, {result['tokens_each']} tokens each",
        "seconds",
        "loading, s",
        "time / Hearth's",
    ]
    return (
        f"{table(head, lines)}\n\nHearth's time divided by that of Transformers: {result['ratio']:.3f}, with the load "
        f"of the model {result['ratio_with_loading']:.3f}. {result['same_text']:.0%} of the answers are identical."
    )


def cores(samples: Samples) -> str:
    """Return the table of the cores that the web workers and the model process need, by tokens per second."""
    web, model = cost(samples, "web"), cost(samples, "model")
    if web is None or model is None:
        return "The loads for this table were not measured."
    head = ["streamed tokens/s", *(f"{part}, {length} tokens per answer" for length in LENGTHS for part in PARTS)]
    lines = [
        [f"{pace:,}", *(number(part.cores(pace, length)) for length in LENGTHS for part in (web, model))]
        for pace in PACES
    ]
    return (
        f"{table(head, lines)}\n\nIn cores, computed from these costs: a request takes {number(web.request)} us of a "
        f"web worker and {number(model.request)} us of the model process, a token {number(web.token)} us and "
        f"{number(model.token)} us."
    )
