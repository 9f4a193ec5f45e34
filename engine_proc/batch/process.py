"""The process of a batch: `python -m engine_proc batch` becomes `python -m engine_proc.batch.process`.

It must run as a module of its own, and not as `engine_proc.__main__`: vLLM's spawned processes run the main module
again as `__mp_main__`, which is where they ask to die with their parent, and multiprocessing leaves out a `__main__`.
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

from engine_proc.adapter.loading.children import die_with_parent
from engine_proc.adapter.loading.environment import set_vllm_environment
from engine_proc.batch.driver import Driver
from engine_proc.batch.files import Done, FileProblem, Results, count_lines, open_results, read_lines
from engine_proc.batch.lines import Intake
from engine_proc.batch.progress import Progress, Tally, say
from engine_proc.exit_status import EXIT_ENGINE_GONE, EXIT_LOAD_FAILED, EXIT_USAGE
from engine_proc.model_files import missing_model
from engine_proc.process.assembly import load_and_attach
from engine_proc.serving.admission import Admission
from engine_proc.serving.load_clock import LoadClock
from engine_proc.serving.server import Server
from engine_proc.settings import Settings, read_settings_or_exit

if TYPE_CHECKING:
    from engine_proc.adapter.engine import Engine

if __name__ == "__mp_main__":
    die_with_parent()

EXIT_FILE = 1
EXIT_INTERRUPTED = 130
SHUTDOWN_SECONDS = 2.0
"""Less than a server gives vLLM, for nothing is left to lose."""
FLUSH_SECONDS = 5.0
PIPE = "-"

log = logging.getLogger("hearth.batch")

DESCRIPTION = """Answer the requests of a file, with a model that this process loads for itself. docs/batch.md has the
formats. Every other flag is vLLM's, as for `serve`."""


class _Ends(Exception):
    """The run ends here, with this exit status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m engine_proc batch",
        usage="%(prog)s INPUT -o OUTPUT [--overwrite] [--in-flight N] [vLLM's flags]",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument("input", metavar="INPUT", help="requests, one JSON object a line; - is standard input")
    parser.add_argument("-o", "--output", metavar="OUTPUT", required=True, help="results; - is standard output")
    parser.add_argument("--overwrite", action="store_true", help="start anew; otherwise what OUTPUT has is kept")
    parser.add_argument("--in-flight", metavar="N", type=int, help="most choices at once (default: max_num_seqs x 2)")
    return parser


def main(argv: list[str]) -> int:
    """Run a batch, and return the exit status."""
    if not argv or (argv[0].startswith("-") and argv[0] not in {PIPE, "-h", "--help"}):
        _parser().error("INPUT comes first")  # after a flag of vLLM's, argparse could not tell it from a value
    args, vllm_args = _parser().parse_known_args(argv)
    if args.in_flight is not None and args.in_flight < 1:
        _parser().error("--in-flight must be at least 1")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = read_settings_or_exit()
    try:
        if (problem := missing_model(settings)) is not None:
            raise FileProblem(problem)
        source, total = _open_input(args.input)
        results_fd, done = _open_output(args.output, source, overwrite=args.overwrite)
    except FileProblem as error:
        say(str(error))
        return EXIT_USAGE
    os.dup2(2, 1)  # whatever vLLM and its processes print, standard output carries results alone
    with tempfile.TemporaryDirectory(prefix="hearth-batch-") as sockets:
        set_vllm_environment()
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        os.environ["VLLM_RPC_BASE_PATH"] = sockets
        run = _Run(settings, settings.argv(vllm_args), args.in_flight, Tally(total))
        return asyncio.run(run.run(source, results_fd, done, _how_to_go_on(args.output, argv)))


def _how_to_go_on(output: str, argv: list[str]) -> str:
    if output == PIPE:
        return "what was finished has been written; the rest is lost"
    again = ["python", "-m", "engine_proc", "batch", *(arg for arg in argv if arg != "--overwrite")]
    return f"what is finished is in {output}; to go on from there: {shlex.join(again)}"


def _open_input(name: str) -> tuple[BinaryIO, int | None]:
    """The file, and how many lines it has, where that can be known."""
    if name == PIPE:
        return sys.stdin.buffer, None
    path = Path(name)
    try:
        return path.open("rb"), count_lines(path) if path.is_file() else None
    except OSError as error:
        raise FileProblem(f"{name} cannot be read: {error.strerror}") from error


def _open_output(name: str, source: BinaryIO, *, overwrite: bool) -> tuple[int, Done]:
    if name == PIPE:
        return os.dup(1), Done()
    path = Path(name)
    given = os.fstat(source.fileno())
    if path.exists() and stat.S_ISREG(given.st_mode) and os.path.samestat(given, path.stat()):
        raise FileProblem(f"{name} is the input itself")
    return open_results(path, overwrite=overwrite)


class _Clock(LoadClock):
    """Tells the stages of the load, and keeps nothing: the server's guess is not for other models to spoil."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull))
        self._said = ""

    def stage(self, stage: str, share: float | None = None) -> None:
        super().stage(stage, share)
        text = stage if share is None else f"{stage}, {int(share * 10) * 10}%"
        if text != self._said:
            self._said = text
            say(text)


class _Run:
    """One batch. The model is loaded when there is a first line that needs it."""

    def __init__(self, settings: Settings, vllm_argv: list[str], limit: int | None, tally: Tally) -> None:
        self.settings = settings
        self.vllm_argv = vllm_argv
        self.limit = limit
        self.tally = tally
        self.progress = Progress(tally)
        self.engine: Engine | None = None
        # The thread must outlive what it starts (see `die_with_parent`), so its executor is kept to the end.
        self.loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="load")

    async def run(self, source: BinaryIO, results_fd: int, done: Done, hint: str) -> int:
        """Returns the exit status. Where the run is cut short, `hint` says what can be done about it."""
        loop = asyncio.get_running_loop()
        self.failure: asyncio.Future[None] = loop.create_future()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        results = Results(results_fd, self._output_failed)
        work = asyncio.create_task(self._work(source, results, done))
        stopping = asyncio.create_task(stop.wait())
        first: set[asyncio.Future[Any]] = {work, stopping, self.failure}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        status, why = (EXIT_INTERRUPTED, "interrupted: ") if stop.is_set() else self._outcome(work)
        work.cancel()
        stopping.cancel()
        await asyncio.wait({asyncio.create_task(results.flush())}, timeout=FLUSH_SECONDS)
        self.progress.stop()
        say(f"{why}{self.progress.summary()}")
        if status not in (0, EXIT_USAGE):
            say(hint)
        if self.engine is not None:
            self.pump.cancel()
            logging.getLogger("vllm").setLevel(logging.ERROR)  # that it kills what is slow to end worries nobody now
            self.engine.shutdown(timeout=SHUTDOWN_SECONDS)
        return status

    def _outcome(self, work: asyncio.Task[None]) -> tuple[int, str]:
        """The exit status, and how to begin the last words."""
        try:
            (self.failure if self.failure.done() else work).result()
        except _Ends as end:
            return end.status, f"{end}: "
        return 0, ""

    async def _work(self, source: BinaryIO, results: Results, done: Done) -> None:
        intake = Intake(done)
        driver: Driver | None = None
        try:
            async for number, line in read_lines(source):
                taken = intake.accept(number, line)
                if taken is None:
                    self.tally.skipped += 1
                elif isinstance(taken, bytes):
                    self.tally.failed += 1
                    results.add(taken)
                else:
                    driver = driver or await self._load(results)
                    await driver.submit(taken)
                await results.room()
        except OSError as error:
            raise _Ends(EXIT_FILE, f"the input cannot be read on: {error.strerror}") from error
        if driver is not None:
            await driver.idle()
        await results.flush()

    async def _load(self, results: Results) -> Driver:
        admission = Admission(self.settings.max_queue)
        server = Server(_Clock(), 1, admission)
        loading = asyncio.get_running_loop().run_in_executor(
            self.loader, load_and_attach, self.settings, self.vllm_argv, server
        )
        try:
            self.engine = engine = await loading
        except SystemExit as error:  # argparse
            raise _Ends(EXIT_USAGE if error.code else 0, "not begun") from None
        except Exception as error:
            log.exception("the model could not be loaded")
            raise _Ends(EXIT_LOAD_FAILED, "the model could not be loaded") from error
        limit = self.limit or 2 * engine.config.scheduler_config.max_num_seqs
        admission.max_queue = max(limit, admission.max_queue)
        self.pump = asyncio.create_task(server.pump())
        self.pump.add_done_callback(self._engine_gone)
        self.progress.start()
        return Driver(server, limit, results, self.tally)

    def _engine_gone(self, pump: asyncio.Task[None]) -> None:
        if not pump.cancelled() and not self.failure.done():
            log.error("vLLM is gone", exc_info=pump.exception())
            self.failure.set_exception(_Ends(EXIT_ENGINE_GONE, "vLLM is gone"))

    def _output_failed(self, error: OSError) -> None:
        if not self.failure.done():
            self.failure.set_exception(_Ends(EXIT_FILE, f"the output cannot be written on: {error.strerror}"))


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    sys.stderr.flush()
    os._exit(status)  # vLLM's, the loading and the reading threads need no farewell
