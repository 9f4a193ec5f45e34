"""Stranded requests: their engine was lost, and they wait until an engine of the same model can resume them."""

import logging
import time

from schemas.errors import ApiError, unavailable
from schemas.wire import RESUMES, Welcome
from webapp.engine.reply import Reply
from webapp.observing import metrics

log = logging.getLogger("hearth.recovery")

MAX_LOSSES = 5
"""A request that has lost more engines than this fails: the request itself may crash them."""


class Recovery:
    """Holds the stranded requests of a web worker. Their clients see a pause, not an error."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: how long a stranded request waits for an engine before it fails."""
        self._seconds = seconds
        self._stranded: dict[Reply, float] = {}
        """When each was stranded, by `time.monotonic()`."""

    def __len__(self) -> int:
        return len(self._stranded)

    def add(self, reply: Reply) -> None:
        """Strand `reply`: its engine was lost, or no longer has the request. Do nothing if it has finished."""
        if not reply.finished:
            log.warning("%s is stranded: its engine was lost", reply.generate.log_name)
            metrics.STRANDED.inc()
            self._stranded[reply] = time.monotonic()

    def discard(self, reply: Reply) -> None:
        """Forget `reply`, which is aborted or was never stranded."""
        self._stranded.pop(reply, None)

    def expire(self) -> None:
        """Fail the requests that have been stranded for too long."""
        limit = time.monotonic() - self._seconds
        for reply in [reply for reply, stranded_at in self._stranded.items() if stranded_at < limit]:
            del self._stranded[reply]
            message = (
                f"The engine was lost, and no other was ready within {self._seconds:.0f} s. Send the request again."
            )
            reply.fail(unavailable(message, "engine_gone", 30))

    def pop_resumable(self, welcome: Welcome) -> list[Reply]:
        """Return the stranded requests that this ready engine can resume, and fail the others. None stays stranded."""
        stranded, self._stranded = self._stranded, {}
        resumable = []
        for reply in stranded:
            reply.losses += reply.instance != welcome.instance
            reply.instance = welcome.instance
            if reply.losses > MAX_LOSSES:
                message = f"{reply.losses} engines were lost while they worked on this request. Do not send it again."
                reply.fail(ApiError(500, message, type="server_error", code="engine_lost"))
            elif reply.fingerprint != welcome.fingerprint:
                message = "The engine was replaced by one with another model. Send the request again."
                reply.fail(unavailable(message, "model_changed", 1))
            elif reply.begun and RESUMES not in welcome.features:
                message = "The engine was replaced by one that cannot resume an answer. Send the request again."
                reply.fail(unavailable(message, "engine_restarted", 1))
            else:
                resumable.append(reply)
        if resumable:
            log.info("resuming %d requests on engine %s (pid %s)", len(resumable), welcome.instance, welcome.pid)
        return resumable
