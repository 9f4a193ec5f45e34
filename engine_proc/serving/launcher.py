"""Plans each admitted request, and gives its sequences and beam searches to the engine."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine_proc.adapter.outputs import EngineGone
from engine_proc.answering.live import LiveRequest, LiveTable
from engine_proc.serving.clients import Clients
from engine_proc.serving.endings import Endings
from engine_proc.serving.outbox import Outbox
from schemas import wire

if TYPE_CHECKING:  # these import vllm, which takes seconds
    from engine_proc.adapter.engine import Engine
    from engine_proc.answering.beam_search import BeamSearch
    from engine_proc.answering.starting import Starter

log = logging.getLogger("hearth.server")

SUBMITTED_AT_ONCE = 16
"""Sequences that are submitted in a turn of the loop: each takes some tenths of a millisecond."""


class Launcher:
    """Starts requests, each in a task of its own."""

    def __init__(
        self, live: LiveTable, clients: Clients, outbox: Outbox, endings: Endings, on_engine_gone: Callable[[], None]
    ) -> None:
        """`on_engine_gone` is called when a request finds the engine dead. The loop that steps it finds that too."""
        self.log_requests = False
        """Whether each accepted request is logged here too. The web tier logs every request in any case."""
        self.engine: Engine | None = None
        self.starter: Starter | None = None
        self._live = live
        self._clients = clients
        self._outbox = outbox
        self._endings = endings
        self._on_engine_gone = on_engine_gone

    def begin(self, request: LiveRequest, generate: wire.Generate, size: int) -> None:
        """Start a request. `size`: the bytes of its message."""
        request.task = asyncio.create_task(self._start(request, generate, size))

    async def _start(self, request: LiveRequest, generate: wire.Generate, size: int) -> None:
        """Plan the request, send `Accepted`, and start every choice. No choice is started before all are checked."""
        assert self.engine is not None and self.starter is not None
        try:
            plan = await self.starter.plan(request, generate, size)
            if request not in self._live:
                return  # aborted while it was planned
            if self.log_requests:
                log.info("%s accepted: %d tokens in, user %r", request.name, plan.prompt_tokens, request.user)
            accepted = wire.Accepted(
                id=request.id,
                prompt_tokens=plan.prompt_tokens,
                prompt_token_ids=plan.prompt_token_ids,
                warnings=plan.warnings,
            )
            self._clients.reply(request.client, accepted)
            if plan.deltas:
                await self._outbox.send(request.client, plan.deltas)
            for number, (tag, sequence, sent) in enumerate(plan.sequences, 1):
                if request not in self._live:
                    break
                key = await self.engine.submit(tag, sequence, stream=generate.stream, raw=generate.embed, sent=sent)
                request.keys.append(key)
                if number % SUBMITTED_AT_ONCE == 0:
                    await asyncio.sleep(0)
            request.searches = [asyncio.create_task(self._search(request, search)) for search in plan.searches]
        except EngineGone:
            self._on_engine_gone()
        except Exception as error:
            self._endings.fail(request, error)
        finally:
            request.task = None
            if request not in self._live:
                self._endings.abort(request)

    async def _search(self, request: LiveRequest, search: "BeamSearch") -> None:
        try:
            deltas = await search.run()
        except EngineGone:
            pass  # the loop that steps the engine finds that too, and all requests are stranded
        except Exception as error:
            self._endings.end(request, error)
        else:
            await self._outbox.send(request.client, deltas)
