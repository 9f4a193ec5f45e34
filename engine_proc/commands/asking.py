"""Send messages to an engine and wait for the replies, over a connection that is closed afterwards."""

import time
from contextlib import ExitStack
from typing import Any

import zmq

from schemas import wire
from schemas.shared.curve import ClientKeys
from schemas.shared.endpoint import local_endpoint

ANSWER_SECONDS = 3.0
"""How long a command waits for an engine's reply."""


def ask(
    endpoint: str, *messages: wire.Message, keys: ClientKeys | None = None, seconds: float = ANSWER_SECONDS
) -> list[Any] | None:
    """Send `messages` to the engine and return as many replies. None: not all of them arrived within `seconds`."""
    with ExitStack() as stack:
        context = stack.enter_context(zmq.Context())
        socket = stack.enter_context(context.socket(zmq.DEALER))
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.IPV6, 1)
        if keys:
            keys.set_on(socket)
        socket.connect(local_endpoint(endpoint))
        for message in messages:
            socket.send(wire.encode(message))
        replies: list[Any] = []
        deadline = time.monotonic() + seconds
        while len(replies) < len(messages):
            if not socket.poll(max(0, int((deadline - time.monotonic()) * 1000))):
                return None
            replies.append(wire.decode_to_web(socket.recv()))
        return replies
