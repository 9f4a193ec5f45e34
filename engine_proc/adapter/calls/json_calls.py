"""Tool calls that a model writes as JSON objects in its text: `{"name": ..., "parameters": {...}}`."""

import json
import re
from collections.abc import Collection
from typing import Any, NamedTuple

_STRUCTURAL = re.compile(r'[{}"\\]')
_FIRST_KEYS = ('"name"', '"type"', '"parameters"', '"arguments"')
"""What the object of a call may begin with. An object with another first key is content, and is not held."""
_BETWEEN = " \t\r\n;,[]"
"""Characters that models put around their calls."""


class Call(NamedTuple):
    """A call that the model has ended. `arguments` is a JSON object."""

    name: str
    arguments: str


class CallReader:
    """Splits the text of one answer into content and calls, whether it arrives whole or in pieces of any size.

    An object is a call if the model has ended it, its name is one of `names`, and its arguments are an object. Any
    other object is content, and so are the objects inside it.
    """

    def __init__(self, names: Collection[str], tag: str = "", forced: str | None = None) -> None:
        """`tag`: a text before a call that is no content. `forced`: each object is the arguments of this function."""
        self._names = names
        self._tag = tag
        self._forced = forced
        self.calls: list[Call] = []
        self._held = ""
        """Text that may be, or stand before, a call."""
        self._scanned = 0
        """How many characters of `_held` are scanned; one more if the first of the next piece is escaped."""
        self._start = 0
        """Where in `_held` the open object begins. Negative: part of the object has been returned as content."""
        self._depth = 0
        """Open braces; 0: no object is open."""
        self._in_string = False
        self._sent = False
        """Whether content has been returned."""

    def feed(self, text: str) -> str:
        """Return the content that `text` adds. What may become a call is held."""
        self._held += text
        content = ""
        while self._next_object():
            end = self._scanned
            call = self._call(self._held[self._start : end]) if self._start >= 0 else None
            if call is not None:
                content += self._before_call(self._held[: self._start])
                self.calls.append(call)
                self._drop(end)
        content += self._release()
        self._sent = self._sent or bool(content)
        return content

    def finish(self) -> str:
        """Return the held text, which is content: the model has written no more."""
        held, self._held = self._held, ""
        return "" if self.calls and not held.strip(_BETWEEN) else held

    def _next_object(self) -> bool:
        """Scan to the end of the next object. Returns False if it has not arrived yet."""
        text = self._held
        while self._scanned < len(text):
            if self._depth == 0:
                self._start = text.find("{", self._scanned)
                if self._start < 0:
                    self._scanned = len(text)
                    return False
                self._depth, self._in_string, self._scanned = 1, False, self._start + 1
                continue
            found = _STRUCTURAL.search(text, self._scanned)
            self._scanned = len(text) if found is None else found.end()
            match found and found.group():
                case "\\" if self._in_string:
                    self._scanned += 1
                case '"':
                    self._in_string = not self._in_string
                case "{" if not self._in_string:
                    self._depth += 1
                case "}" if not self._in_string:
                    self._depth -= 1
                    if self._depth == 0:
                        return True
        return False

    def _release(self) -> str:
        """Remove from `_held` the text that can be no part of a call, and return this content."""
        held = self._held
        end = self._start if self._may_be_call() else len(held)
        if not held[:end].strip(_BETWEEN) and (self.calls or not self._sent):
            return ""  # it may stand before or between calls
        if self._tag:
            end = min(end, tag_start(held[:end], self._tag))
        self._drop(end)
        return held[:end]

    def _may_be_call(self) -> bool:
        """Return whether an object is open that may become a call."""
        if self._depth == 0 or self._start < 0:
            return False
        begun = self._held[self._start + 1 : self._start + 64].lstrip()
        return self._forced is not None or any(begun.startswith(key) or key.startswith(begun) for key in _FIRST_KEYS)

    def _drop(self, count: int) -> None:
        self._held = self._held[count:]
        self._scanned -= count
        self._start -= count

    def _before_call(self, text: str) -> str:
        """Return the content in `text`, which stands before a call."""
        end = tag_start(text, self._tag) if self._tag else len(text)
        return text[:end] if text[:end].strip(_BETWEEN) else ""

    def _call(self, text: str) -> Call | None:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if self._forced is not None:
            return Call(self._forced, text)
        name = value.get("name")
        arguments = value.get("arguments", value.get("parameters", ""))
        if isinstance(arguments, str) and arguments:
            try:
                arguments = json.loads(arguments)
            except (ValueError, RecursionError):
                return None
        arguments = {} if arguments is None else arguments
        if not isinstance(name, str) or name not in self._names or not isinstance(arguments, dict):
            return None
        return Call(name, as_json(arguments))


def as_json(value: Any) -> str:
    """Return `value` as JSON; with escapes only where a character is not Unicode."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() or _is_unicode(text) else json.dumps(value)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def tag_start(text: str, tag: str) -> int:
    """Return where at the end of `text` a tag, or the beginning of one, stands; its length if there is none."""
    found = text.rfind(tag)
    if found >= 0 and not text[found + len(tag) :].strip(_BETWEEN):
        return found
    longest = next((size for size in range(len(tag) - 1, 0, -1) if text.endswith(tag[:size])), 0)
    return len(text) - longest
