"""Answers that a test has written instead of a model, and counts of tokens: for a web tier without an engine."""

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route

EVENTS = {"Content-Type": "text/event-stream"}
COMPLETIONS, TOKENIZE = "**/v1/chat/completions", "**/tokenize"
Body = dict[str, Any]


def stream(*choices: str, finish: str = "stop") -> str:
    """Return the events of a streamed answer, a word of each choice at a time."""
    events: list[Body] = []
    for index, text in enumerate(choices):
        words = text.split(" ")
        pieces = [word if at == 0 else f" {word}" for at, word in enumerate(words)]
        events += [{"index": index, "delta": {"content": piece}, "finish_reason": None} for piece in pieces]
        events.append({"index": index, "delta": {}, "finish_reason": finish})
    chunks = [json.dumps({"choices": [event], "usage": None}) for event in events]
    return "".join(f"data: {chunk}\n\n" for chunk in [*chunks, "[DONE]"])


def answering(page: Page, reply: Callable[[Body], str | Body]) -> list[Body]:
    """Answer what the page asks the model with what `reply` makes of the body: events, or the JSON of a whole answer.

    Returns the list that gets the bodies. A reply with `error` is sent with its status, 400.
    """
    asked: list[Body] = []

    def on_request(route: Route) -> None:
        body: Body = route.request.post_data_json  # type: ignore[assignment]
        asked.append(body)
        made = reply(body)
        if isinstance(made, str):
            route.fulfill(body=made, headers=EVENTS)
        else:
            route.fulfill(json=made, status=400 if "error" in made else 200)

    page.route(COMPLETIONS, on_request)
    return asked


def remembering(page: Page, asked: list[Body], text: str = "") -> dict[str, list[Body]]:
    """Let the page fetch the conversations of `asked` again, each with the answer `text`, and store others.

    Returns what it stores, by id.
    """
    stored: dict[str, list[Body]] = {}

    def on_request(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if route.request.method == "POST":
            stored[f"conv_{len(stored)}"] = route.request.post_data_json["items"]  # type: ignore[index]
            route.fulfill(json={"id": f"conv_{len(stored) - 1}"})
            return
        told = [body["messages"] for body in asked if body.get("conversation_id") == name]
        messages = [*told[-1], {"role": "assistant", "content": text}] if told else stored.get(name)
        route.fulfill(json={"messages": messages}, status=200 if messages else 404)

    page.route("**/v1/conversations", on_request)
    page.route("**/v1/conversations/*", on_request)
    return stored


def words_of(body: Body) -> int:
    """Return how many tokens a prompt has where each word is one, and each message has three more."""
    if body.get("prompt") is not None:
        return len(body["prompt"].split())
    return sum(len(message["content"].split()) + 3 for message in body["messages"])


def counting(page: Page, limit: int) -> list[Body]:
    """Answer `/tokenize` with words as tokens, for a context of `limit`. Returns the list that gets the bodies."""
    asked: list[Body] = []

    def on_request(route: Route) -> None:
        body: Body = route.request.post_data_json  # type: ignore[assignment]
        asked.append(body)
        route.fulfill(json={"count": words_of(body), "max_model_len": limit, "tokens": []})

    page.route(TOKENIZE, on_request)
    return asked


def too_long(limit: int) -> Body:
    message = f"This model's maximum context length is {limit} tokens."
    return {"error": {"message": message, "type": "invalid_request_error", "code": "context_length_exceeded"}}
