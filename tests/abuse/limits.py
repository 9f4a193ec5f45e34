"""The limits of what a request may hold, and three requests for each: at its limit, above it, and far above it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.abuse.abuse import CHAT, COMPLETIONS, DETOKENIZE, HELLO, PLAIN, RESPONSES, TOKENIZE, Abuse, structured, tool

TAKEN, REFUSED = (200,), (400, 413)
EITHER = (200, 400)
"""At a limit of size, another one may hold: the context's, or the grammar's own rules."""
KB = 1024


@dataclass(frozen=True)
class Limit:
    """One limit. `fields` returns the body with so many of what it counts."""

    name: str
    limit: int
    fields: Callable[[int], dict[str, Any]]
    path: str = CHAT
    far: int = 100
    """How many times the limit is far above it."""
    at: tuple[int, ...] = TAKEN
    """What may answer a request at the limit."""
    above: tuple[int, ...] = REFUSED
    """What may answer a request just above it."""

    def abuses(self) -> Iterator[Abuse]:
        """Yield the three requests."""
        for where, size, statuses in (
            ("at", self.limit, self.at),
            ("above", self.limit + 1, self.above),
            ("far above", self.limit * self.far, REFUSED),
        ):
            name = f"{self.name}: {size:,}, {where}"
            yield Abuse(name, self.path, self._body(size), statuses)

    def _body(self, size: int) -> Callable[[], bytes]:
        common: dict[str, Any] = {"messages": [HELLO], "max_tokens": 4} if self.path == CHAT else {}
        if self.path == COMPLETIONS:
            common = {"prompt": "Hello", "max_tokens": 4}
        if self.path == RESPONSES:
            common = {"max_output_tokens": 4}
        return lambda: json.dumps({**common, **self.fields(size)}).encode()


def texts(total: int, each: int) -> list[str]:
    """Return different texts of `each` characters, with `total` characters in all."""
    found = [f"{number} ".ljust(each, "a") for number in range(total // each)]
    return [*found, "b" * (total % each)] if total % each else found


def of_bytes(value: Callable[[str], Any], size: int) -> Any:
    """Return what `value` makes of a text that is so long that its compact JSON has `size` bytes."""
    return value("x" * (size - len(json.dumps(value(""), separators=(",", ":")))))


def beams(width: int) -> dict[str, Any]:
    return {"use_beam_search": True, "best_of": width, "n": 1}


def described(text: str) -> dict[str, Any]:
    return {"type": "object", "description": text}


def calls(count: int) -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return {"messages": [HELLO, {"role": "assistant", "tool_calls": [call] * count}]}


def parts(count: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * count}]}


def named(chars: int) -> dict[str, Any]:
    return {"prompt": "a " * (chars // 2) + "a" * (chars % 2), "return_token_strs": True}


SHAPES = [
    Limit("messages", 10_000, lambda n: {"messages": [HELLO] * n}, far=20, at=EITHER),
    Limit("parts of a message", 10_000, parts, far=20, at=EITHER),
    Limit("tool calls of a message", 1024, calls, at=EITHER),
    Limit("tools", 128, lambda n: {"tools": [tool() for _ in range(n)]}, at=EITHER),
    Limit("a tool's parameters", 128 * KB, lambda n: {"tools": [tool(a=of_bytes(described, n))]}, at=EITHER),
    Limit("a template's variables", 128 * KB, lambda n: {"chat_template_kwargs": of_bytes(lambda x: {"a": x}, n)}),
    Limit("items of a response's input", 10_000, lambda n: {"input": [HELLO] * n}, RESPONSES, 20, EITHER),
    Limit(
        "metadata of a response", 16, lambda n: {"input": "a", "metadata": {f"{k}": "" for k in range(n)}}, RESPONSES
    ),
    Limit("turns of the plain API", 10_000, lambda n: {"prompt": "a", "history": [["a", "b"]] * n}, PLAIN, 20, EITHER),
    Limit("fields of a body", 1000 - 2, lambda n: {f"field {k}": 1 for k in range(n)}),
    Limit("values of a body", 500_000 - 2, lambda n: {"prompt": [5] * n}, COMPLETIONS, 10, REFUSED),
    Limit("a conversation's id", 255, lambda n: {"conversation_id": "a" * n}, far=10_000),
    # The limit is what fits the context, where that is more: 262,144 characters for Llama's tokens.
    Limit("tokens with their names", 100_000, named, TOKENIZE, above=(200, *REFUSED)),
    Limit("a cache salt", 256, lambda n: {"cache_salt": "a" * n}, far=10_000),
]
TOKENS = [
    Limit("prompts", 2048, lambda n: {"prompt": ["a"] * n, "max_tokens": 1}, COMPLETIONS),
    Limit("stop strings", 64, lambda n: {"stop": [f"zzz{k}" for k in range(n)]}),
    Limit("a stop string", 1000, lambda n: {"stop": "z" * n}, far=10_000),
    Limit("stop ids", 1024, lambda n: {"stop_token_ids": [k % 2000 for k in range(n)]}),
    Limit("biases", 1024, lambda n: {"logit_bias": {str(k): 1 for k in range(n)}}),
    Limit("white list of ids", 1024, lambda n: {"white_list_token_ids": [k % 2000 for k in range(n)]}),
    Limit("allowed ids", 1024, lambda n: {"allowed_token_ids": [k % 2000 for k in range(n)]}),
    Limit("white list of texts", 1024, lambda n: {"white_list_token": ["a"] * n}),
    Limit("bad words", 64, lambda n: {"bad_words": [f"a{k}" for k in range(n)]}),
    Limit("n", 128, lambda n: {"n": n}),
    Limit("best_of", 128, lambda n: {"best_of": n}, COMPLETIONS),
    Limit("beam width", 16, beams, COMPLETIONS),
    Limit("top_logprobs", 20, lambda n: {"logprobs": True, "top_logprobs": n, "n": 32}),
    Limit("logprobs", 20, lambda n: {"logprobs": n, "n": 32}, COMPLETIONS),
    Limit("prompt_logprobs", 20, lambda n: {"prompt_logprobs": n, "prompt": [5] * 1500}, COMPLETIONS),
    Limit("texts of a white list", 64 * KB, lambda n: {"white_list_token": texts(n, 1000)}),
    Limit("texts of biases", 64 * KB, lambda n: {"logit_bias": dict.fromkeys(texts(n, 1000), 1)}),
    Limit("texts of bad words", 64 * KB, lambda n: {"bad_words": texts(n, 1000)}, at=EITHER),
    Limit("texts of a choice", 128 * KB, lambda n: structured(choice=texts(n, 200)), at=EITHER),
    Limit("a regex", 128 * KB, lambda n: structured(regex="a" * n), at=EITHER),
    Limit("a grammar", 128 * KB, lambda n: structured(grammar='root ::= "' + "a" * (n - 11) + '"'), at=EITHER),
    Limit("a schema", 128 * KB, lambda n: structured(json=of_bytes(described, n)), at=EITHER),
    Limit("a text to tokenise", 500_000, lambda n: {"prompt": "a " * (n // 2) + "a" * (n % 2)}, TOKENIZE, 20),
    Limit("ids to detokenise", 500_000 - 1, lambda n: {"tokens": [5] * n}, DETOKENIZE, 10),
]
LIMITS = [*SHAPES, *TOKENS]
