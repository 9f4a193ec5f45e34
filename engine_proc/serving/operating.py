"""What operators see of the live requests of all web workers, and how they end one."""

import logging
import time
from collections.abc import Callable

from engine_proc.answering.live import LiveRequest, LiveTable
from schemas import wire
from schemas.errors import ApiError

log = logging.getLogger("hearth.server")

MOST_LISTED = 200
"""The most requests that are listed: the loop makes the list."""
MOST_CHARACTERS = 64
"""What is shown of a name that a client gives."""
ENDED = ApiError(499, "An operator of this server has ended the request.", type="cancelled", code="ended_by_operator")


def summary(live: LiveTable) -> wire.Requests:
    """Return the oldest live requests, and how many there are in all."""
    now = time.monotonic()
    listed = [
        wire.LiveSummary(
            name=request.reply_id,
            seconds=round(now - request.began, 3),
            tenant=request.tenant,
            user=request.user[:MOST_CHARACTERS],
            sequences=request.sequences,
        )
        for request in live.oldest(MOST_LISTED)
    ]
    return wire.Requests(listed=listed, total=len(live))


def end(name: str, live: LiveTable, fail: Callable[[LiveRequest, Exception], None]) -> wire.Ended:
    """End the request whose reply has the id `name`, where it is live. `fail` fails a request, and aborts it."""
    request = live.named(name)
    if request is not None:
        log.warning("%s is ended by an operator", request.name)
        fail(request, ENDED)
    return wire.Ended(name=name, found=request is not None)
