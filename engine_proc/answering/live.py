"""The live requests of an engine: every request received that has not finished, failed, been stranded or aborted."""

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class LiveRequest:
    """A request, from the receipt of its `Generate` until it is removed from the table."""

    client: bytes
    id: int
    name: str
    user: str
    sequences: int
    """Candidates of all prompts. The limits count them."""
    structure: str = ""
    """The request field that constrains the answers, for errors. Empty: none, or the request is not planned yet."""
    limited: bool = False
    """Whether white lists or biases rule out tokens, for errors."""
    tenant: str = ""
    """The API key's digest, for the limit per key. Empty: there is none."""
    keys: list[str] = field(default_factory=list)
    """The adapter's keys of the sequences submitted so far."""
    open: int = 0
    """Choices that have not ended."""
    task: asyncio.Task[None] | None = None
    """Plans the request and submits its sequences. None: this is done."""
    began: float = field(default_factory=time.monotonic)
    """When it was received, in `time.monotonic()` seconds."""
    searches: list[asyncio.Task[None]] = field(default_factory=list)
    """The beam searches, one per prompt."""

    @property
    def reply_id(self) -> str:
        """The id of the reply, which the name begins with."""
        return self.name.partition(" ")[0]


class LiveTable:
    """The live requests by (client, id), and how many sequences they have, in all and per tenant."""

    def __init__(self, on_remove: Callable[[LiveRequest], None] = lambda request: None) -> None:
        """`on_remove` is called with each request that is removed, for whatever reason."""
        self._on_remove = on_remove
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
        """Add a request. Return False, and do nothing, if its client already has a live request of that id."""
        if (request.client, request.id) in self._requests:
            return False
        self._requests[request.client, request.id] = request
        self.sequences += request.sequences
        self._tenants[request.tenant] += request.sequences
        return True

    def remove(self, client: bytes, request_id: int) -> LiveRequest | None:
        """Remove a request and return it. None: it is not live."""
        request = self._requests.pop((client, request_id), None)
        if request is not None:
            self.sequences -= request.sequences
            self._tenants[request.tenant] -= request.sequences
            if not self._tenants[request.tenant]:
                del self._tenants[request.tenant]
            self._on_remove(request)
        return request

    def get(self, client: bytes, request_id: int) -> LiveRequest | None:
        return self._requests.get((client, request_id))

    def has(self, client: bytes, request_id: int) -> bool:
        return (client, request_id) in self._requests

    def sequences_of(self, tenant: str) -> int:
        return self._tenants[tenant]

    def oldest(self, most: int) -> list[LiveRequest]:
        """Return the `most` oldest requests, the oldest first."""
        return heapq.nsmallest(most, self._requests.values(), key=lambda request: request.began)

    def named(self, name: str) -> LiveRequest | None:
        """Return the request whose reply has the id `name`. None: it is not live."""
        return next((request for request in self._requests.values() if request.reply_id == name), None)

    def of_client(self, client: bytes) -> list[LiveRequest]:
        return [request for request in self._requests.values() if request.client == client]
