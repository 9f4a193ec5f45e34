"""The same request to either endpoint, and what a test needs of the answer."""

from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from schemas.shared.endpoint import PROJECT_ROOT
from tests.harness import Hearth

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
ENDPOINTS = (CHAT, COMPLETIONS)
STORY = "Once upon a time, in a land far away,"
TOKENIZER: Tokenizer = Tokenizer.from_file(str(PROJECT_ROOT / "demo_model" / "tokenizer.json"))
END_OF_TEXT = TOKENIZER.token_to_id("<|end_of_text|>")
END_OF_TURN = TOKENIZER.token_to_id("<|eot_id|>")


def ids_of(text: str) -> list[int]:
    ids: list[int] = TOKENIZER.encode(text, add_special_tokens=False).ids
    return ids


@dataclass
class Answer:
    texts: list[str]
    finish_reasons: list[str]
    stop_reasons: list[Any]
    prompt_tokens: int
    completion_tokens: int
    mean_logprobs: list[float]
    """Of each choice's tokens; only where the request asked for log probabilities."""

    @property
    def text(self) -> str:
        (text,) = self.texts
        return text


def ask(hearth: Hearth, endpoint: str, prompt: Any = STORY, **fields: Any) -> Answer:
    """Greedy, of 24 tokens, unless `fields` say otherwise."""
    body: dict[str, Any] = {"temperature": 0, "max_tokens": 24, **fields}
    if endpoint == COMPLETIONS:
        body.setdefault("prompt", prompt)
    else:
        body.setdefault("messages", [{"role": "user", "content": prompt}])
    response = hearth.post(endpoint, body)
    assert response.status_code == 200, response.text
    reply = response.json()
    choices = reply["choices"]
    return Answer(
        [choice["text"] if endpoint == COMPLETIONS else choice["message"]["content"] for choice in choices],
        [choice["finish_reason"] for choice in choices],
        [choice.get("stop_reason") for choice in choices],
        reply["usage"]["prompt_tokens"],
        reply["usage"]["completion_tokens"],
        [_mean_logprob(choice["logprobs"]) for choice in choices if choice["logprobs"]],
    )


def _mean_logprob(logprobs: dict[str, Any]) -> float:
    chat = [entry["logprob"] for entry in logprobs.get("content", ())]
    values: list[float] = chat or logprobs["token_logprobs"]
    return sum(values) / len(values)


def refused(hearth: Hearth, endpoint: str, **fields: Any) -> dict[str, Any]:
    """The error of a request that is a 400."""
    prompt = {"prompt": STORY} if endpoint == COMPLETIONS else {"messages": [{"role": "user", "content": STORY}]}
    response = hearth.post(endpoint, {**prompt, **fields})
    assert response.status_code == 400, response.text
    error: dict[str, Any] = response.json()["error"]
    return error
