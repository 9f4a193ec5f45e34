"""Puts a run's tables into docs/performance.md: `python -m bench.document`, after `make bench`.

A table stands between `<!-- bench: NAME -->` and `<!-- end -->`. So no figure is typed by hand.
"""

import re
import sys

from bench import report, results
from bench.results import FILE, RESULTS, Results
from schemas.shared.endpoint import PROJECT_ROOT

DOCUMENT = PROJECT_ROOT / "docs" / "performance.md"
PLOT = "![Throughput and front-end CPU by connections](../bench/results/bench.svg)"
BLOCK = re.compile(r"(<!-- bench: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str, measured: Results) -> str:
    """`text` with every block made anew. Raises `KeyError` for a block that is not known."""
    chapters = {"machine": report.machine, "plot": lambda _: PLOT, **report.CHAPTERS}
    return BLOCK.sub(lambda block: f"{block[1]}{chapters[block[2]](measured)}\n{block[3]}", text)


def main() -> int:
    path = RESULTS / FILE
    if not path.exists():
        sys.exit(f"bench: there is no {path}; `make bench` writes it")
    DOCUMENT.write_text(filled(DOCUMENT.read_text(), results.load(path)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
