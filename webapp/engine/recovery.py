"""Requests that have lost their engine, until an engine of the same model takes them up."""

import logging
import time

from schemas.errors import ApiError, unavailable
from schemas.wire import RESUMES, Welcome
from webapp.engine.reply import Reply
from webapp.observing import metrics

log = logging.getLogger("hearth.recovery")

MAX_LOSSES = 5
"""A request that has lost so many engines is not given another: it may be what ends them."""


class Recovery:
    """Who waits, since when, and which of them an engine can go on with. Their clients see a pause, no error."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: how long a request waits for an engine before it fails."""
        self._seconds = seconds
        self._waiting: dict[Reply, float] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, reply: Reply) -> None:
        """`reply` has lost its engine now, or the engine has lost it."""
        if not reply.complete:
            log.warning("%s has lost its engine", reply.generate.log_name)
            metrics.LOST.inc()
            self._waiting[reply] = time.monotonic()

    def discard(self, reply: Reply) -> None:
        """Nobody waits for it any more, or it was never here."""
        self._waiting.pop(reply, None)

    def expire(self) -> None:
        """Fail those that have waited too long."""
        limit = time.monotonic() - self._seconds
        for reply in [reply for reply, lost_at in self._waiting.items() if lost_at < limit]:
            del self._waiting[reply]
            message = f"The engine was lost, and none took its place within {self._seconds:.0f} s. Send it again."
            reply.fail(unavailable(message, "engine_gone", 30))

    def pop_resumable(self, welcome: Welcome) -> list[Reply]:
        """All that wait, for this ready engine; those that it cannot go on with fail."""
        waiting, self._waiting = self._waiting, {}
        fit = []
        for reply in waiting:
            reply.losses += reply.instance != welcome.instance
            reply.instance = welcome.instance
            if reply.losses > MAX_LOSSES:
                message = f"{reply.losses} engines have ended while they worked on this request. Do not send it again."
                reply.fail(ApiError(500, message, type="server_error", code="engine_lost"))
            elif reply.fingerprint != welcome.fingerprint:
                message = "The engine was replaced by one with another model. Send the request again."
                reply.fail(unavailable(message, "model_changed", 1))
            elif reply.begun and RESUMES not in welcome.features:
                message = "The engine was replaced by one that cannot go on with an answer. Send the request again."
                reply.fail(unavailable(message, "engine_restarted", 1))
            else:
                fit.append(reply)
        if fit:
            log.info("%d requests go on with engine %s (pid %s)", len(fit), welcome.instance, welcome.pid)
        return fit
