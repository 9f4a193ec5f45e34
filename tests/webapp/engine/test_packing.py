"""Which requests are encoded in a thread, and that it changes nothing for the engine."""

from typing import Any

import pytest
import zmq
from gevent.threadpool import ThreadPool
from zmq.utils import garbage

from schemas import wire
from webapp.engine.packing import LARGE, MANY, is_large, pack

LONG = "a" * LARGE
SMALL: dict[str, dict[str, Any]] = {
    "a chat": {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]},
    "a text": {"prompts": [LONG[:-100]]},
    "token ids": {"prompts": [[1] * (MANY - 20)]},
    "a number": {"prompts": ["a"], "chat_template_kwargs": {"a": 1, "b": None, "c": True}},
}
LARGE_ONES: dict[str, dict[str, Any]] = {
    "a text": {"prompts": [LONG + "a"]},
    "texts": {"prompts": [LONG[:1000]] * 255 + [LONG[:20_000]]},
    "many": {"prompts": ["a"] * MANY},
    "token ids": {"prompts": [[1] * MANY]},
    "a content": {"messages": [{"role": "user", "content": LONG}]},
    "a part": {"messages": [{"role": "user", "content": [{"type": "text", "text": LONG}]}]},
    "a tool": {"messages": [], "tools": [{"type": "function", "function": {"name": "f", "description": LONG + "a"}}]},
    "arguments": {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": LONG}}]}]},
    "a template's": {"messages": [], "chat_template_kwargs": {"documents": [LONG + "a"]}},
    "a name": {"messages": [], "chat_template_kwargs": {LONG + "a": 1}},
    "a grammar": {"messages": [], "sampling": wire.Sampling(structure=wire.Structure(grammar=LONG + "a"))},
    "a schema": {"messages": [], "sampling": wire.Sampling(structure=wire.Structure(json={"enum": ["a"] * MANY}))},
    "an answer": {"prompts": ["a"], "sent": {0: [1] * MANY}},
}


@pytest.mark.parametrize("fields", SMALL.values(), ids=SMALL)
def test_a_small_request_is_encoded_at_once(fields: dict[str, Any]) -> None:
    generate = wire.Generate(id=1, name="x", **fields)
    assert not is_large(generate)
    assert pack(generate, ThreadPool(1)) == wire.encode(generate)


@pytest.mark.parametrize("fields", LARGE_ONES.values(), ids=LARGE_ONES)
def test_a_large_request_is_copied_into_zeromqs_memory(fields: dict[str, Any]) -> None:
    generate = wire.Generate(id=1, name="x", **fields)
    assert is_large(generate)
    packed = pack(generate, ThreadPool(1))
    assert isinstance(packed, zmq.Frame)
    assert packed.bytes == wire.encode(generate)
    assert garbage.gc.thread is None, "nothing is left to a thread of pyzmq's"


def test_what_cannot_be_encoded_raises_from_the_thread() -> None:
    with pytest.raises(OverflowError):
        pack(wire.Generate(id=1, name="x", messages=[{"content": LONG, "x": 10**30}]), ThreadPool(1))
