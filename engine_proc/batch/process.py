"""The process of a batch: `hearth batch` executes `python -m engine_proc.batch.process`.

This module must be the main module, in place of `engine_proc.__main__`: vLLM's spawned processes run the main module
again as `__mp_main__`, where the code below makes them die with their parent. multiprocessing does not run a main
module that is called `__main__`.
"""

import argparse
import asyncio
import logging
import os
import shlex
import signal
import stat
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from engine_proc.adapter.loading.children import die_with_parent, end_at_once
from engine_proc.adapter.loading.environment import set_vllm_environment
from engine_proc.adapter.loading.set_up import SetUpError
from engine_proc.batch.driver import Driver
from engine_proc.batch.files import Done, FileProblem, Results, count_lines, open_results, read_lines
from engine_proc.batch.lines import Intake
from engine_proc.batch.progress import Progress, Tally, print_line
from engine_proc.exit_status import EXIT_ENGINE_GONE, EXIT_LOAD_FAILED, EXIT_USAGE
from engine_proc.model_check import check_model
from engine_proc.process.assembly import load_and_attach
from engine_proc.serving.admission import Admission
from engine_proc.serving.load_clock import LoadClock
from engine_proc.serving.server import Server
from engine_proc.settings import Settings, read_settings_or_exit

if TYPE_CHECKING:
    from engine_proc.adapter.engine import Engine

if __name__ == "__mp_main__":
    die_with_parent()
    end_at_once()

EXIT_FILE = 1
"""Reading the input or writing the output failed."""
EXIT_INTERRUPTED = 130
SHUTDOWN_SECONDS = 2.0
"""Time limit for vLLM's processes to exit: less than a server's, because no request is in progress any more."""
FLUSH_SECONDS = 5.0
"""Time limit for the last results to be written."""
PIPE = "-"
"""File name that stands for standard input or output."""

log = logging.getLogger("hearth.batch")

DESCRIPTION = """Answer the requests of a file, with a model that this process loads. docs/batch.md has the formats. All
other flags are vLLM's, as for `serve`."""


class _RunEnded(Exception):
    """The run ends early. `status` is the exit status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hearth batch",
        usage="%(prog)s INPUT -o OUTPUT [--overwrite] [--in-flight N] [vLLM's flags]",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument(
        "input", metavar="INPUT", help="file of requests, one JSON object per line; - is standard input"
    )
    parser.add_argument("-o", "--output", metavar="OUTPUT", required=True, help="file of results; - is standard output")
    parser.add_argument(
        "--overwrite", action="store_true", help="empty OUTPUT first, instead of resuming from its results"
    )
    parser.add_argument(
        "--in-flight", metavar="N", type=int, help="at most N choices at once (default: twice max_num_seqs)"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run a batch. `argv` is the command line after `batch`. Returns the exit status."""
    if not argv or (argv[0].startswith("-") and argv[0] not in {PIPE, "-h", "--help"}):
        _parser().error("INPUT must be the first argument")  # after a flag of vLLM's it could be that flag's value
    args, vllm_args = _parser().parse_known_args(argv)
    if args.in_flight is not None and args.in_flight < 1:
        _parser().error("--in-flight must be at least 1")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = read_settings_or_exit()
    try:
        if (problem := check_model(settings.argv(vllm_args))) is not None:
            raise FileProblem(problem.sentence)
        source, total = _open_input(args.input)
        results_fd, done = _open_output(args.output, source, overwrite=args.overwrite)
    except FileProblem as error:
        print_line(str(error))
        return EXIT_USAGE
    os.dup2(2, 1)  # standard output carries only results: what vLLM prints goes to standard error
    with tempfile.TemporaryDirectory(prefix="hearth-batch-") as sockets:
        set_vllm_environment(settings.run_dir)
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        os.environ["VLLM_RPC_BASE_PATH"] = sockets
        run = _Run(settings, settings.argv(vllm_args), args.in_flight, Tally(total))
        return asyncio.run(run.run(source, results_fd, done, _resume_hint(args.output, argv)))


def _resume_hint(output: str, argv: list[str]) -> str:
    """Return what to tell the user after a run that ended early."""
    if output == PIPE:
        return "the finished results have been written, all others are lost"
    command = ["hearth", "batch", *(arg for arg in argv if arg != "--overwrite")]
    return f"{output} has the finished results; to resume, run: {shlex.join(command)}"


def _open_input(name: str) -> tuple[BinaryIO, int | None]:
    """Return the open file and its number of lines. None: unknown, because the input is a pipe."""
    if name == PIPE:
        return sys.stdin.buffer, None
    path = Path(name)
    try:
        return path.open("rb"), count_lines(path) if path.is_file() else None
    except OSError as error:
        raise FileProblem(f"{name} cannot be read: {error.strerror}") from error


def _open_output(name: str, source: BinaryIO, *, overwrite: bool) -> tuple[int, Done]:
    """Return the file descriptor of the output, and the lines that have a result. Raises `FileProblem`."""
    if name == PIPE:
        return os.dup(1), Done()
    path = Path(name)
    input_stat = os.fstat(source.fileno())
    if path.exists() and stat.S_ISREG(input_stat.st_mode) and os.path.samestat(input_stat, path.stat()):
        raise FileProblem(f"{name} is the input itself")
    return open_results(path, overwrite=overwrite)


class _Clock(LoadClock):
    """Prints the stages of the load.

    Stores no duration: the server's estimate must not come from the load of a batch, perhaps of another model.
    """

    def __init__(self) -> None:
        super().__init__(Path(os.devnull))
        self._printed = ""

    def stage(self, stage: str, share: float | None = None) -> None:
        super().stage(stage, share)
        text = stage if share is None else f"{stage}, {int(share * 10) * 10}%"
        if text != self._printed:
            self._printed = text
            print_line(text)


class _Run:
    """One batch. The model is loaded when the first line needs it."""

    def __init__(self, settings: Settings, vllm_argv: list[str], limit: int | None, tally: Tally) -> None:
        self.settings = settings
        self.vllm_argv = vllm_argv
        self.limit = limit
        self.tally = tally
        self.progress = Progress(tally)
        self.engine: Engine | None = None
        # The thread must outlive the processes that it starts (see `die_with_parent`): keep its executor until the end.
        self.loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="load")

    async def run(self, source: BinaryIO, results_fd: int, done: Done, hint: str) -> int:
        """Process all lines of `source`. Returns the exit status. `hint` is printed if the run ends early."""
        loop = asyncio.get_running_loop()
        self.failure: asyncio.Future[None] = loop.create_future()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        results = Results(results_fd, self._on_output_error)
        work = asyncio.create_task(self._work(source, results, done))
        stopping = asyncio.create_task(stop.wait())
        first: set[asyncio.Future[Any]] = {work, stopping, self.failure}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        status, reason = (EXIT_INTERRUPTED, "interrupted: ") if stop.is_set() else self._outcome(work)
        work.cancel()
        stopping.cancel()
        await asyncio.wait({asyncio.create_task(results.flush())}, timeout=FLUSH_SECONDS)
        self.progress.stop()
        print_line(f"{reason}{self.progress.summary()}")
        if status not in (0, EXIT_USAGE):
            print_line(hint)
        if self.engine is not None:
            self.pump.cancel()
            logging.getLogger("vllm").setLevel(logging.ERROR)  # no warning about processes that it has to kill
            self.engine.shutdown(timeout=SHUTDOWN_SECONDS)
        return status

    def _outcome(self, work: asyncio.Task[None]) -> tuple[int, str]:
        """Return the exit status, and the reason of an early end as the beginning of the last line."""
        try:
            (self.failure if self.failure.done() else work).result()
        except _RunEnded as end:
            return end.status, f"{end}: "
        return 0, ""

    async def _work(self, source: BinaryIO, results: Results, done: Done) -> None:
        """Process all lines. Raises `_RunEnded`."""
        intake = Intake(done)
        driver: Driver | None = None
        try:
            async for number, line in read_lines(source):
                accepted = intake.accept(number, line)
                if accepted is None:
                    self.tally.skipped += 1
                elif isinstance(accepted, bytes):
                    self.tally.failed += 1
                    results.add(accepted)
                else:
                    driver = driver or await self._load(results)
                    await driver.submit(accepted)
                await results.room()
        except OSError as error:
            raise _RunEnded(EXIT_FILE, f"reading the input failed: {error.strerror}") from error
        if driver is not None:
            await driver.idle()
        await results.flush()

    async def _load(self, results: Results) -> Driver:
        """Load the model, and return a driver for it. Raises `_RunEnded`."""
        admission = Admission(self.settings.max_queue)
        server = Server(_Clock(), 1, admission)
        loading = asyncio.get_running_loop().run_in_executor(
            self.loader, load_and_attach, self.settings, self.vllm_argv, server
        )
        try:
            self.engine = engine = await loading
        except SystemExit:  # --help
            raise _RunEnded(0, "not started") from None
        except SetUpError as error:
            raise _RunEnded(EXIT_USAGE, str(error)) from None
        except Exception as error:
            log.exception("the model could not be loaded")
            raise _RunEnded(EXIT_LOAD_FAILED, "the model could not be loaded") from error
        limit = self.limit or 2 * engine.config.scheduler_config.max_num_seqs
        admission.max_queue = max(limit, admission.max_queue)
        self.pump = asyncio.create_task(server.pump())
        self.pump.add_done_callback(self._on_engine_end)
        self.progress.start()
        return Driver(server, limit, results, self.tally)

    def _on_engine_end(self, pump: asyncio.Task[None]) -> None:
        if not pump.cancelled() and not self.failure.done():
            log.error("vLLM has died", exc_info=pump.exception())
            self.failure.set_exception(_RunEnded(EXIT_ENGINE_GONE, "vLLM has died"))

    def _on_output_error(self, error: OSError) -> None:
        if not self.failure.done():
            self.failure.set_exception(_RunEnded(EXIT_FILE, f"writing the output failed: {error.strerror}"))


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    sys.stderr.flush()
    os._exit(status)  # without waiting for the threads of vLLM, the load and the reader
