"""The messages that the web tier sends to the engine, except `Generate`, and the check of the protocol version."""

from schemas.wire.protocol import MAJOR, MINOR, Message


class Hello(Message, tag="hello"):
    """Sent first on a connection, and again whenever `Pong.instance` changes.

    Answered by `Welcome`, or by `Refused` where `version_conflict` finds one.
    """

    major: int
    minor: int
    client: str = ""


class Ping(Message, tag="ping"):
    """Sent every `PING_INTERVAL`. Answered by `Pong`.

    The engine aborts the requests of a client that sends nothing for `CLIENT_SILENCE_LIMIT`.
    """

    ids: list[int] = []
    """All requests that the client waits for. The engine sends a `Failed` for each that it does not have."""


class Abort(Message, tag="abort"):
    """The order to abort these requests. Unknown ids are ignored."""

    ids: list[int]


class AskStats(Message, tag="ask_stats"):
    """A request for the engine's statistics. Answered by `Stats`, or by `Pong` while the model loads."""


class AskMetrics(Message, tag="ask_metrics"):
    """A request for vLLM's Prometheus metrics. Answered by `Metrics`."""


class AskRequests(Message, tag="ask_requests"):
    """A request for the live requests of all web workers. Answered by `Requests`."""


class EndRequest(Message, tag="end_request"):
    """The operator's order to end one request, of any web worker: its client gets an error. Answered by `Ended`."""

    name: str
    """The id of its reply, `Generate.name`."""


class Drain(Message, tag="drain"):
    """The operator's order to stop: refuse new requests, give live ones up to `seconds` to finish, then exit.

    Answered by `Pong`.
    """

    seconds: float


def version_conflict(hello: Hello) -> str | None:
    """Return the message that refuses a peer of another MAJOR version, or None where the two are compatible."""
    if hello.major == MAJOR:
        return None
    older = "web tier" if hello.major < MAJOR else "engine"
    return (
        f"the web tier speaks wire protocol {hello.major}.{hello.minor}, the engine {MAJOR}.{MINOR}: "
        f"upgrade and restart the {older}"
    )
