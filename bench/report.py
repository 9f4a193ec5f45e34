"""Write the results of a run: JSON with every sample, the tables, and the plot."""

from collections.abc import Callable
from pathlib import Path

from bench import tables
from bench.loads import CPU_LOADS, GPU_LOADS
from bench.plot import plot
from bench.results import FILE, Results

CHAPTERS: dict[str, Callable[[Results], str]] = {
    "targets": lambda results: tables.targets(results),
    "throughput on the gpu": lambda results: tables.throughput(results.gpu, GPU_LOADS),
    "latency on the gpu": lambda results: tables.latency(results.gpu, GPU_LOADS),
    "throughput on the cpu": lambda results: tables.throughput(results.samples, CPU_LOADS),
    "latency on the cpu": lambda results: tables.latency(results.samples, CPU_LOADS),
    "web tier": lambda results: tables.web_tier(results.web_tier) if results.web_tier else "Not measured.",
    "offline": lambda results: tables.offline(results.offline) if results.offline else "Not measured.",
    "cores": lambda results: tables.cores(results.gpu),
}
"""Functions that return a table, by the name of its block in a document."""


def machine(results: Results) -> str:
    """Describe the run and its machine in a sentence."""
    facts = results.machine
    return (
        f"Measured {facts['when']} at commit {facts['commit']} on {facts['cores']} cores ({facts['processor']}), "
        f"vLLM {facts['vllm']}, Python {facts['python']}; load average before the run {facts['load_before']}. "
        f"{facts['rounds']} rounds{' with fewer requests than usual' if facts['quick'] else ''}."
    )


def text(results: Results) -> str:
    """Return all tables. The targets are last, so that a terminal shows them."""
    order = [*(name for name in CHAPTERS if name != "targets"), "targets"]
    chapters = [f"## {name.capitalize()}\n\n{CHAPTERS[name](results)}\n" for name in order]
    return "\n".join([f"# Benchmark\n\n{machine(results)}\n", *chapters])


def write(results: Results, directory: Path) -> list[Path]:
    """Write the result files to `directory`, and return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    files = [directory / FILE, directory / "bench.md", directory / "bench.svg"]
    results.save(files[0])
    files[1].write_text(text(results))
    files[2].write_text(plot(results.gpu))
    return files
