"""A thread that answers the command line as an engine would."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import zmq

from engine_proc.settings import Settings
from schemas import wire

READY = wire.Load(ready=True, stage="ready", progress=1.0)
LOADING = wire.Load(stage="loading demo", progress=0.42)
STATS = wire.Stats(
    ttft=wire.Histogram([0.1, 1.0], [3, 1, 0]),
    itl=wire.Histogram([0.01], [9, 0]),
    prompt_tokens=1200,
    generated_tokens=50,
)


@contextmanager
def engine(settings: Settings, welcome: wire.Message, *loads: wire.Load) -> Iterator[None]:
    """A thread that answers at the endpoint: `Ping` with one load after another, the last for ever."""
    loads_left = list(loads) or [READY]
    context, bound, ended = zmq.Context(), threading.Event(), threading.Event()

    def answer() -> None:
        with context.socket(zmq.ROUTER) as socket:
            socket.bind(settings.endpoint)
            bound.set()
            while not ended.is_set():
                if not socket.poll(20):
                    continue
                client, payload = socket.recv_multipart()
                message = wire.decode_to_engine(payload)
                if isinstance(message, wire.AskStats):
                    socket.send_multipart([client, wire.encode(STATS)])
                elif isinstance(message, wire.Ping):
                    load = loads_left.pop(0) if len(loads_left) > 1 else loads_left[0]
                    socket.send_multipart([client, wire.encode(wire.Pong(instance="i", load=load, live=7))])
                else:
                    socket.send_multipart([client, wire.encode(welcome)])

    thread = threading.Thread(target=answer)
    thread.start()
    bound.wait(5)
    try:
        yield
    finally:
        ended.set()
        thread.join()
        context.term()


def welcome(load: wire.Load) -> wire.Welcome:
    return wire.Welcome(
        major=wire.MAJOR,
        minor=wire.MINOR,
        instance="i",
        pid=4321,
        load_count=3,
        load=load,
        model="/models/demo",
        served_names=["demo"] if load.ready else [],
        fingerprint="f" * 32,
        max_model_len=2048,
        engine_version="vllm 0",
    )
