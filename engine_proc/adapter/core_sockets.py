"""EngineCore's sockets on the asyncio loop, read and written without a future for each message.

vLLM's own client reads outputs through `zmq.asyncio` in a task, which puts them in a queue that wakes another task; and
each request that it sends is a future too. Here one callback of the loop reads what has arrived, and a send is a send.
All else of the client stays vLLM's: starting and watching EngineCores, balancing among them, ending them.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Generator, Sequence
from typing import Any

import zmq
from vllm.v1.engine import EngineCoreOutputs
from vllm.v1.engine.core_client import AsyncMPClient, BackgroundResources, _process_utility_output
from vllm.v1.engine.exceptions import EngineDeadError

READ_AT_ONCE = 8
"""The most messages, of one engine step each, that are read before the loop does other work."""

_AT_ONCE, _MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)


class _Done(Awaitable[None]):
    """What has been sent by the time that it is awaited."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


_SENT = _Done()


class CoreSockets:
    """Takes over the sending and reading of vLLM's client `core`. For one asyncio loop."""

    def __init__(self, core: AsyncMPClient) -> None:
        self._core = core
        self._resources: BackgroundResources = core.resources
        self._output_owner = core.resources.output_socket
        self._input: zmq.Socket[bytes] = zmq.Socket.shadow(core.input_socket)
        self._output: zmq.Socket[bytes] = zmq.Socket.shadow(self._output_owner)
        self._arrived: deque[EngineCoreOutputs | Exception] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._balance = getattr(type(core), "process_engine_outputs", None)
        """What a client of several EngineCores does with each output. None: there is one EngineCore."""
        if (task := core.resources.output_queue_task) is not None:  # the client was made on the loop, and reads already
            task.cancel()
            core.resources.output_queue_task = None
        core._send_input_message = self._send
        core._ensure_output_queue_task = self._start_reading
        core.get_output_async = self.outputs

    @classmethod
    def take_over(cls, core: AsyncMPClient) -> None:
        """Take over `core`, unless it uses vLLM's elastic or fault-tolerant parallelism, whose messages need vLLM."""
        parallel = core.vllm_config.parallel_config
        if not parallel.enable_elastic_ep and not parallel.enable_fault_tolerance:
            cls(core)

    def _send(self, message: Sequence[Any], engine: bytes) -> Awaitable[None]:
        """Send a message to an EngineCore. Raises `EngineDeadError`."""
        self._core.ensure_alive()
        self._input.send(engine, _MORE)
        for frame in message[:-1]:
            self._input.send(frame, _MORE)
        self._input.send(message[-1], _AT_ONCE)
        return _SENT

    async def outputs(self) -> EngineCoreOutputs:
        """Return the outputs of the next engine step, of one EngineCore. Raises `EngineDeadError`."""
        self._start_reading()
        while True:
            while not self._arrived:
                self._waiting = asyncio.get_running_loop().create_future()
                await self._waiting
            arrived = self._arrived.popleft()
            if isinstance(arrived, Exception):
                raise self._core._format_exception(arrived) from None
            if self._balance is not None:
                await self._balance(self._core, arrived)
            if arrived.outputs or arrived.scheduler_stats:
                return arrived

    def _start_reading(self) -> None:
        # vLLM finds the loop by this task, and cancels it after closing the sockets, when EngineCore has died.
        if self._resources.output_queue_task is None:
            self._resources.output_queue_task = asyncio.create_task(self._read_until_cancelled(), name="core-outputs")

    async def _read_until_cancelled(self) -> None:
        loop, descriptor = asyncio.get_running_loop(), self._output.fileno()
        loop.add_reader(descriptor, self._read)
        loop.call_soon(self._read)
        try:
            await loop.create_future()
        finally:
            loop.remove_reader(descriptor)
            self._add(EngineDeadError())

    def _read(self) -> None:
        for _ in range(READ_AT_ONCE):
            if self._output_owner.closed:
                return
            try:
                self._handle(self._output.recv_multipart(zmq.NOBLOCK, copy=False))
            except zmq.Again:
                return
            except Exception as error:  # EngineCore has died, or sends what this vLLM does not understand
                self._add(error)
                return
        asyncio.get_running_loop().call_soon(self._read)

    def _handle(self, frames: Sequence[zmq.Frame]) -> None:
        self._resources.validate_alive(frames)
        outputs: EngineCoreOutputs = self._core.decoder.decode(frames)
        if outputs.utility_output:
            _process_utility_output(outputs.utility_output, self._core.utility_results)
        else:
            self._add(outputs)

    def _add(self, arrived: "EngineCoreOutputs | Exception") -> None:
        self._arrived.append(arrived)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
