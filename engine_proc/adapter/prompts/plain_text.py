"""Text is text: what a client's messages say never becomes a control token of the model.

A chat template writes messages and control tokens into one text. In it, a user's `<|eot_id|>` is like the template's:
it would end the user's turn, and a forged turn of the system could follow. So if a message has the text of a control
token, that text is marked before the template sees it. In the rendered text, only the template's own tokens are then
without a mark. They get names that no client can know, and the marks are removed. A twin of the tokenizer, which knows
the control tokens by these names alone, finds the template's tokens and takes the others for the text that they are.

A chat without such a text, as nearly all are, is rendered and tokenised as if this module did not exist.
"""

import json
import re
from bisect import bisect_right
from itertools import groupby, pairwise
from typing import Any

from msgspec.structs import replace

from engine_proc.adapter.prompts.control_tokens import Twin, control_tokens
from schemas.wire import Generate

MARK = "\ufdd0"
"""Stands after the first character of a control token's text. Unicode assigns it to no character, ever."""
NOTHING = r"(?!)"
"""A regular expression that is found nowhere."""
SPACE = " "
"""The mark where there is no twin: it stays in the text."""


class PlainText:
    """Marks the texts of control tokens in chats, and tokenises the rendered chats that have marks."""

    def __init__(self, tokenizer: Any, turn: str = "") -> None:
        """`turn` is a chat without control tokens of its own, as the model's template renders it."""
        tokens = control_tokens(tokenizer, turn)
        self._pattern = re.compile(_one_of(sorted(tokens)) if tokens else NOTHING)
        self._search = self._pattern.search
        self._twin = Twin.of(tokenizer, tokens)
        self._mark = SPACE if self._twin is None else MARK

    def marked(self, request: Generate) -> Generate | None:
        """Return a copy of a chat with the texts of control tokens marked. None: there are none in it."""
        messages = [_unescaped(message) if "tool_calls" in message else message for message in request.messages or ()]
        if not any(map(self._is_in, (*messages, request.tools, request.chat_template_kwargs))):
            return None
        return replace(
            request,
            messages=[self._marked(message) for message in messages],
            tools=[self._marked(tool) for tool in request.tools],
            chat_template_kwargs=self._marked(request.chat_template_kwargs),
        )

    def tokenise(self, rendered: str, add_special_tokens: bool) -> list[int] | None:
        """Return the token ids of a rendered chat that has marks. None: the model's tokenizer gives them.

        `add_special_tokens`: begin with what the tokenizer adds to a text, unless the chat begins with it.
        """
        twin = self._twin
        if twin is None:
            return None
        named = self._pattern.sub(lambda token: twin.name(token[0]), rendered)
        return twin.encode(named.replace(MARK, ""), add_special_tokens)

    def _is_in(self, value: Any) -> bool:
        """Return whether a text of `value`, JSON's, has the text of a control token."""
        if isinstance(value, str):
            return self._search(value) is not None
        if isinstance(value, dict):
            return any(map(self._search, value)) or any(map(self._is_in, value.values()))
        if isinstance(value, list) and value:
            return any(map(self._is_in, value)) or self._search("".join(map(_text, value))) is not None
        return False

    def _marked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._pattern.sub(lambda token: token[0][0] + self._mark + token[0][1:], value)
        if isinstance(value, dict):
            return {self._marked(key): self._marked(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return self._marked_across([self._marked(inner) for inner in value])
        return value

    def _marked_across(self, parts: list[Any]) -> list[Any]:
        """Return `parts` with marks in what their texts make up together: a template may put nothing between them."""
        texts = list(map(_text, parts))
        places = [token.start() + 1 for token in self._pattern.finditer("".join(texts))]
        if not places:
            return parts
        marked, begin = [], 0
        for part, text in zip(parts, texts, strict=True):
            end = begin + len(text)
            inside = places[bisect_right(places, begin) : bisect_right(places, end)]
            edges = [0, *(place - begin for place in inside), len(text)]
            whole = self._mark.join(text[left:right] for left, right in pairwise(edges))
            marked.append(part if not text else {**part, "text": whole} if isinstance(part, dict) else whole)
            begin = end
        return marked


def _text(part: Any) -> str:
    """Return the text of a part of a message's content; empty: `part` is none."""
    text = part.get("text") if isinstance(part, dict) else part
    return text if isinstance(text, str) else ""


def _unescaped(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message with the arguments of its calls without JSON's escapes, behind which a token can hide."""
    calls = message.get("tool_calls")
    if not calls or not any(_is_escaped(call["function"].get("arguments")) for call in calls):
        return message
    functions = [call["function"] for call in calls]
    plain = [{**function, "arguments": _without_escapes(function.get("arguments"))} for function in functions]
    return {**message, "tool_calls": [{**call, "function": f} for call, f in zip(calls, plain, strict=True)]}


def _is_escaped(arguments: Any) -> bool:
    return isinstance(arguments, str) and ("\\u" in arguments or "\\/" in arguments)


def _without_escapes(arguments: Any) -> Any:
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):  # they are no JSON: the template gets them as they are
        return arguments


def _one_of(words: list[str]) -> str:
    """Return a regular expression for the longest of the sorted `words`, which takes linear time.

    `<a|<b` would try each word at each `<`, and a client could send a text that consists of these.
    """
    branches = []
    for first, group in groupby((word for word in words if word), key=lambda word: word[0]):
        rests = [word[1:] for word in group]
        rest = _one_of(rests)
        several = "" in rests or len({word[0] for word in rests}) > 1
        optional = "?" if rest and "" in rests else ""
        branches.append(re.escape(first) + (f"(?:{rest}){optional}" if several and rest else rest))
    return "|".join(branches)
