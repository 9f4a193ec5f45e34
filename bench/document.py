"""Insert the tables of a run into docs/performance.md, so that no figure is typed by hand.

Run `python -m bench.document` after `make bench`. A table is between `<!-- bench: NAME -->` and `<!-- end -->`.
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
    """Return `text` with new content in every block. Raises `KeyError` for an unknown block."""
    chapters = {"machine": report.machine, "plot": _plot, **report.CHAPTERS}
    return BLOCK.sub(lambda block: f"{block[1]}{chapters[block[2]](measured)}\n{block[3]}", text)


def _plot(measured: Results) -> str:
    """Return the picture of what was measured on the simulated GPU: without that, an old one would stand there."""
    return PLOT if measured.gpu else "Not measured."


def main() -> int:
    path = RESULTS / FILE
    if not path.exists():
        sys.exit(f"bench: {path} does not exist; `make bench` creates it")
    DOCUMENT.write_text(filled(DOCUMENT.read_text(), results.load(path)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
