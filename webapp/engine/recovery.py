"""Stranded requests: their engine was lost, and they wait until an engine of the same model can resume them."""

import logging
import time
from collections.abc import Iterable, Iterator

import gevent

from schemas.errors import ApiError, unavailable
from schemas.wire import QUARANTINE, RESUMES, Welcome
from webapp.connection.yielding import let_others_run
from webapp.engine.reply import Reply
from webapp.observing import metrics

log = logging.getLogger("hearth.recovery")

MAX_LOSSES = 5
"""A request that has lost more engines than this fails, if they cannot test it (`wire.QUARANTINE`)."""
RESUMED_AT_ONCE = 256 * 1024
"""After so many bytes of resumed requests, with the tokens that their clients have, other greenlets run."""
LINES_AT_ONCE = 64
"""After so many lines of the log other greenlets run: a line takes some 50 us."""


class Recovery:
    """Holds the stranded requests of a web worker. Their clients see a pause, not an error."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: how long a request may wait, from its first loss until an engine works on it again."""
        self._seconds = seconds
        self._stranded: dict[Reply, None] = {}
        """In the order in which they were stranded."""
        self._taken = 0
        """How many requests engines have been given."""

    def __len__(self) -> int:
        return len(self._stranded)

    def add(self, reply: Reply) -> None:
        """Strand `reply`: its engine was lost, or no longer has the request. Do nothing if it has finished."""
        if not reply.finished:
            _log_stranded([reply])
            self._hold(reply)

    def add_all(self, replies: Iterable[Reply]) -> None:
        """Strand `replies`, as `add` does, in one turn of the hub. The lines of the log are written in several."""
        lost = [reply for reply in replies if not reply.finished]
        for reply in lost:
            self._hold(reply)
        gevent.spawn(_log_stranded, lost)

    def take_up(self, reply: Reply) -> None:
        """Hold a request that an earlier worker has begun, as if it had just lost its engine here."""
        reply.waiting_since = time.monotonic()
        self._stranded[reply] = None

    def _hold(self, reply: Reply) -> None:
        metrics.STRANDED.inc()
        reply.waiting_since = reply.waiting_since or time.monotonic()
        self._stranded[reply] = None

    def discard(self, reply: Reply) -> None:
        """Forget `reply`, which is aborted or was never stranded."""
        self._stranded.pop(reply, None)

    def expire(self) -> None:
        """Fail the requests that have waited for too long."""
        limit = time.monotonic() - self._seconds
        for reply in [reply for reply in self._stranded if reply.waiting_since and reply.waiting_since < limit]:
            del self._stranded[reply]
            message = (
                f"The engine was lost, and no other took the request up within {self._seconds:.0f} s. "
                "Send the request again."
            )
            reply.fail(unavailable(message, "engine_gone", 30))

    def pop_all(self) -> list[Reply]:
        """Return all stranded requests. None stays stranded."""
        stranded, self._stranded = self._stranded, {}
        return list(stranded)

    def record_deaths(self, instance: str) -> None:
        """Fail the requests that have killed an engine. `instance` is the engine that answers; all others have died."""
        for reply in [reply for reply in self._stranded if reply.instance not in ("", instance)]:
            killed = reply.suspicion.record_death()
            reply.instance = ""
            if killed:
                del self._stranded[reply]
                log.error("%s has killed an engine that worked on nothing else", reply.generate.log_name)
                reply.fail(_engine_lost(reply))

    def resumable(self, welcome: Welcome) -> Iterator[Reply]:
        """Yield the stranded requests that this ready engine can resume, and fail the others. Each is stranded until it
        is taken: it may end meanwhile.

        Call `record_deaths` first.
        """
        before = self._taken
        try:
            for reply in list(self._stranded):
                if reply not in self._stranded:
                    continue
                error = self._error(reply, welcome)
                if error is None:
                    yield reply
                else:
                    del self._stranded[reply]
                    reply.fail(error)
        finally:  # the next engine may have been lost before all were resumed
            if resumed := self._taken - before:
                log.info("resumed %d requests on engine %s (pid %s)", resumed, welcome.instance, welcome.pid)

    def take(self, reply: Reply, welcome: Welcome) -> bool:
        """Give `reply` to the engine of `welcome`. Return False if it is no longer stranded."""
        if reply not in self._stranded:
            return False
        del self._stranded[reply]
        reply.instance = welcome.instance
        self._taken += 1
        return True

    def _error(self, reply: Reply, welcome: Welcome) -> ApiError | None:
        """Return why this engine cannot resume `reply`. None: it can."""
        if QUARANTINE not in welcome.features:
            reply.suspicion.clear()  # this engine begins it without a test
            if reply.suspicion.losses > MAX_LOSSES:
                return _engine_lost(reply)
        if reply.fingerprint != welcome.fingerprint:
            message = "The engine was replaced by one with another model. Send the request again."
            return unavailable(message, "model_changed", 1)
        if reply.begun and RESUMES not in welcome.features:
            message = "The engine was replaced by one that cannot resume an answer. Send the request again."
            return unavailable(message, "engine_restarted", 1)
        return None


def _log_stranded(replies: list[Reply]) -> None:
    for number, reply in enumerate(replies, start=1):
        log.warning("%s is stranded: its engine was lost", reply.generate.log_name)
        if number % LINES_AT_ONCE == 0:
            let_others_run(in_line=False)


def _engine_lost(reply: Reply) -> ApiError:
    message = f"{reply.suspicion.losses} engines ended while they worked on this request. Do not send it again."
    return ApiError(500, message, type="server_error", code="engine_lost", final=True)
