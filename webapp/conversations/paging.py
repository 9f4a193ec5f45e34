"""A part of a list, as OpenAI's lists are asked for: `limit`, `order` and `after` in the URL."""

from collections.abc import Callable
from typing import Any

import flask

from schemas.errors import invalid, quoted

MAX_LIMIT = 100
DEFAULT_LIMIT = 20


def page() -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """Return a function from items, the oldest first, to the page of them that the current request asks for.

    Both raise `ApiError` (400). The function may be called in another thread.
    """
    limit, order, after = asked(MAX_LIMIT, DEFAULT_LIMIT)

    def part_of(items: list[dict[str, Any]]) -> dict[str, Any]:
        ordered = items if order == "asc" else items[::-1]
        if after:
            position = next((number for number, item in enumerate(ordered, start=1) if item["id"] == after), None)
            if position is None:
                raise invalid(f"Invalid value for `after`: There is no item {quoted(after)} here.", "after")
            ordered = ordered[position:]
        return listed(ordered[:limit], has_more=len(ordered) > limit)

    return part_of


def asked(most: int, default: int) -> tuple[int, str, str | None]:
    """Return the `limit`, at most `most`, the `order` and the `after` that the current request asks for.

    Raises `ApiError` (400).
    """
    arguments = flask.request.args
    limit, order = arguments.get("limit", str(default)), arguments.get("order", "desc")
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 10 and 1 <= int(limit) <= most):
        raise invalid(f"Invalid value for `limit`: Expected an integer from 1 to {most}.", "limit")
    if order not in ("asc", "desc"):
        raise invalid("Invalid value for `order`: Expected asc or desc.", "order")
    return int(limit), order, arguments.get("after") or None


def listed(items: list[dict[str, Any]], *, has_more: bool = False) -> dict[str, Any]:
    """Return OpenAI's list object with all of `items`. Its ids are texts, and empty where there are no items."""
    first, last = (items[0]["id"], items[-1]["id"]) if items else ("", "")
    return {"object": "list", "data": items, "first_id": first, "last_id": last, "has_more": has_more}
