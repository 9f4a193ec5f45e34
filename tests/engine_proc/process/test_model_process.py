"""Whatever the model process cannot do without: when it fails, the process ends, and its supervisor starts another."""

import asyncio
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine_proc.adapter.loading.set_up import HubUnreachable
from engine_proc.adapter.outputs import EngineGone
from engine_proc.exit_status import EXIT_ENGINE_GONE, EXIT_LOAD_FAILED, EXIT_UNREACHABLE
from engine_proc.model_check import Problem
from engine_proc.process import event_loop, model_process
from schemas import wire
from schemas.shared.problem import read_problem, record_problem
from tests.engine_proc.helpers import on_a_loop, settings_in
from tests.engine_proc.stand_ins import Room

ROUTER = cast(Any, SimpleNamespace(poll=lambda: None))


async def for_ever() -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("problem", "stored"), [(None, ""), (Problem("no hub still", EXIT_UNREACHABLE), "no hub still")]
)
def test_a_load_that_gets_past_the_check_forgets_the_last_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Problem | None, stored: str
) -> None:
    def run(serving: Coroutine[Any, Any, int], run_dir: Path) -> int:
        serving.close()
        return 0

    for name in ("log_to_stderr", "set_vllm_environment", "_set_socket_directory"):
        monkeypatch.setattr(model_process, name, lambda *_: None)
    monkeypatch.setattr(model_process, "read_settings_or_exit", lambda: settings_in(tmp_path))
    monkeypatch.setattr(model_process, "check_model", lambda _: problem)
    monkeypatch.setattr(event_loop, "run", run)
    record_problem(tmp_path, "no hub")
    assert model_process.main([]) == (problem.status if problem else 0)
    assert read_problem(tmp_path) == stored


@pytest.mark.parametrize(
    ("error", "logged"), [(EngineGone(), "vLLM has died"), (KeyError("a defect"), "the pump failed")]
)
@on_a_loop
async def test_a_pump_that_fails_ends_the_process_and_hands_all_requests_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception, logged: str
) -> None:
    room = Room(tmp_path)
    await room.start(1)
    await room.engine.steps.put(error)
    assert await model_process._pump(room.server, asyncio.create_task(for_ever())) == EXIT_ENGINE_GONE
    failed = [message for _, message in room.take() if isinstance(message, wire.Failed)]
    assert [(message.id, message.code, message.resumable) for message in failed] == [(1, wire.CRASHED, True)]
    assert logged in caplog.text


@on_a_loop
async def test_without_the_housekeeping_the_process_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(model_process, "HOUSEKEEPING_SECONDS", 0.01)
    room = Room(tmp_path)
    await room.start(1)

    def fail() -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(room.server, "abort_silent_clients", fail)
    housekeeping = asyncio.create_task(model_process._housekeeping(room.server, ROUTER, settings_in(tmp_path)))
    assert await model_process._pump(room.server, housekeeping) == EXIT_ENGINE_GONE
    assert [message.id for _, message in room.take() if isinstance(message, wire.Failed)] == [1]
    assert "the housekeeping failed" in caplog.text and "a defect" in caplog.text


@on_a_loop
async def test_while_the_model_loads_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(tmp_path, attached=False)
    loaded = asyncio.Event()

    class Exited(Exception):
        pass

    def leave(status: int) -> None:
        raise Exited(status)

    async def fail() -> None:
        raise KeyError("a defect")

    monkeypatch.setattr("os._exit", leave)
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(
        model_process,
        "load_and_attach",
        lambda *_: asyncio.run_coroutine_threadsafe(loaded.wait(), loop).result(),
    )
    with ThreadPoolExecutor(1) as loader:
        with pytest.raises(Exited) as caught:
            await model_process._load(loader, settings_in(tmp_path), [], room.server, asyncio.create_task(fail()))
        assert caught.value.args == (EXIT_ENGINE_GONE,)
        loaded.set()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("attached", "idle", "ends"), [(False, 301.0, True), (False, 299.0, False), (True, 301.0, False)]
)
@on_a_loop
async def test_a_load_that_hangs_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attached: bool, idle: float, ends: bool
) -> None:
    """After five times what a step may hang."""

    def leave(status: int) -> None:
        raise KeyError(status)

    monkeypatch.setattr(model_process, "HOUSEKEEPING_SECONDS", 0.001)
    monkeypatch.setattr("engine_proc.process.stalls.LoadStalls.idle", lambda *_: idle)
    monkeypatch.setattr("os._exit", leave)
    room = Room(tmp_path, attached=attached)
    housekeeping = asyncio.create_task(model_process._housekeeping(room.server, ROUTER, settings_in(tmp_path)))
    await asyncio.wait([housekeeping], timeout=60 if ends else 0.3)
    assert housekeeping.done() == ends
    assert ("it hangs" in read_problem(tmp_path)) == ends
    if ends:
        assert cast(KeyError, housekeeping.exception()).args == (EXIT_LOAD_FAILED,)
    housekeeping.cancel()


@pytest.mark.parametrize(
    ("error", "offline", "status"),
    [
        (HubUnreachable("no answer"), "0", EXIT_UNREACHABLE),
        (HubUnreachable("not in the cache"), "1", EXIT_LOAD_FAILED),
        (OSError("libcudart.so.13: cannot open shared object file"), "0", EXIT_LOAD_FAILED),
        (ImportError("libcudart.so.13: cannot open shared object file"), "0", EXIT_LOAD_FAILED),
        (TimeoutError("EngineCore has not started"), "0", EXIT_LOAD_FAILED),
        (ConnectionError("a worker is gone"), "0", EXIT_LOAD_FAILED),
    ],
)
@on_a_loop
async def test_only_a_hub_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, offline: str, status: int
) -> None:
    """To name an error took another import of vLLM, which raised the same error inside its handler."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(model_process, "load_and_attach", fail)
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "engine_proc.adapter.loading.download", None)  # its import fails
    room = Room(tmp_path, attached=False)
    with ThreadPoolExecutor(1) as loader:
        housekeeping = asyncio.create_task(for_ever())
        assert await model_process._load(loader, settings_in(tmp_path), [], room.server, housekeeping) == status
    assert read_problem(tmp_path) == str(error) or isinstance(error, ImportError)


@on_a_loop
async def test_an_engine_that_is_stopped_ends_with_0(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.server.begin_drain(0)
    assert await model_process._pump(room.server, asyncio.create_task(for_ever())) == 0
