"""What is done to a running Hearth."""

import asyncio
import contextlib
import math
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable

import psutil

from engine_proc.lock import LOCK_FILE
from tests.harness import LOAD_SECONDS, Hearth, until

GONE_SECONDS = 30.0
"""What the kernel may take to end a killed process on a busy machine."""

START_SECONDS = 180.0
"""What a web tier may take to start on a machine that loads an engine and answers ten clients."""
STOP_SECONDS = 10.0
"""What a web tier has to end its answers when it is stopped."""

TEST_ALONE = re.compile(r"testing \S+ alone")
TEST_SECONDS = 6.0
"""A test of a request alone is over by then, or goes on beside others (`PATIENCE_SECONDS` of the quarantine)."""

Fault = Callable[[Hearth, random.Random], None]


def kill_a_web_worker(hearth: Hearth, dice: random.Random) -> None:
    worker = dice.choice(hearth.workers())
    worker.kill()
    worker.wait(GONE_SECONDS)  # until then its connections may still look good


def kill_the_master(hearth: Hearth, dice: random.Random) -> None:
    """Its workers end when they notice, and another starts."""
    web = hearth.web
    assert web is not None
    web.kill()
    web.wait(GONE_SECONDS)
    until(lambda: not _listens(hearth.port), GONE_SECONDS, "its workers have noticed")
    hearth.start_web(START_SECONDS)


def restart_the_web_tier(hearth: Hearth, dice: random.Random) -> None:
    """By TERM; the workers that have not ended soon are killed, as a service manager does."""
    web, workers = hearth.web, hearth.workers()
    assert web is not None
    web.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        web.wait(STOP_SECONDS)
    if web.poll() is None:
        for worker in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
    web.wait(GONE_SECONDS)
    hearth.start_web(START_SECONDS)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=GONE_SECONDS).close()
    except ConnectionError:
        return False
    return True


def reload_the_web_tier(hearth: Hearth, dice: random.Random) -> None:
    assert hearth.web is not None
    hearth.web.send_signal(signal.SIGHUP)


def kill_the_model_process(hearth: Hearth, dice: random.Random) -> None:
    os.kill(hearth.welcome().pid, signal.SIGKILL)


def kill_the_supervisor(hearth: Hearth, dice: random.Random) -> None:
    """All of the engine ends with it, and an operator starts another."""
    supervisor = psutil.Process(int((hearth.run_dir / LOCK_FILE).read_text()))
    supervisor.kill()
    supervisor.wait(GONE_SECONDS)
    until(lambda: hearth.engine("start", check=False).returncode == 0, GONE_SECONDS, "another engine starts")


def kill_one_of_vllms_processes(hearth: Hearth, dice: random.Random) -> None:
    if processes := _vllms_processes(hearth):
        dice.choice(processes).kill()


def kill_the_engine_core(hearth: Hearth, dice: random.Random) -> None:
    until(lambda: _vllms_processes(hearth), LOAD_SECONDS, "vLLM has processes")
    psutil.Process(hearth.welcome().pid).children()[-1].kill()


def hang_a_step(hearth: Hearth, dice: random.Random) -> None:
    """A killer may have ended the engine a moment ago: the next one makes no step while it loads."""
    if not hearth.welcome().load.ready:
        return
    for process in _vllms_processes(hearth):
        process.suspend()


def freeze_the_model_process(hearth: Hearth, dice: random.Random) -> None:
    psutil.Process(hearth.welcome().pid).suspend()


def replace_the_engine(hearth: Hearth, dice: random.Random) -> None:
    hearth.engine("stop")
    hearth.engine("start")


def _vllms_processes(hearth: Hearth) -> list[psutil.Process]:
    """None where the engine has been lost anyway, a moment ago, and the next begins to load."""
    processes: list[psutil.Process] = psutil.Process(hearth.welcome().pid).children(recursive=True)
    return processes


WEB_FAULTS: list[Fault] = [
    *[kill_a_web_worker] * 4,
    *[reload_the_web_tier] * 2,
    restart_the_web_tier,
    kill_the_master,
]
"""The last two are rare: while no web tier runs nothing can be asked, and little is answered that could be wrong."""
ENGINE_FAULTS: list[Fault] = [
    kill_the_supervisor,
    kill_the_model_process,
    kill_one_of_vllms_processes,
    hang_a_step,
    freeze_the_model_process,
    replace_the_engine,
]


class Faults:
    """One after the other, until `stop`. The engine is hit whenever it has been ready for a while."""

    def __init__(self, hearth: Hearth, dice: random.Random, say: Callable[[str], None]) -> None:
        self._hearth = hearth
        self._dice = dice
        self._say = say
        self.stop = asyncio.Event()
        self.web_gone_at: list[float] = []
        """Until when connections were lost or refused: once for each fault that does so; infinity while it lasts."""
        self.engines_lost = 0

    async def run(self, web_every: float, engine_after: float) -> None:
        """Seconds between two faults of the web tier, and from an engine's readiness to its fault, on average."""
        await asyncio.gather(self._hit_web(web_every), self._hit_engine(engine_after))

    async def _hit_web(self, every: float) -> None:
        while await self.calm(every * self._dice.uniform(0.5, 1.5)):
            fault = self._dice.choice(WEB_FAULTS)
            if fault is reload_the_web_tier:
                await self._do(fault)
            else:
                await self.cut(fault)

    async def cut(self, fault: Fault) -> None:
        """Do what costs connections. Whom it hits may hear of it before this task goes on."""
        self.web_gone_at.append(math.inf)
        await self._do(fault)
        self.web_gone_at[-1] = time.monotonic()

    async def _hit_engine(self, after: float) -> None:
        while await self.calm(0.5):
            if (await asyncio.to_thread(self._hearth.engine, "status", check=False)).returncode != 0:
                continue
            if await self.calm(after * self._dice.uniform(0.5, 1.5)):
                await self.hit_engine(self._dice.choice(ENGINE_FAULTS))

    async def hit_engine(self, fault: Fault) -> None:
        """Do what ends the engine, once nobody can be blamed for it."""
        if await self._no_test_alone():
            await self._do(fault)
            self.engines_lost += 1
            await self.calm(2)  # until it shows

    async def _no_test_alone(self) -> bool:
        """Wait until the engine tests no request alone: if it died then, it could only blame this request.

        Returns False if the run is over before.
        """
        before = None
        while (tests := self._tests_alone()) != before:
            before = tests
            if not await self.calm(TEST_SECONDS):
                return False
        return True

    def _tests_alone(self) -> int:
        """Return how many such tests have begun so far."""
        log = self._hearth.run_dir / "engine.log"
        return len(TEST_ALONE.findall(log.read_text(errors="replace")))

    async def calm(self, seconds: float) -> bool:
        """Wait so long. Returns False if the run is over before."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)
        return not self.stop.is_set()

    async def _do(self, fault: Fault) -> None:
        self._say(fault.__name__.replace("_", " "))
        await asyncio.to_thread(fault, self._hearth, self._dice)
