"""Stand-ins for what the server drives: an engine whose steps a test writes, and a starter that it can hold up."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from engine_proc.adapter.outputs import EngineGone
from engine_proc.answering.choices import Choice
from engine_proc.answering.live import LiveRequest
from engine_proc.serving.admission import Admission
from engine_proc.serving.load_clock import LoadClock
from engine_proc.serving.server import Server
from schemas import wire
from schemas.errors import invalid


@dataclass
class Output:
    """As the adapter's."""

    tag: Any
    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    logprobs: list[wire.TokenLogprob] | None = None
    prompt_logprobs: list[wire.TokenLogprob] | None = None
    cached_tokens: int = 0
    vector: bytes = b""
    failed: bool = False


@dataclass
class Stats:
    running: int = 3
    waiting: int = 2
    kv_cache_usage: float = 0.5


class Engine:
    """The adapter's interface. `steps` takes lists of outputs, or an exception."""

    def __init__(self) -> None:
        self.steps: asyncio.Queue[list[Output] | Exception] = asyncio.Queue()
        self.tags: dict[str, Any] = {}
        self.streamed: list[bool] = []
        self.sent: list[list[int]] = []
        self.aborted: list[str] = []
        self.stats = Stats()
        self.busy = False
        self.on_cpu = True
        self.figures = wire.Stats(ttft=wire.Histogram([0.1], [0, 0]), itl=wire.Histogram([0.1], [0, 0]))
        self.metrics = lambda: "vllm:up 1\n"
        self.tokens: Counter[str] = Counter()
        """Tokens that each sequence has generated, by key."""
        self.submits = asyncio.Event()
        self.submits.set()
        self._keys = itertools.count(1)

    async def submit(self, tag: Any, prepared: Any, *, stream: bool, raw: bool, sent: list[int]) -> str:
        if prepared == "broken":
            raise RuntimeError("a defect")
        if prepared == "gone":
            raise EngineGone
        key = f"key-{next(self._keys)}"
        self.tags[key] = tag
        self.streamed.append(stream)
        self.sent.append(sent)
        await self.submits.wait()
        return key

    async def abort(self, keys: Iterable[str]) -> None:
        self.aborted += keys

    def generated(self, keys: Iterable[str]) -> int:
        return min((self.tokens[key] for key in keys), default=0)

    async def step(self) -> list[Output]:
        outputs = await self.steps.get()
        if isinstance(outputs, Exception):
            raise outputs
        return outputs


@dataclass
class Plan:
    """As the starter's."""

    prompt_tokens: int = 0
    prompt_token_ids: list[list[int]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    sequences: list[tuple[Choice, Any, list[int]]] = field(default_factory=list)
    searches: list[Any] = field(default_factory=list)
    deltas: list[wire.Delta] = field(default_factory=list)


class Search:
    """A beam search that ends when it is told what it has found."""

    def __init__(self) -> None:
        self.found: asyncio.Future[list[wire.Delta]] = asyncio.get_running_loop().create_future()

    async def run(self) -> list[wire.Delta]:
        return await self.found


class Starter:
    """One token per character, once `gate` is open. A request's first stop string says what becomes of it."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = 0
        self.searches: list[Search] = []

    async def plan(self, request: LiveRequest, generate: wire.Generate, size: int) -> Plan:
        self.begun += 1
        await self.gate.wait()
        prompts = generate.prompts or []
        script = generate.sampling.stop[0] if generate.sampling.stop else ""
        if script == "refused":
            raise invalid("vLLM refuses it", "temperature")
        plan = Plan(prompt_tokens=sum(len(prompt) for prompt in prompts))
        if generate.sampling.use_beam_search:
            plan.searches = [Search() for _ in prompts]
            self.searches += plan.searches
        else:
            plan.sequences = [
                (Choice(request, index), script, generate.sent.get(index, [])) for index in range(generate.choices)
            ]
        return plan


class Room:
    """A server, what it has sent, and its stand-ins. Made on the loop."""

    def __init__(self, tmp_path: Path, *, max_queue: int = 4, max_per_key: int = 0, attached: bool = True) -> None:
        self.engine, self.starter = Engine(), Starter()
        self.clock = LoadClock(tmp_path / "load_seconds")
        self.server = Server(self.clock, 2, Admission(max_queue, max_per_key))
        self.server.clients.send = self._send
        self.sent: list[tuple[bytes, Any]] = []
        self.unreachable: set[bytes] = set()
        if attached:
            self.attach()

    def attach(self) -> None:
        self.clock.finish()
        self.server.attach(cast(Any, self.engine), cast(Any, self.starter))

    def _send(self, client: bytes, payload: bytes) -> None:
        if client in self.unreachable:
            asyncio.get_running_loop().call_soon(self.server.on_unreachable, client)
        else:
            self.sent.append((client, wire.decode_to_web(payload)))

    def receive(self, message: wire.Message, client: bytes = b"ann") -> None:
        self.server.on_message(client, wire.encode(message))

    def take(self) -> list[tuple[bytes, Any]]:
        """What has been sent since the last call."""
        sent, self.sent = self.sent, []
        return sent

    async def settle(self) -> None:
        """Let every task that can run do so."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def start(self, request_id: int = 1, client: bytes = b"ann", **fields: Any) -> list[str]:
        """Send a `Generate`, see it accepted, and return its keys."""
        before = set(self.engine.tags)
        self.receive(generate(request_id, **fields), client)
        await self.settle()
        (answer,) = self.take()
        assert answer[0] == client
        assert isinstance(answer[1], wire.Accepted)
        return [key for key in self.engine.tags if key not in before]

    async def step(self, *outputs: tuple[str, dict[str, Any]]) -> list[tuple[bytes, list[wire.Delta]]]:
        """One engine step of (key, output fields); returns the batches that it brought, by client."""
        pump = asyncio.create_task(self.server.pump())
        await self.engine.steps.put([Output(self.engine.tags[key], **fields) for key, fields in outputs])
        await self.settle()
        pump.cancel()
        batches = self.take()
        assert all(isinstance(message, wire.Deltas) for _, message in batches)
        return [(client, message.batch) for client, message in batches]


def generate(request_id: int = 1, **fields: Any) -> wire.Generate:
    fields = fields if {"prompts", "messages"} & set(fields) else {"prompts": ["abc"], **fields}
    return wire.Generate(id=request_id, name=f"cmpl-{request_id}", **fields)
