"""Ends requests whose answers will not be completed here: with an error, or handed back to their web workers."""

import logging
from typing import TYPE_CHECKING

from engine_proc.answering.live import LiveRequest, LiveTable
from engine_proc.serving.aborts import Aborts
from engine_proc.serving.clients import Clients
from engine_proc.serving.failures import TESTING, internal_error
from schemas.errors import ApiError

if TYPE_CHECKING:
    from engine_proc.adapter.engine import Engine

log = logging.getLogger("hearth.server")


class Endings:
    """Removes requests from the live ones, tells their web workers, and aborts what the engine still does for them."""

    def __init__(self, live: LiveTable, clients: Clients) -> None:
        self.engine: Engine | None = None
        self._live = live
        self._clients = clients
        self._aborts = Aborts()

    def fail(self, request: LiveRequest, error: Exception) -> None:
        """Remove the request from the live ones and send its error. Do nothing if it is no longer live."""
        if self._live.remove(request.client, request.id) is None:
            return
        if not isinstance(error, ApiError):
            log.exception("%s failed", request.name, exc_info=error)
            error = internal_error("The engine")
        self._clients.fail(request.client, request.id, error)

    def end(self, request: LiveRequest, error: Exception) -> None:
        """Fail a request, and abort what is left of it."""
        self.fail(request, error)
        self.abort(request)

    def hand_back(self, request: LiveRequest, error: ApiError = TESTING) -> None:
        """Abort and strand a request, so that its web worker sends it again."""
        self.abort(self._live.remove(request.client, request.id))
        self._clients.fail(request.client, request.id, error, resumable=True)

    def abort(self, request: LiveRequest | None) -> None:
        """Abort the sequences of a request that is no longer live. One that is being started does this itself."""
        if request is None or request.task is not None or self.engine is None:
            return
        for search in request.searches:
            search.cancel()
        self._aborts.add(self.engine, request.keys)
