"""The messages that the web tier sends, but for `Generate`, and the verdict on another version's first one."""

from schemas.wire.protocol import MAJOR, MINOR, Message


class Hello(Message, tag="hello"):
    """The first message of a connection, and again whenever `Pong.instance` changes. Answered by `Welcome`."""

    major: int
    minor: int
    client: str = ""


class Ping(Message, tag="ping"):
    """Sent every second; a client that stays silent for `CLIENT_SILENCE_LIMIT` has its requests aborted."""

    ids: list[int] = []
    """All requests that the client waits for. Each that the engine does not work on is answered by a `Failed`."""


class Abort(Message, tag="abort"):
    """The client no longer wants these requests. Unknown ids are ignored."""

    ids: list[int]


class AskStats(Message, tag="ask_stats"):
    """Answered by `Stats`, or by `Pong` while the model loads."""


class AskMetrics(Message, tag="ask_metrics"):
    """Answered by `Metrics`."""


class Drain(Message, tag="drain"):
    """From the operator: take no new request, end within `seconds` what is live, then stop. Answered by `Pong`."""

    seconds: float


def version_conflict(hello: Hello) -> str | None:
    """The sentence for a peer of another major version, or None where the two can talk."""
    if hello.major == MAJOR:
        return None
    older = "web tier" if hello.major < MAJOR else "engine"
    return (
        f"the web tier speaks wire protocol {hello.major}.{hello.minor}, the engine {MAJOR}.{MINOR}: "
        f"upgrade and restart the {older}"
    )
