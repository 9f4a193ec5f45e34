"""How long the hub of a test's worker stands in one turn."""

import contextlib
import gc
import time
from collections.abc import Iterator

import gevent
from flask import Flask
from flask.testing import FlaskClient


class Beat:
    """Counts turns of the loop, and the CPU time of its thread between two of them."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._beating = gevent.spawn(self._beat)
        gevent.sleep(0)

    def _beat(self) -> None:
        last = time.thread_time()
        while True:
            gevent.sleep(0)
            now = time.thread_time()
            self.longest, last = max(self.longest, now - last), now

    def stop(self) -> None:
        gevent.sleep(0)  # the last turn counts, even if it was the only one
        self._beating.kill()


@contextlib.contextmanager
def settled(app: Flask) -> Iterator[FlaskClient]:
    """Yield a client of a worker that has answered before, whose loaded objects are not collected again, as ever."""
    client = app.test_client()
    assert client.post("/v1/completions", json={"prompt": "a"}).status_code == 200
    gc.collect()
    gc.freeze()
    try:
        yield client
    finally:
        gc.unfreeze()
        gc.collect()
        gc.freeze()  # as tests/conftest.py does: a later test would else go through all that pytest has, for 0.7 s
