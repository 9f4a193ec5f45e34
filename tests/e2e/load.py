"""Clients that never stop asking, over connections that they keep: for tests of what may happen to the web tier."""

import random
import threading
import time
from types import TracebackType

import httpx

from tests.harness import TLS, chat_body, until

CHAT = "/v1/chat/completions"
QUESTION, TOKENS = "Who are you?", 12


class Load:
    """Asks for short greedy answers, whole and streamed by turns, and notes whatever is not the right answer.

    No request is retried. Like any sound HTTP client, httpx looks whether a kept connection has been closed before it
    uses it again, and gives it up when it has been idle for five seconds.
    """

    def __init__(self, url: str, clients: int = 8, pause: float = 1.0) -> None:
        """`pause`: the longest time, in seconds, that a client leaves its connection idle between two requests."""
        self.url = url
        self.pause = pause
        self.answered = 0
        self.failures: list[str] = []
        self._expected = _ask(httpx.Client(base_url=url, timeout=120, verify=TLS), stream=False)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        self.goes_on()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self) -> None:
        """Wait until every client has, on average, been answered twice more."""
        enough = self.answered + len(self.failures) + 2 * len(self._threads)
        until(lambda: self.answered + len(self.failures) >= enough, 120, "requests are answered")

    def check(self) -> None:
        """Fail unless every request has had its whole and right answer."""
        assert not self.failures, f"{len(self.failures)} of {self.answered + len(self.failures)}: {self.failures[:5]}"

    def _client(self, number: int) -> None:
        choose = random.Random(number)  # the same in every run
        with httpx.Client(base_url=self.url, timeout=120, verify=TLS) as client:
            while not self._stop.is_set():
                began = time.monotonic()
                try:
                    answer = _ask(client, stream=choose.random() < 0.5)
                    failure = "" if answer == self._expected else f"wrong answer: {answer!r}"
                except (httpx.HTTPError, ValueError) as error:
                    failure = f"{error!r} after {time.monotonic() - began:.3f} s"
                with self._lock:
                    if failure:
                        self.failures.append(failure)
                    else:
                        self.answered += 1
                self._stop.wait(choose.uniform(0, self.pause))


def _ask(client: httpx.Client, *, stream: bool) -> str:
    """The text of one answer. Raises `httpx.HTTPError` or `ValueError` where it is not whole."""
    body = chat_body(QUESTION, max_tokens=TOKENS, stream=stream)
    if not stream:
        response = client.post(CHAT, json=body).raise_for_status()
        content: str = response.json()["choices"][0]["message"]["content"]
        return content
    with client.stream("POST", CHAT, json=body) as response:
        response.raise_for_status()
        events = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: ")]
    if events[-1:] != ["[DONE]"]:
        raise ValueError(f"the stream ended with {events[-1:]}")
    chunks = [httpx.Response(200, text=event).json()["choices"][0]["delta"] for event in events[:-1]]
    return "".join(chunk.get("content") or "" for chunk in chunks)
