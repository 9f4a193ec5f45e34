"""`make abuse`: every abusive request beside four innocent streams, and the table. Exit status 1: one was hurt.

First on the demo model, with a parser of calls that may take long, then what depends on the vocabulary, on a model with
the whole vocabulary of Llama 3. Arguments are the names of requests: then only these are sent.
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import llama3
from bench.stopping import end_on_term
from tests.abuse.abuse import Abuse
from tests.abuse.requests import ALL, VOCABULARY
from tests.abuse.run import COLUMNS, abuse_all, faults
from tests.harness import serving
from tests.vocabulary.conftest import FLAGS


def main() -> int:
    end_on_term()
    names = set(sys.argv[1:])
    llama = {"HEARTH_MODEL": str(llama3.tiny()), "HEARTH_ENGINE_ARGS": FLAGS}
    found = []
    for title, abuses, settings in (
        ("The demo model", ALL, {"HEARTH_ENGINE_ARGS": "--tool-call-parser pythonic"}),
        ("A tiny model with the vocabulary of Llama 3", VOCABULARY, llama),
    ):
        wanted = [abuse for abuse in abuses if not names or abuse.name in names]
        if wanted:
            found += _abuse(title, wanted, settings)
    print("\n".join(found) or "and nobody was hurt")
    return 1 if found else 0


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
