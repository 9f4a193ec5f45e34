"""`make bench`: compare Hearth with its peers, on the same engines, machine and run. Writes bench/results/.

First on a simulated GPU, which leaves the cores to the servers; then the engine on the CPU, the web tier alone, and the
batch command.
"""

import argparse
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import earlier, offline, report, results, rust_binary, smg, web_tier
from bench.beds import bed
from bench.loads import CPU_LOADS, GPU_LOADS
from bench.run import ONCE, Plan, run
from bench.step_time import DEFAULT_STEP
from bench.stopping import end_on_term
from bench.targets import NAMES, PEERS

PARTS = ("gpu", "cpu", "web-tier", "offline")
QUICK = 8
"""Divisor of the number of requests in a quick run."""


def main() -> int:
    args = _parse(sys.argv[1:])
    end_on_term()
    if shutil.which("wrk") is None:
        sys.exit("bench: wrk is missing; `make bench` installs it, or: apt-get install wrk")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))  # for 1,000 connections; the servers inherit this
    measured = results.Results(results.machine(rounds=args.rounds, quick=args.quick))
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            _measure(args, Path(directory), measured)
    finally:  # the results so far, also after a failure or Ctrl-C
        written = report.write(measured, args.output)
        sys.stdout.write(f"{report.text(measured)}\nwritten: {', '.join(str(path) for path in written)}\n")
    return 0


def _measure(args: argparse.Namespace, directory: Path, measured: results.Results) -> None:
    if "gpu" in args.parts:
        _loads("gpu", args.rounds, args, directory, measured)
    if "cpu" in args.parts:
        _loads("cpu", 1, args, directory, measured)
    if "web-tier" in args.parts:
        measured.web_tier = web_tier.measure(directory)
    if "offline" in args.parts:
        measured.offline = offline.measure(args.prompts, directory)
        measured.checks.offline = [measured.offline["ratio"], measured.offline["ratio_with_loading"]]


def _loads(name: str, rounds: int, args: argparse.Namespace, directory: Path, measured: results.Results) -> None:
    """Measure the loads of a bed."""
    wanted = bed(name, args.step)
    loads = [load.smaller(QUICK) if args.quick else load for load in wanted.loads if load.name in args.loads]
    if not loads:
        return
    chosen = [contender for contender in args.contenders if name == "gpu" or contender not in ONCE]
    plan = Plan(wanted, chosen, loads, rounds)
    finders: dict[str, Callable[[], tuple[Path | None, str]]] = {
        "rust": rust_binary.find_or_fetch,
        "smg": smg.find_or_fetch,
        "before": lambda: earlier.find_or_extract(args.before),
    }
    for contender in finders.keys() & set(plan.contenders):
        path, reason = finders[contender]()
        if path is None:
            sys.stderr.write(f"bench: without {NAMES[contender]}: {reason}\n")
            measured.absent[contender] = reason
            plan.contenders.remove(contender)
        else:
            plan.found[contender] = path
    run(plan, directory, measured)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, help="how often each contender is measured on the GPU (default 2; 1 with --quick)"
    )
    parser.add_argument(
        "--step",
        default=DEFAULT_STEP,
        help="the GPU's step: base ms, us for each sequence, us for each prompt token (default %(default)s: an 8B "
        "model on an H100)",
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} times fewer requests")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)} (default all)")
    parser.add_argument("--contenders", default=",".join(PEERS), help=f"some of {','.join(PEERS)} (default all)")
    parser.add_argument("--before", metavar="COMMIT", help="an earlier commit of Hearth, as one more contender")
    loads = list(dict.fromkeys(load.name for load in (*GPU_LOADS, *CPU_LOADS)))
    parser.add_argument("--loads", default=",".join(loads), help=f"some of {','.join(loads)} (default all)")
    parser.add_argument(
        "--prompts", type=int, default=offline.PROMPTS, help="prompts of the offline part (default %(default)s)"
    )
    parser.add_argument("--output", type=Path, default=results.RESULTS, help="directory (default bench/results)")
    args = parser.parse_args(argv)
    for name, known in (("parts", list(PARTS)), ("contenders", PEERS), ("loads", loads)):
        wanted = [word for word in getattr(args, name).split(",") if word]
        if unknown := set(wanted) - set(known):
            parser.error(f"--{name}: unknown: {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
        if not wanted:
            parser.error(f"--{name}: name at least one of {', '.join(known)}")
        setattr(args, name, [word for word in known if word in wanted])
    if args.before:
        args.contenders.append("before")
    if args.rounds is None:
        args.rounds = 1 if args.quick else 2
    if args.rounds < 1 or args.prompts < 1:
        parser.error("--rounds and --prompts must be at least 1")
    return args


if __name__ == "__main__":
    sys.exit(main())
