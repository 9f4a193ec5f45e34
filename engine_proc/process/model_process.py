"""The process that owns vLLM, started by the supervisor as `python -m engine_proc.process.model_process`.

vLLM starts EngineCore and its workers with multiprocessing's spawn, which runs this module again in each of them
under the name `__mp_main__`: there the code below makes them die with their parent, sleep while they wait, bound what a
structure takes, and end at once.
"""

import asyncio
import logging
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from engine_proc.adapter.loading.children import bound_masks, die_with_parent, end_at_once, yield_by_sleeping
from engine_proc.adapter.loading.environment import set_vllm_environment, set_vllm_json_logging
from engine_proc.adapter.loading.set_up import HubUnreachable, SetUpError, sentence, store_first_failure
from engine_proc.adapter.outputs import EngineGone
from engine_proc.exit_status import EXIT_ENGINE_GONE, EXIT_LOAD_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from engine_proc.hub import is_offline
from engine_proc.model_check import check_model
from engine_proc.process import event_loop
from engine_proc.process.assembly import load_and_attach
from engine_proc.process.stalls import LoadStalls, Stalls
from engine_proc.process.watchdog import Heartbeat
from engine_proc.serving.admission import Admission
from engine_proc.serving.failures import CRASHED, STOPPING
from engine_proc.serving.load_clock import LoadClock
from engine_proc.serving.router import Router
from engine_proc.serving.server import Server
from engine_proc.settings import Settings, read_settings_or_exit
from schemas.shared.endpoint import DEFAULT_RUN_DIR, EndpointError
from schemas.shared.log_lines import log_to_stderr
from schemas.shared.problem import clear_problem, read_problem, record_problem

if TYPE_CHECKING:
    from engine_proc.adapter.engine import Engine

if __name__ in {"__main__", "__mp_main__"}:
    die_with_parent()
if __name__ == "__mp_main__":
    yield_by_sleeping()
    end_at_once()
    store_first_failure(Path(os.environ.get("HEARTH_RUN_DIR", DEFAULT_RUN_DIR)))
    bound_masks()

SHUTDOWN_SECONDS = 5.0
"""Time limit for vLLM's processes to exit. Must be shorter than the supervisor's `STOP_GRACE`."""
HOUSEKEEPING_SECONDS = 1.0
"""Interval of the heartbeat and of the checks for silent clients and a hung vLLM."""
VLLM_SOCKET_DIR_MAX = 70
"""Longest usable directory for vLLM's sockets, in bytes: vLLM adds 37, and a socket's path has at most 107."""

log = logging.getLogger("hearth.model_process")


def main(argv: list[str]) -> int:
    """Load the model and serve it until SIGTERM or SIGINT. `argv` is vLLM's command line. Returns the exit status."""
    settings = read_settings_or_exit()
    log_to_stderr(settings.log_format)
    set_vllm_environment(settings.run_dir)
    if settings.log_format == "json":
        set_vllm_json_logging(settings.run_dir)
    if not {"-h", "--help"} & set(argv):
        if (problem := check_model(argv)) is not None:
            return _give_up(settings, problem.sentence, problem.status)
        clear_problem(settings.run_dir)  # the last process's, perhaps: the hub could not be reached
    _set_socket_directory(settings.run_dir / "vllm")
    try:
        return event_loop.run(_serve(settings, argv), settings.run_dir)
    except (EndpointError, SetUpError) as error:
        return _give_up(settings, str(error), EXIT_USAGE)


def _give_up(settings: Settings, problem: str, status: int) -> int:
    """Print why the model cannot be loaded, and store it for those who ask. Returns `status`."""
    print(f"engine_proc: {problem}", file=sys.stderr)
    record_problem(settings.run_dir, problem)
    return status


def _set_socket_directory(directory: Path) -> None:
    """Make vLLM create its sockets in `directory`, and remove those of a process that was killed."""
    shutil.rmtree(directory, ignore_errors=True)
    if len(str(directory)) <= VLLM_SOCKET_DIR_MAX:
        directory.mkdir(mode=0o700)
        os.environ["VLLM_RPC_BASE_PATH"] = str(directory)


async def _serve(settings: Settings, argv: list[str]) -> int:
    """Answer web workers from the start, load the model, and serve it. Returns the exit status."""
    clock = LoadClock(settings.run_dir / "load_seconds")
    admission = Admission(settings.max_queue, settings.max_per_key)
    server = Server(clock, int(os.environ.get("HEARTH_LOAD_COUNT", "1")), admission)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.begin_drain, settings.drain_seconds)
    router = Router(settings.endpoint, server.on_message, server.on_unreachable, settings.server_keys())
    server.clients.send = router.send
    housekeeping = asyncio.create_task(_housekeeping(server, router, settings))
    # The thread must outlive the processes that it starts (see `die_with_parent`): keep its executor until the end.
    loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="load")
    try:
        engine = await _load(loader, settings, argv, server, housekeeping)
        if isinstance(engine, int):
            return engine
        server.warm_up()
        log.info("ready after %.1f s", clock.finish())
        server.announce()
        try:
            return await _pump(server, housekeeping)
        finally:
            engine.shutdown(timeout=SHUTDOWN_SECONDS)
    finally:
        housekeeping.cancel()
        router.close()
        loader.shutdown(wait=False)


async def _load(
    loader: ThreadPoolExecutor, settings: Settings, argv: list[str], server: Server, housekeeping: "asyncio.Task[None]"
) -> "Engine | int":
    """Load the model in a thread, while the server answers. Returns the engine, or an exit status if the load fails."""
    loading = asyncio.get_running_loop().run_in_executor(loader, load_and_attach, settings, argv, server)
    stopping = asyncio.create_task(server.drained())
    first: set[asyncio.Future[Any]] = {loading, stopping, housekeeping}
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    if stopping.done():
        os._exit(0)  # a load cannot be interrupted, but the processes that it started die with this one
    if housekeeping.done():
        log.critical("the housekeeping failed", exc_info=housekeeping.exception())
        os._exit(EXIT_ENGINE_GONE)
    stopping.cancel()
    try:
        return loading.result()
    except SystemExit:  # --help
        return 0
    except SetUpError:
        raise
    except Exception as error:
        # vLLM's processes have stored their own exceptions: vLLM's message here only says that there was one.
        problem = read_problem(settings.run_dir) or sentence(error)
        record_problem(settings.run_dir, problem)
        hub = isinstance(error, HubUnreachable)
        log.error("the model could not be loaded: %s", problem, exc_info=None if hub else error)
        # Where the hub must not be asked, another attempt finds as little in the cache.
        return EXIT_UNREACHABLE if hub and not is_offline() else EXIT_LOAD_FAILED


async def _pump(server: Server, housekeeping: "asyncio.Task[None]") -> int:
    """Serve until the engine is stopped. Returns 0, or `EXIT_ENGINE_GONE` if vLLM or this process fails before that."""
    pump = asyncio.create_task(server.pump())
    stopping = asyncio.create_task(server.drained())
    await asyncio.wait({pump, stopping, housekeeping}, return_when=asyncio.FIRST_COMPLETED)
    if stopping.done():
        pump.cancel()
        await server.strand_all(STOPPING)
        return 0
    stopping.cancel()
    if housekeeping.done():
        log.critical("the housekeeping failed", exc_info=housekeeping.exception())
        pump.cancel()
    else:
        error = pump.exception()
        log.error("vLLM has died" if isinstance(error, EngineGone) else "the pump failed", exc_info=error)
    await server.strand_all(CRASHED)
    return EXIT_ENGINE_GONE


def _end_load(settings: Settings, idle: float) -> NoReturn:
    """End this process, whose load hangs. The supervisor ends vLLM's processes and tries again."""
    problem = f"the load has neither computed nor read anything for {idle:.0f} s: it hangs"
    record_problem(settings.run_dir, problem)
    log.critical(problem)
    os._exit(EXIT_LOAD_FAILED)


async def _housekeeping(server: Server, router: Router, settings: Settings) -> None:
    """Each second send a heartbeat, abort the requests of silent clients, and exit if vLLM or its load hangs."""
    heartbeat = Heartbeat()
    stall_seconds = settings.stall_seconds
    stalls, load_stalls = Stalls(stall_seconds), LoadStalls()
    while True:
        slept_at = time.monotonic()
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
        heartbeat.beat(loaded=server.engine is not None)
        router.poll()  # read what has arrived before a client counts as silent
        server.abort_silent_clients()
        if time.monotonic() - slept_at > 2 * HOUSEKEEPING_SECONDS:
            continue  # this process was suspended, vLLM is not to blame
        if server.engine is None:
            idle = await asyncio.to_thread(load_stalls.idle, server.clock.told)  # it reads all processes of the host
            if idle > settings.load_stall_seconds and server.engine is None:
                _end_load(settings, idle)
        on_cpu = server.engine is not None and server.engine.on_cpu
        if (seconds := stalls.hang(server.seconds_without_progress(), on_cpu=on_cpu)) > stall_seconds:
            log.critical("vLLM has work, and has neither made a step nor computed for %.0f s: it hangs", seconds)
            os._exit(EXIT_ENGINE_GONE)  # the supervisor kills vLLM's processes and restarts this one


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)  # without waiting for the threads of vLLM and of the load
