"""The loads that each contender is measured with, and their requests."""

import json
from dataclasses import dataclass, replace
from typing import Any

SUBJECTS = ["the weather", "a bird", "the old bridge", "Hearth", "a sorted list", "the king", "a river", "seven days"]
TOKENS = 128
"""Default length of an answer, in tokens. End tokens are ignored."""
CONNECTIONS = (1, 16, 64, 256, 1000)
REQUESTS = {1: 8, 16: 64, 64: 512, 256: 768, 1000: 1000}
"""Total requests by number of connections: enough for some seconds, and the same for every contender."""
LONG_PROMPT_TOKENS = 1500
LONG_PROMPT_SENTENCE = "Hearth and the rest of the day, "
LONG_PROMPT_REPEATS = 185
"""With so many repeats the prompt has about `LONG_PROMPT_TOKENS` tokens of the demo model."""
ENGINE_TOKENS_PER_SECOND = 7000
"""An estimate, for the progress bar and time limits."""


@dataclass(frozen=True, slots=True)
class Load:
    """`connections` clients that send `requests` in total, each one request after the other."""

    name: str
    connections: int
    requests: int
    stream: bool = True
    max_tokens: int = TOKENS
    n: int = 1
    long_prompt: bool = False
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
        prompts = self.requests * (LONG_PROMPT_TOKENS if self.long_prompt else 20)
        waves = self.requests / self.connections
        return 0.2 * waves + (self.tokens + prompts / 4) / ENGINE_TOKENS_PER_SECOND

    def bodies(self) -> list[bytes]:
        """Return the bodies of the requests, which are sent in this order, repeatedly."""
        count = 64 if self.long_prompt else len(SUBJECTS)
        return [json.dumps(self._body(number)).encode() for number in range(count)]

    def messages(self, number: int) -> list[dict[str, Any]]:
        subject = SUBJECTS[number % len(SUBJECTS)]
        text = f"Tell me about {subject}."
        if self.long_prompt:  # the number is first, so that no two prompts share a cached prefix
            text = f"Story {number}. " + LONG_PROMPT_SENTENCE * LONG_PROMPT_REPEATS
        return [{"role": "user", "content": text}]

    def _body(self, number: int) -> dict[str, Any]:
        body = {"model": "hearth-demo", "messages": self.messages(number), "max_tokens": self.max_tokens}
        body |= {"ignore_eos": True, "n": self.n, "stream": self.stream}
        if self.n == 1:  # vLLM's servers refuse several greedy choices
            body["temperature"] = 0
        return body

    def smaller(self, divisor: int) -> "Load":
        """Return the load with fewer requests, for a quick run, but at least one per connection."""
        return replace(self, requests=max(self.connections, self.requests // divisor))


WARM_UP = Load("warm-up", 64, 128)
LOADS = [
    *(
        Load(f"stream-{count}", count, REQUESTS[count], tools=("wrk", "client") if count < 1000 else ("client",))
        for count in CONNECTIONS
    ),
    *(Load(f"whole-{count}", count, REQUESTS[count], stream=False) for count in CONNECTIONS),
    Load("one-token", 64, 6400, stream=False, max_tokens=1),
    Load("long-prompt", 64, 128, long_prompt=True, tools=("client",)),
    Load("n-4", 16, 128, n=4),
]
