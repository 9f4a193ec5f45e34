"""Insert the tables of a run into docs/performance.md, so that no figure is typed by hand.

Run `python -m bench.document` after `make bench`. A table is between `<!-- bench: NAME -->` and `<!-- end -->`. Those
whose names end in `before` are of `make bench-before`, which compares Hearth with an earlier commit of its own.
"""

import re
import sys

from bench import report, results
from bench.results import FILE, RESULTS, Results
from schemas.shared.endpoint import PROJECT_ROOT

DOCUMENT = PROJECT_ROOT / "docs" / "performance.md"
PLOT = "![Throughput and front-end CPU by connections](../bench/results/bench.svg)"
BEFORE = " before"
BLOCK = re.compile(r"(<!-- bench: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str, measured: Results, before: Results | None = None) -> str:
    """Return `text` with new content in every block. Raises `KeyError` for an unknown block.

    `before` is the run beside an earlier commit. None: there is none.
    """
    chapters = {"machine": report.machine, "plot": _plot, **report.CHAPTERS}

    def new(block: re.Match[str]) -> str:
        name = block[2].removesuffix(BEFORE)
        of = measured if name == block[2] else before
        return f"{block[1]}{chapters[name](of) if of else 'Not measured.'}\n{block[3]}"

    return BLOCK.sub(new, text)


def _plot(measured: Results) -> str:
    """Return the picture of what was measured on the simulated GPU: without that, an old one would stand there."""
    return PLOT if measured.gpu else "Not measured."


def main() -> int:
    path, earlier = RESULTS / FILE, RESULTS / "before" / FILE
    if not path.exists():
        sys.exit(f"bench: {path} does not exist; `make bench` creates it")
    before = results.load(earlier) if earlier.exists() else None
    DOCUMENT.write_text(filled(DOCUMENT.read_text(), results.load(path), before))
    return 0


if __name__ == "__main__":
    sys.exit(main())
