"""The live table: every request that a web worker has sent and that has not ended, and nothing else."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class LiveRequest:
    """One `Generate`, from its arrival to its last delta."""

    client: bytes
    id: int
    name: str
    user: str
    sequences: int
    """Candidates over all prompts; each weighs on the queue."""
    structure: str = ""
    """The field that its answers are held to, once they are started; nothing: they may be any text."""
    tenant: str = ""
    """Whose request it is, where shares are counted."""
    keys: list[str] = field(default_factory=list)
    """The adapter's keys of the sequences submitted so far."""
    open: int = 0
    """Choices that have not ended."""
    task: asyncio.Task[None] | None = None
    """Renders and submits; None once it has."""
    searches: list[asyncio.Task[None]] = field(default_factory=list)
    """Beam searches, one a prompt."""


class LiveTable:
    """Requests by (client, id)."""

    def __init__(self) -> None:
        self._requests: dict[tuple[bytes, int], LiveRequest] = {}
        self._tenants: Counter[str] = Counter()
        self.sequences = 0

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[LiveRequest]:
        return iter(list(self._requests.values()))

    def __contains__(self, request: LiveRequest) -> bool:
        return self._requests.get((request.client, request.id)) is request

    def add(self, request: LiveRequest) -> bool:
        """False where this client already has a request of that id."""
        if (request.client, request.id) in self._requests:
            return False
        self._requests[request.client, request.id] = request
        self.sequences += request.sequences
        self._tenants[request.tenant] += request.sequences
        return True

    def remove(self, client: bytes, request_id: int) -> LiveRequest | None:
        request = self._requests.pop((client, request_id), None)
        if request is not None:
            self.sequences -= request.sequences
            self._tenants[request.tenant] -= request.sequences
            if not self._tenants[request.tenant]:
                del self._tenants[request.tenant]
        return request

    def has(self, client: bytes, request_id: int) -> bool:
        return (client, request_id) in self._requests

    def sequences_of(self, tenant: str) -> int:
        return self._tenants[tenant]

    def of_client(self, client: bytes) -> list[LiveRequest]:
        return [request for request in self._requests.values() if request.client == client]
