"""`make chaos`: ten minutes of trouble, and the account of it. Exit status 1: a request was wrong, lost or left.

Processes of both tiers are killed, and requests are sent that are abusive or kill the engine.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.stopping import end_on_term
from tests.chaos.batch import BatchAccount, run_batch
from tests.chaos.faults import START_SECONDS
from tests.chaos.run import Account, Run
from tests.e2e.killing import KILLER_FLAG
from tests.harness import Hearth

ENVIRONMENT = {
    "HEARTH_ENGINE_ARGS": f"--dtype float32 {KILLER_FLAG}",  # float32: the same text whatever else is in the batch
    "HEARTH_RECOVERY_SECONDS": "800",  # a killer costs some loads, and faults cost more
    "HEARTH_STALL_SECONDS": "15",
    "HEARTH_DRAIN_SECONDS": "2",
    "HEARTH_RESUME_SECONDS": "30",
}


def main() -> int:
    end_on_term()
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="default: a new one")
    parser.add_argument(
        "--killer-every",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="between two requests that kill the engine; 0: none, and no abusive ones (default: %(default)s)",
    )
    parser.add_argument(
        "--batch",
        type=int,
        metavar="LINES",
        help="instead of the load, a batch of so many lines while ten processes of every kind are killed",
    )
    parser.add_argument("--directory", type=Path, help="where the logs and the database stay (default: they do not)")
    args = parser.parse_args()
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)

    say(f"seed {args.seed}")
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        hearth = Hearth(args.directory or Path(directory, "run"), **ENVIRONMENT)
        try:
            hearth.start_web(START_SECONDS)
            hearth.wait_ready()
            account = asyncio.run(account_of(hearth, args, say))
        finally:
            hearth.shut_down()
    print("\n".join(account.lines()))
    return 0 if account.good else 1


async def account_of(hearth: Hearth, args: argparse.Namespace, say: Callable[[str], None]) -> Account | BatchAccount:
    if args.batch:
        return await run_batch(hearth, args.batch, args.seed, say)
    killer_every = args.killer_every or None
    run = Run(hearth, args.seed, say)
    return await run.go(args.seconds, web_every=12, engine_after=12, killer_every=killer_every)


if __name__ == "__main__":
    sys.exit(main())
