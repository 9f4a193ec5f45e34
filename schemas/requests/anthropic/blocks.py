"""The content of a turn in Anthropic's API: a text, or blocks of text, thinking, calls and results of tools."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from marshmallow import ValidationError

from schemas.errors import quoted
from schemas.requests.parts.arguments import object_text
from schemas.requests.parts.json_types import at
from schemas.requests.parts.kept_messages import result_text
from schemas.requests.parts.messages import MAX_CALLS, MAX_PARTS
from schemas.requests.parts.warnings import warn

Block = dict[str, Any]
Message = dict[str, Any]

MAX_NAME = 256
ATTRIBUTION = "x-anthropic-billing-header:"
"""How a block begins that Claude Code puts before its system prompt. It is for Anthropic's accounts, and differs from
request to request: kept, it would keep every prompt out of the prefix cache.
"""
LEFT_OUT = (
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "advisor_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "mcp_tool_listing",
    "container_upload",
    "compaction",
    "fallback",
)
"""Types of blocks that tell of tools of Anthropic's servers, whose results other servers cannot read."""


@dataclass(slots=True)
class Said:
    """What is said without an interruption: it becomes one message of a chat."""

    role: str
    place: str
    """The field of the request that it begins with; of a result: the field that names its call."""
    texts: list[str]
    thoughts: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    call_id: str | None = None
    """Of a result: the id of its call. None: the client does not say."""

    @property
    def is_empty_answer(self) -> bool:
        """Whether this is an assistant's turn that neither says nor calls anything."""
        return self.role == "assistant" and not self.calls and not any(self.texts)

    def message(self) -> Message:
        """Return the message: several texts are its parts, but an assistant's and a tool's are one text."""
        texts: list[str] = [text for text in self.texts if text]
        message: Message = {"role": self.role, "content": "\n".join(texts)}
        if self.role in ("user", "system") and len(texts) > 1:
            message["content"] = [{"type": "text", "text": text} for text in texts]
        if any(self.thoughts):
            message["reasoning"] = _joined(*self.thoughts)
        if self.calls:
            message["content"] = message["content"] or None
            message["tool_calls"] = self.calls
        if self.call_id:
            message["tool_call_id"] = self.call_id
        return message


def user_said(content: Any, place: str) -> list[Said]:
    """Return what a user's content says. Raises `ValidationError`.

    Results of tools come before the text, wherever it stands: chat templates expect them directly after the calls.
    """
    results: list[Said] = []
    texts: list[str] = []
    for number, block in enumerate(_blocks(content)):
        if block["type"] == "tool_result":
            results.append(at(number, partial(_result, f"{place}.content[{number}].tool_use_id"), block))
        else:
            texts.append(at(number, _text_of, block))
    return [*results, Said("user", place, texts)] if any(texts) or not results else results


def assistant_said(content: Any, place: str) -> list[Said]:
    """Return what an assistant's content says and calls. Raises `ValidationError`."""
    said = Said("assistant", place, [])
    for number, block in enumerate(_blocks(content)):
        at(number, partial(_add_block, said), block)
    said.texts = ["".join(said.texts)]
    return [said]


def system_said(content: Any, place: str) -> list[Said]:
    """Return the system prompt; an empty list if it says nothing to the model. Raises `ValidationError`."""
    texts = [text for text in _texts(content) if text and not text.startswith(ATTRIBUTION)]
    return [Said("system", place, texts)] if texts else []


def _add_block(said: Said, block: Block) -> None:
    """Add a block of an assistant's turn."""
    kind = block["type"]
    if kind == "tool_use":
        if len(said.calls) == MAX_CALLS:
            raise ValidationError(f"Expected at most {MAX_CALLS} calls.")
        said.calls.append(_call(block, len(said.calls)))
    elif kind == "thinking":
        said.thoughts.append(_optional(block, "thinking", str, "a string") or "")  # clients drop what was omitted
    elif kind in LEFT_OUT:
        warn(f"Blocks of type {quoted(kind)} were left out.")
    elif kind != "redacted_thinking":  # encrypted by Anthropic
        said.texts.append(_text_of(block))


def _texts(content: Any) -> list[str]:
    return [at(number, _text_of, block) for number, block in enumerate(_blocks(content))]


def _blocks(content: Any) -> list[Any]:
    """Return the blocks of a content, each with a type. A text is one block, and null is none."""
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise ValidationError("Expected a string or an array of content blocks.")
    if len(content) > MAX_PARTS:
        raise ValidationError(f"Expected at most {MAX_PARTS} content blocks.")
    for number, block in enumerate(content):
        if not isinstance(block, dict):
            raise ValidationError({number: ["Expected an object."]})
        if not isinstance(block.get("type"), str):
            raise ValidationError({number: {"type": ["Expected the type of a content block."]}})
    return content


def _text_of(block: Block) -> str:
    match block["type"]:
        case "text":
            return _member(block, "text")
        case "tool_reference":  # what a client's search for tools has found
            return _member(block, "tool_name")
        case "document":
            heads = [_optional(block, name, str, "a string") or "" for name in ("title", "context")]
            return _joined(*heads, *at("source", _document, block.get("source")))
        case "search_result":
            heads = [_optional(block, name, str, "a string") or "" for name in ("title", "source")]
            return _joined(*heads, *at("content", _plain_texts, block.get("content")))
        case kind:
            raise ValidationError({"type": [f"This server accepts text only here, not {quoted(kind)}."]})


def _document(source: Any) -> list[str]:
    """Return the texts of a document that is text, from its `source`."""
    kind = source.get("type") if isinstance(source, dict) else None
    if kind == "text":
        return [_member(source, "data")]
    if kind == "content":
        texts: list[str] = at("content", _plain_texts, source.get("content"))
        return texts
    message = "This server reads documents of plain text only: `text` or `content`."
    raise ValidationError({"type": [message]})


def _plain_texts(content: Any) -> list[str]:
    """Return the texts of blocks among which there are no documents."""
    for number, block in enumerate(blocks := _blocks(content)):
        if block["type"] != "text":
            raise ValidationError({number: {"type": ["Expected text."]}})
    return [at(number, partial(_member, name="text"), block) for number, block in enumerate(blocks)]


def _joined(*texts: str) -> str:
    return "\n".join(text for text in texts if text)


def _member(block: Block, name: str) -> str:
    """Return a text that a block must have."""
    text = block.get(name)
    if not isinstance(text, str):
        raise ValidationError({name: ["Expected a string."]})
    return text


def _call(block: Block, number: int) -> dict[str, Any]:
    call_id = _optional(block, "id", str, "a string") or f"toolu_{number}"
    function = {
        "name": at("name", _name, block.get("name")),
        "arguments": at("input", object_text, block.get("input")),
    }
    return {"id": call_id, "type": "function", "function": function}


def _result(place: str, block: Block) -> Said:
    given = result_text(block.get("content"))
    text = given if isinstance(given, str) else "\n".join(at("content", _texts, given))
    failed = _optional(block, "is_error", bool, "true or false")
    if failed and text[:5].lower() != "error":
        text = f"Error: {text}"
    return Said("tool", place, [text], call_id=_optional(block, "tool_use_id", str, "a string"))


def _optional(block: Block, name: str, kind: type, expected: str) -> Any:
    value = block.get(name)
    if value is not None and type(value) is not kind:
        raise ValidationError({name: [f"Expected {expected}."]})
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME:
        raise ValidationError(f"Expected a name of 1 to {MAX_NAME} characters.")
    return value
