"""The JSON of chat completions, as OpenAI defines it."""

from typing import Any

from schemas.replies.choice import Choice
from schemas.replies.message import assistant_message
from schemas.replies.shape import Shape, encode_json
from schemas.replies.token_scores import own_bytes
from schemas.wire import Delta, TokenLogprob, ToolCall


class ChatShape(Shape):
    """The reply to a chat completion, with vLLM's `reasoning`, `prompt_logprobs` and token ids where requested."""

    prefix = "chatcmpl"
    object = "chat.completion"
    chunk_object = "chat.completion.chunk"
    opening = b',"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]'

    def _opening_extras(self) -> bytes:
        if not self.with_token_ids or not self.prompt_token_ids:
            return b""
        return b',"prompt_token_ids":' + encode_json(self.prompt_token_ids[0])

    def _text_chunk(self, index: int, text: bytes, logprobs: bytes) -> bytes:
        return b'%b%d,"delta":{"content":%b},"logprobs":%b,"finish_reason":null}]%b' % (
            self._head,
            index,
            text,
            logprobs,
            self._tail,
        )

    def _finish_chunk(self, delta: Delta) -> bytes:
        return b'%b%d,"delta":{},%b%b' % (self._head, delta.index, self._finish(delta), self._tail)

    def _parsed_chunk(self, delta: Delta) -> bytes:
        parts: dict[str, Any] = _reasoning(delta.reasoning) if delta.reasoning else {}
        if delta.tool_calls:
            parts["tool_calls"] = [_call_delta(call) for call in delta.tool_calls]
        return b'%b%d,"delta":%b,"logprobs":null,"finish_reason":null}]%b' % (
            self._head,
            delta.index,
            encode_json(parts),
            self._tail,
        )

    def _content(self, choice: Choice) -> dict[str, Any]:
        message = assistant_message("".join(choice.text), choice.tool_calls())
        if choice.reasoning:
            message |= _reasoning("".join(choice.reasoning))
        return {"message": message | {"refusal": None}}

    def _add_extras(self, body: dict[str, Any]) -> None:
        if self.choices[0].prompt_scores is not None:
            body["prompt_logprobs"] = self.choices[0].prompt_scores
        if self.with_token_ids:
            body["prompt_token_ids"] = self.prompt_token_ids[0] if self.prompt_token_ids else None

    def _logprobs(self, entries: list[TokenLogprob], offset: int) -> dict[str, Any]:
        return {"content": token_logprobs(entries), "refusal": None}


def token_logprobs(entries: list[TokenLogprob]) -> list[dict[str, Any]]:
    """Return OpenAI's list of log probabilities, one object for each token."""
    return [
        {
            **_token(entry.text, entry.logprob, own_bytes(entry, 0)),
            "top_logprobs": [
                _token(text, logprob, own_bytes(entry, place))
                for place, (text, _, logprob) in enumerate(entry.top, start=1)
            ],
        }
        for entry in entries
    ]


def _token(text: str, logprob: float | None, own: bytes) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(own or text.encode())}


def _reasoning(text: str) -> dict[str, Any]:
    """Return the reasoning under vLLM's name, and under the older one that most clients still look for."""
    return {"reasoning": text, "reasoning_content": text}


def _call_delta(call: ToolCall) -> dict[str, Any]:
    """Return the JSON of one part of a call: the first part carries its id and name, the others only arguments."""
    if not call.id:
        return {"index": call.index, "function": {"arguments": call.arguments}}
    function = {"name": call.name, "arguments": call.arguments}
    return {"index": call.index, "id": call.id, "type": "function", "function": function}
