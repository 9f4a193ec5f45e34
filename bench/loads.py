"""The loads that each contender is measured with, and their requests."""

import json
from dataclasses import dataclass, replace
from typing import Any

from schemas.shared.endpoint import PROJECT_ROOT

SEED = PROJECT_ROOT / "tests" / "seed" / "chat_request.json"
FUNCTIONS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"Look up the {name} of a place.",
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
        },
    }
    for name in ("weather", "population", "distance")
]
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"place": "Rome"}'}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "Sunny, 25 degrees."}
SUBJECTS = ["the weather", "a bird", "the old bridge", "Hearth", "a sorted list", "the king", "a river", "seven days"]
TOKENS = 128
"""Default length of an answer, in tokens. End tokens are ignored."""
CONNECTIONS = (1, 16, 64, 256, 1000)
REQUESTS = {1: 6, 16: 48, 64: 256, 256: 512, 1000: 1000}
"""Total requests by number of connections: enough for some seconds, and the same for every contender."""
SENTENCE = "Hearth and the rest of the day, "
SENTENCE_TOKENS = 8
"""About how many tokens the sentence has, for both models."""
STEP_SECONDS, SEQUENCES, PROMPT_TOKENS_PER_SECOND, WAVE_SECONDS = 0.01, 256, 28_000, 0.05
"""Estimates for the progress bar and time limits: an engine step, its most sequences, prompts, requests that begin."""


@dataclass(frozen=True, slots=True)
class Load:
    """`connections` clients that send `requests` in total, each one request after the other."""

    name: str
    connections: int
    requests: int
    stream: bool = True
    max_tokens: int = TOKENS
    n: int = 1
    prompt_tokens: int = 0
    """About how many tokens each prompt has, no two alike. 0: a short question."""
    long_every: int = 1
    """Every how many requests have such a prompt. The others have a short question."""
    shared_tokens: int = 0
    """About how many tokens the system prompt has, the same for all requests. 0: there is none."""
    functions: bool = False
    """Whether the model is offered functions, and the chat has a call of one."""
    seed: bool = False
    """Whether the request is the body that this project began with, without beam search, stops and repeat stopper."""
    tools: tuple[str, ...] = ("wrk",)
    """`wrk` measures throughput and CPU; `client` measures the time of every event of a stream."""

    @property
    def tokens(self) -> int:
        """Generated tokens of all requests."""
        return self.requests * self.tokens_each

    @property
    def tokens_each(self) -> int:
        """Generated tokens of one request."""
        return self.max_tokens * self.n

    @property
    def expected_seconds(self) -> float:
        """An estimate of how long the load takes."""
        prompts = self.requests * (self.prompt_tokens // self.long_every + 20)
        waves = self.requests / self.connections
        steps = self.tokens / min(self.connections * self.n, SEQUENCES)
        return WAVE_SECONDS * waves + steps * STEP_SECONDS + prompts / PROMPT_TOKENS_PER_SECOND

    def bodies(self) -> list[bytes]:
        """Return the bodies of the requests, which are sent in this order, repeatedly."""
        count = self.requests if self.seed else 64 if self.prompt_tokens else len(SUBJECTS)
        return [json.dumps(self._body(number)).encode() for number in range(count)]

    def messages(self, number: int) -> list[dict[str, Any]]:
        subject = SUBJECTS[number % len(SUBJECTS)]
        text = f"Tell me about {subject}."
        if self.prompt_tokens and number % self.long_every == 0:  # the number is first: no two share a cached prefix
            text = f"Story {number}. " + SENTENCE * (self.prompt_tokens // SENTENCE_TOKENS)
        messages: list[dict[str, Any]] = [{"role": "user", "content": text}]
        if self.shared_tokens:
            messages.insert(0, {"role": "system", "content": SENTENCE * (self.shared_tokens // SENTENCE_TOKENS)})
        if self.functions:
            messages += [{"role": "assistant", "content": None, "tool_calls": [CALL]}, RESULT]
        return messages

    def _body(self, number: int) -> dict[str, Any]:
        if self.seed:
            body: dict[str, Any] = json.loads(SEED.read_text())
            whole = {"use_beam_search": False, "ignore_eos": True, "stop": [], "enable_repeat_stopper": False}
            return body | whole | {"stream": self.stream, "conversation_id": number}  # else one conversation for all
        body = {"model": "hearth-demo", "messages": self.messages(number), "max_tokens": self.max_tokens}
        body |= {"ignore_eos": True, "n": self.n, "stream": self.stream}
        if self.n == 1:  # vLLM's servers refuse several greedy choices
            body["temperature"] = 0
        if self.functions:
            body |= {"tools": FUNCTIONS, "tool_choice": "none"}
        return body

    def smaller(self, divisor: int) -> "Load":
        """Return the load with fewer requests, for a quick run, but at least one per connection."""
        return replace(self, requests=max(self.connections, self.requests // divisor))


WARM_UP = Load("warm-up", 64, 128)


def _streams(count: int) -> Load:
    tools = ("wrk", "client") if count < 1000 else ("client",)
    return Load(f"stream-{count}", count, REQUESTS[count], tools=tools)


def _one_token(count: int) -> Load:
    return Load(f"one-token-{count}", count, 2048, stream=False, max_tokens=1)


def _whole(count: int) -> Load:
    return Load(f"whole-{count}", count, REQUESTS[count], stream=False)


GPU_LOADS = [
    *map(_streams, CONNECTIONS),
    *map(_whole, (64, 256)),
    *map(_one_token, (64, 256)),
    Load("prompt-1500", 64, 128, prompt_tokens=1500, tools=("client",)),
    Load("prompt-6000", 16, 32, prompt_tokens=6000, tools=("client",)),
    Load("beside-6000", 32, 128, prompt_tokens=6000, long_every=8, tools=("client",)),
    Load("shared-4000", 64, 192, shared_tokens=4000, tools=("wrk", "client")),
    Load("n-4", 16, 64, n=4),
    Load("functions", 64, 256, functions=True, max_tokens=32),
    Load("seed", 64, 256, stream=False, max_tokens=64, seed=True),
]
"""What a fast engine is measured with."""
CPU_LOADS = [
    _streams(64),
    _whole(64),
    _one_token(64),
]
"""What the engine on the CPU is measured with: it shares its cores with the servers."""
