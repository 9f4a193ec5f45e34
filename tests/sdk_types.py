"""The SDKs' own types and readers as judges of replies: a member that they require must be there, and of its type."""

import json
from functools import cache
from typing import Any

import anthropic
import httpx2
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def check(kind: Any, value: Any) -> None:
    """Raise `pydantic.ValidationError` where `value`, parsed JSON, is not a `kind`, one of the SDK's types."""
    _adapter(kind).validate_python(value, strict=True)


def events_of(stream: str) -> list[dict[str, Any]]:
    """Return the events of a stream of the Responses API, each of which is checked."""
    events = [json.loads(line.removeprefix("data: ")) for line in stream.splitlines() if line.startswith("data: ")]
    for event in events:
        check(ResponseStreamEvent, event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def message_of(stream: bytes) -> anthropic.types.Message:
    """Return the message that Anthropic's SDK reads from a stream."""
    answer = httpx2.Response(200, content=stream, headers={"Content-Type": "text/event-stream"})
    replaying = httpx2.Client(transport=httpx2.MockTransport(lambda _: answer))
    with (
        anthropic.Anthropic(api_key="none", http_client=replaying, max_retries=0) as client,
        client.messages.stream(model="m", max_tokens=1, messages=[]) as events,
    ):
        return events.get_final_message()
