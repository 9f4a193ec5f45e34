"""`make mutants`: apply each breakage to a copy of the tree, run the tests that should fail, and print which do not.

Exit status 1: a breakage was not noticed, or no longer applies.
"""

import argparse
import compileall
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from tqdm import tqdm

from schemas.shared.endpoint import PROJECT_ROOT
from tests.mutants.breakages import BREAKAGES, Breakage

TEST_SECONDS, ALL_SECONDS = 240, 1200
"""A run of one breakage's tests that takes longer hangs, which is noticed too; and the limit for all tests together."""
LANES = ("--dist", "loadgroup", "-n")
FAILED = 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="only the files whose path contains this")
    parser.add_argument("--at-once", type=int, default=2, help="how many breakages are tried at a time")
    args = parser.parse_args()
    chosen = [breakage for breakage in BREAKAGES if args.only in breakage.file]
    with tempfile.TemporaryDirectory(prefix="hearth-mutants-") as directory:
        trees = [copy_to(Path(directory) / str(number)) for number in range(args.at_once)]
        concerned = sorted({one for breakage in chosen for one in breakage.tests.split()})
        status, output = run_tests(trees[0], concerned, *LANES, str(args.at_once), seconds=ALL_SECONDS)
        if status != 0:
            print(f"{output}\nThe tests fail on the tree as it is (pytest's status {status}).", file=sys.stderr)
            return 1
        verdicts = dict(zip(chosen, try_all(chosen, trees), strict=True))
    for breakage, verdict in verdicts.items():
        if verdict != "noticed":
            print(f"{verdict}: {breakage.file}\n  - {breakage.old!r}\n  + {breakage.new!r}\n  {breakage.tests}")
    noticed = list(verdicts.values()).count("noticed")
    print(f"{noticed} of {len(chosen)} breakages are noticed.")
    return 0 if noticed == len(chosen) else 1


def copy_to(directory: Path) -> Path:
    """Copy the files that git does not ignore, and compile them, so that a run compiles the broken file alone."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    known = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    for name in known.stdout.split("\0"):
        if name and (PROJECT_ROOT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT_ROOT / name, directory / name)
    compileall.compile_dir(directory, quiet=2)
    return directory


def try_all(chosen: list[Breakage], trees: list[Path]) -> Iterator[str]:
    """Yield the verdict of each breakage, in order: `noticed`, or what is wrong."""
    free: SimpleQueue[Path] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def try_one(breakage: Breakage) -> str:
        tree = free.get()
        try:
            return verdict_of(breakage, tree)
        finally:
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        yield from tqdm(pool.map(try_one, chosen), total=len(chosen), unit="breakage")


def verdict_of(breakage: Breakage, tree: Path) -> str:
    if (tree / breakage.file).read_text().count(breakage.old) != 1:
        return "DOES NOT APPLY"
    with broken(breakage, tree):
        status, _ = run_tests(tree, breakage.tests.split())
    return {0: "NOT NOTICED", FAILED: "noticed"}.get(status, f"PYTEST'S STATUS {status}")


@contextmanager
def broken(breakage: Breakage, tree: Path) -> Iterator[None]:
    """Apply the breakage, and undo it at the end of the block."""
    path = tree / breakage.file
    whole = path.read_text()
    # Compiled files are told from newer ones by seconds and size, which a breakage may leave as they are.
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()
    path.write_text(whole.replace(breakage.old, breakage.new))
    try:
        yield
    finally:
        path.write_text(whole)


def run_tests(tree: Path, tests: list[str], *options: str, seconds: float = TEST_SECONDS) -> tuple[int, str]:
    """Return pytest's exit status, 1 if the tests hang, and its output. `options` are pytest's, too."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-m", "not engine", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*command, *options, *tests],
            cwd=tree,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return FAILED, f"The tests hang: {' '.join(tests)}"
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())
