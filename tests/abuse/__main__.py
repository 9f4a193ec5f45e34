"""`make abuse`: every abusive request beside four innocent streams, and the table. Exit status 1: one was hurt.

First on the demo model, then on a model with the whole vocabulary of Llama 3; both have a parser of calls that may take
long.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import llama3
from bench.stopping import end_on_term
from tests.abuse.abuse import Abuse
from tests.abuse.requests import ALL
from tests.abuse.run import COLUMNS, abuse_all, faults
from tests.harness import serving
from tests.vocabulary.conftest import FLAGS

PARSER = "--tool-call-parser pythonic"
TITLES = {"demo": "The demo model", "llama": "A tiny model with the vocabulary of Llama 3"}


def main() -> int:
    end_on_term()
    parser = argparse.ArgumentParser(prog="python -m tests.abuse", description=__doc__)
    parser.add_argument("names", nargs="*", help="send only the requests of these names")
    parser.add_argument("--with", dest="text", default="", help="send only requests that have this text in their name")
    parser.add_argument("--model", choices=TITLES, action="append", help="only on this model")
    asked = parser.parse_args()
    wanted = [abuse for abuse in ALL if asked.text in abuse.name and (not asked.names or abuse.name in asked.names)]
    if unknown := {*asked.names} - {abuse.name for abuse in wanted}:
        parser.error(f"there is no such request: {', '.join(sorted(unknown))}")
    found = []
    for model in asked.model or TITLES:
        found += _abuse(TITLES[model], wanted, _settings(model))
    print("\n".join(found) or "and nobody was hurt")
    return 1 if found else 0


def _settings(model: str) -> dict[str, str]:
    if model == "demo":
        return {"HEARTH_ENGINE_ARGS": PARSER}
    return {"HEARTH_MODEL": str(llama3.tiny()), "HEARTH_ENGINE_ARGS": f"{FLAGS} {PARSER}"}


def _abuse(title: str, abuses: Sequence[Abuse], settings: dict[str, str]) -> list[str]:
    """Send `abuses` to a Hearth of its own, print the table, and return what must not be."""
    with (
        tempfile.TemporaryDirectory(prefix="abuse-") as directory,
        serving(Path(directory, "run"), ready=True, **settings) as hearth,
    ):
        identity = hearth.identity()
        rows = asyncio.run(abuse_all(hearth, abuses, lambda line: print(line, file=sys.stderr, flush=True)))
        found = faults(rows, abuses)
        if hearth.identity() != identity:
            found.append("the model was loaded again")
    print(f"\n{title}: {len(rows)} abusive requests\n")
    for cells in (COLUMNS, ("---",) * len(COLUMNS), *(row.cells for row in rows)):
        print(f"| {' | '.join(cells)} |")
    return [f"{title}: {fault}" for fault in found]


if __name__ == "__main__":
    sys.exit(main())
