"""`python -m tests.fuzz`: bad requests by the hundred thousand, against a Hearth of its own."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from bench.stopping import end_on_term
from tests.fuzz.acceptor import compare
from tests.fuzz.run import fuzz
from tests.harness import Hearth


def main() -> int:
    end_on_term()
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", type=int, help="send this one request of the seed")
    args = parser.parse_args()
    if args.only is None:
        loaded, refused = compare(args.seed, args.requests)
        print(f"the acceptor agrees with marshmallow: {loaded} bodies loaded, {refused} refused")
    numbers = range(args.requests) if args.only is None else range(args.only, args.only + 1)
    with tempfile.TemporaryDirectory(prefix="hearth-fuzz-") as directory:
        hearth = Hearth(Path(directory) / "run")
        try:
            hearth.start_web()
            hearth.wait_ready()
            report = fuzz(hearth, args.seed, numbers)
            tracebacks = hearth.web_log.read_text().count("Traceback")
        finally:
            hearth.shut_down()
    print("\n".join(report.lines()))
    print(f"the web tier's log has {tracebacks} tracebacks")
    return 1 if report.failures or tracebacks else 0


if __name__ == "__main__":
    sys.exit(main())
