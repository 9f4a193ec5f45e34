"""The wire under hypothesis: whatever bytes come, the decoder refuses them in its own way and nobody dies of them."""

import asyncio
from pathlib import Path
from typing import Any

import gevent
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import wire
from tests.engine_proc.stand_ins import Room
from tests.fake_engine import FakeEngine
from tests.schemas.wire.test_wire import TO_ENGINE, TO_WEB
from tests.webapp.asking import answer
from webapp.engine.client import EngineClient

REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
TAGS = ["hello", "ping", "generate", "abort", "welcome", "pong", "refused", "accepted", "failed", "deltas"]
TAGS += ["testing", "cleared", "x"]
FIELDS = sorted({field for message in TO_ENGINE + TO_WEB for field in message.__struct_fields__} | {"t"})

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from(["", "generate", "stop"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)
maps = st.dictionaries(st.sampled_from(FIELDS), values, max_size=8)
tagged = st.builds(lambda tag, fields: {**fields, "t": tag}, st.sampled_from(TAGS), maps)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A good message with some of its fields or bytes changed."""
    message = draw(st.sampled_from([*TO_ENGINE, *TO_WEB]))
    fields = msgspec.msgpack.decode(wire.encode(message)) | draw(maps)
    raw = bytearray(msgspec.msgpack.encode(fields))
    for _ in range(draw(st.integers(0, 3))):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw[: draw(st.integers(0, len(raw)))]) if draw(st.booleans()) else bytes(raw)


payloads = st.binary(max_size=200) | tagged.map(msgspec.msgpack.encode) | spoilt()
quick = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@quick
@given(payloads)
def test_the_decoders_refuse_in_their_own_way(payload: bytes) -> None:
    for decode in (wire.decode_to_engine, wire.decode_to_web):
        try:
            message: Any = decode(payload)
        except REFUSALS:
            continue
        assert decode(wire.encode(message)) is not None, "what was understood can be said again"


@pytest.mark.parametrize("depth", [10, 1000, 100_000])
def test_deep_nesting_is_refused_or_understood(depth: int) -> None:
    deep = b"\x91" * depth + b"\xc0"
    for payload in (deep, b"\x82\xa1t\xa8generate\xa8messages" + deep, b"\x82\xa1t\xa6deltas\xa5batch" + deep):
        for decode in (wire.decode_to_engine, wire.decode_to_web):
            with pytest.raises(REFUSALS):
                decode(payload)


@pytest.mark.parametrize("attached", [True, False])
def test_no_bytes_raise_in_the_server(tmp_path: Path, attached: bool) -> None:
    @quick
    @given(st.lists(st.tuples(st.binary(min_size=1, max_size=8), payloads), max_size=5))
    def check(messages: list[tuple[bytes, bytes]]) -> None:
        async def receive() -> None:
            failed: list[Any] = []
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: failed.append(context))
            room = Room(tmp_path, max_queue=64, attached=attached)
            for client, payload in messages:
                room.server.on_message(client, payload)
            await room.settle()
            for client, _ in messages:
                room.server.abort_client(client, "the test ends")
            await room.settle()
            assert len(room.server.live) == 0
            assert room.server.live.sequences == 0
            assert failed == []

        asyncio.run(receive())

    check()


def test_no_bytes_end_the_web_workers_receiving(engine: FakeEngine, wire_client: EngineClient) -> None:
    assert answer(wire_client) == "one two"
    instance = wire_client.require_ready().instance

    @quick
    @given(payloads.filter(lambda payload: not _changes_the_engine(payload)))
    def check(payload: bytes) -> None:
        engine.send(payload)
        gevent.sleep(0)

    check()
    engine.send(b"\x82\xa1t\xa6deltas\xa5batch" + b"\x91" * 100_000 + b"\xc0")
    engine.restart(instance)
    assert answer(wire_client) == "one two"


def _changes_the_engine(payload: bytes) -> bool:
    """A good message that says, rightly, that the engine is another or does not want us."""
    try:
        return isinstance(wire.decode_to_web(payload), wire.Welcome | wire.Refused | wire.Pong)
    except REFUSALS:
        return False
