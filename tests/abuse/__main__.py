"""`make abuse`: every abusive request beside four innocent streams, and the table. Exit status 1: one was hurt."""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.abuse.requests import ALL
from tests.abuse.run import abuse_all, faults
from tests.harness import serving

COLUMNS = ("request", "status", "seconds", "longest gap of an innocent, s", "innocents hurt", "MB")


def main() -> int:
    names = set(sys.argv[1:])
    abuses = [abuse for abuse in ALL if not names or abuse.name in names]
    with tempfile.TemporaryDirectory(prefix="abuse-") as directory, serving(Path(directory, "run")) as hearth:
        identity = hearth.identity()
        rows = asyncio.run(abuse_all(hearth, abuses, lambda line: print(line, file=sys.stderr, flush=True)))
        found = faults(rows, abuses)
        if hearth.identity() != identity:
            found.append("the model was loaded again")
    for cells in (COLUMNS, ("---",) * len(COLUMNS), *(row.cells for row in rows)):
        print(f"| {' | '.join(cells)} |")
    print("\n".join(found) or f"{len(rows)} abusive requests, and nobody was hurt")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
