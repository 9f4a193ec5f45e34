"""EngineCore's sockets on the loop, with a scripted EngineCore at their other ends."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest
import zmq
import zmq.asyncio
from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs, EngineCoreRequestType, UtilityOutput
from vllm.v1.engine.core import EngineCoreProc
from vllm.v1.engine.core_client import AsyncMPClient, BackgroundResources, DPLBAsyncMPClient
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.serial_utils import MsgpackDecoder, MsgpackEncoder

from engine_proc.adapter.core_sockets import READ_AT_ONCE, CoreSockets
from tests.engine_proc.helpers import eventually, on_a_loop

ENGINE = b"\x00\x00"


class Core:
    """vLLM's client without its processes, and EngineCore's ends of the sockets."""

    def __init__(
        self, directory: Path, client_class: type[AsyncMPClient] = AsyncMPClient, *, on_the_loop: bool = False
    ) -> None:
        """`on_the_loop`: the client is made on a running loop, where it begins to read at once."""
        self.client: Any = object.__new__(client_class)
        context = zmq.Context()
        self.client.ctx = zmq.asyncio.Context(context)
        self.client.vllm_config = mock.Mock()
        self.client.vllm_config.parallel_config.enable_elastic_ep = False
        self.client.vllm_config.parallel_config.enable_fault_tolerance = False
        self.client.resources = BackgroundResources(ctx=context)
        self.client.input_socket = self.client.resources.input_socket = self.client.ctx.socket(zmq.ROUTER)
        self.client.resources.output_socket = self.client.ctx.socket(zmq.PULL)
        self.client.encoder, self.client.decoder = MsgpackEncoder(), MsgpackDecoder(EngineCoreOutputs)
        self.client.core_engine, self.client.core_engines = ENGINE, [ENGINE]
        self.client.utility_results, self.client.client_index = {}, 0
        self.client.input_socket.bind(f"ipc://{directory}/in")
        self.client.resources.output_socket.bind(f"ipc://{directory}/out")
        self._context = zmq.Context()
        self.requests = self._context.socket(zmq.DEALER)
        self.requests.setsockopt(zmq.IDENTITY, ENGINE)
        self.requests.connect(f"ipc://{directory}/in")
        self.outputs = self._context.socket(zmq.PUSH)
        self.outputs.connect(f"ipc://{directory}/out")
        self.requests.send(b"ready")
        assert zmq.Socket.shadow(self.client.input_socket).recv_multipart() == [ENGINE, b"ready"]
        if on_the_loop:
            self.client.outputs_queue = asyncio.Queue()
            client_class._ensure_output_queue_task(self.client)
        CoreSockets.take_over(self.client)

    def send(self, outputs: EngineCoreOutputs) -> None:
        self.outputs.send_multipart(MsgpackEncoder().encode(outputs))

    def step(self, *request_ids: str) -> None:
        self.send(EngineCoreOutputs(outputs=[EngineCoreOutput(name, [5]) for name in request_ids]))

    async def received(self) -> list[bytes]:
        await eventually(lambda: self.requests.poll(0), "EngineCore has a message")
        return list(self.requests.recv_multipart())

    def close(self) -> None:
        self._context.destroy(linger=0)
        self.client.resources()


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    core = Core(tmp_path)
    yield core
    core.close()


def names(step: EngineCoreOutputs) -> list[str]:
    return [output.request_id for output in step.outputs]


def test_steps_arrive_in_their_order(core: Core) -> None:
    @on_a_loop
    async def work() -> None:
        core.step("0")
        assert names(await core.client.get_output_async()) == ["0"]
        waiting = asyncio.create_task(core.client.get_output_async())
        await asyncio.sleep(0.01)
        for number in range(1, 5 * READ_AT_ONCE):
            core.step(str(number))
        seen = [names(await waiting)]
        seen += [names(await core.client.get_output_async()) for _ in range(2, 5 * READ_AT_ONCE)]
        assert seen == [[str(number)] for number in range(1, 5 * READ_AT_ONCE)]

    work()


def test_requests_and_aborts_are_sent_at_once(core: Core) -> None:
    @on_a_loop
    async def work() -> None:
        core.client._send_input(EngineCoreRequestType.ABORT, ["a", "b"])  # not awaited
        kind, payload = await core.received()
        assert kind == EngineCoreRequestType.ABORT.value
        assert MsgpackDecoder(list).decode([payload]) == ["a", "b"]

    work()


def test_a_utility_call_gets_its_result(core: Core) -> None:
    @on_a_loop
    async def work() -> None:
        call = asyncio.create_task(core.client.call_utility_async("is_sleeping"))
        kind, payload = await core.received()
        assert kind == EngineCoreRequestType.UTILITY.value
        _, call_id, name, _ = MsgpackDecoder(list).decode([payload])
        assert name == "is_sleeping"
        core.send(EngineCoreOutputs(utility_output=UtilityOutput(call_id, failure_message="no")))
        with pytest.raises(Exception, match="no"):
            await call
        core.step("after it")
        assert names(await core.client.get_output_async()) == ["after it"]

    work()


def test_a_death_is_told_to_who_waits_and_to_who_sends(core: Core) -> None:
    @on_a_loop
    async def work() -> None:
        waiting = asyncio.create_task(core.client.get_output_async())
        await asyncio.sleep(0.01)
        core.outputs.send(EngineCoreProc.ENGINE_CORE_DEAD)
        with pytest.raises(EngineDeadError):
            await waiting
        with pytest.raises(EngineDeadError):
            core.client._send_input(EngineCoreRequestType.ABORT, ["a"])

    work()


def test_a_message_that_is_not_understood_ends_the_engine(core: Core) -> None:
    @on_a_loop
    async def work() -> None:
        core.outputs.send_multipart([b"\xc1", b"more"])
        with pytest.raises(msgspec.DecodeError):
            await core.client.get_output_async()

    work()


def test_vllm_closes_the_sockets_when_a_process_has_died(core: Core) -> None:
    """Its monitor does so from a thread of its own, and finds the loop by the task that reads."""

    @on_a_loop
    async def work() -> None:
        waiting = asyncio.create_task(core.client.get_output_async())
        await asyncio.sleep(0.01)
        await asyncio.to_thread(core.client.resources)
        with pytest.raises(EngineDeadError):
            await waiting

    work()


def test_several_engines_are_balanced_by_vllm(tmp_path: Path) -> None:
    core = Core(tmp_path, DPLBAsyncMPClient)
    core.client.reqs_in_flight = {"a": ENGINE, "b": ENGINE}
    core.client.engine_inflight = {ENGINE: 2}

    @on_a_loop
    async def work() -> None:
        core.send(EngineCoreOutputs(finished_requests={"a"}))
        core.send(EngineCoreOutputs(outputs=[EngineCoreOutput("b", [5])], finished_requests={"b"}))
        assert names(await core.client.get_output_async()) == ["b"]
        assert core.client.engine_inflight == {ENGINE: 0}

    try:
        work()
    finally:
        core.close()


@pytest.mark.parametrize("feature", ["enable_elastic_ep", "enable_fault_tolerance"])
def test_what_needs_vllms_own_reading_keeps_it(core: Core, feature: str) -> None:
    client: Any = mock.Mock()
    client.vllm_config.parallel_config.enable_elastic_ep = False
    client.vllm_config.parallel_config.enable_fault_tolerance = False
    setattr(client.vllm_config.parallel_config, feature, True)
    reading = client.get_output_async
    CoreSockets.take_over(client)
    assert client.get_output_async is reading


@pytest.mark.parametrize("turns", [0, 3], ids=["before it reads", "while it reads"])
def test_a_client_that_was_made_on_the_loop_reads_no_more(tmp_path: Path, turns: int) -> None:
    @on_a_loop
    async def reads() -> None:
        core = Core(tmp_path, on_the_loop=True)
        try:
            for _ in range(turns):
                await asyncio.sleep(0.01)
            for name in "abc":
                core.step(name)
                assert names(await asyncio.wait_for(core.client.get_output_async(), 5)) == [name]
        finally:
            core.close()

    reads()
