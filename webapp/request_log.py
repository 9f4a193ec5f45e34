"""One line per generation: who, what, how long, how many tokens."""

import logging
import time

from schemas.replies import Shape
from webapp import metrics
from webapp.auth import key_name

log = logging.getLogger("hearth.access")


class RequestLog:
    """Collects a request's figures; `write` may be called more than once and writes once."""

    def __init__(self, path: str, user: str, *, streamed: bool = False) -> None:
        self._path = path
        self._streamed = streamed
        self._user = user
        self._key = key_name()
        self._began = time.monotonic()
        self._first_text: float | None = None
        self._written = False
        self.status = "499"  # nginx's word for a client that left; overwritten by whatever is sent
        self.shape: Shape | None = None
        self.prompt_tokens = 0
        metrics.LIVE.inc()

    def text(self) -> None:
        """Text has come from the engine."""
        if self._first_text is None:
            self._first_text = time.monotonic() - self._began

    def write(self) -> None:
        if self._written:
            return
        self._written = True
        shape = self.shape
        seconds = time.monotonic() - self._began
        self._count(seconds)
        finish = ",".join(choice.finish_reason or "none" for choice in shape.choices[:8]) if shape else "none"
        log.info(
            "POST %s %s %s ttft=%s total=%.3fs prompt_tokens=%d completion_tokens=%d finish=%s key=%s user=%r",
            self._path,
            self.status,
            shape.id if shape else "-",
            "-" if self._first_text is None else f"{self._first_text:.3f}s",
            seconds,
            self.prompt_tokens,
            shape.completion_tokens if shape else 0,
            finish,
            self._key,
            self._user[:64],
        )

    def _count(self, seconds: float) -> None:
        metrics.LIVE.dec()
        metrics.DURATION.labels(self._path).observe(seconds)
        if self._streamed and self._first_text is not None:
            metrics.TTFT.labels(self._path).observe(self._first_text)
        metrics.PROMPT_TOKENS.labels(self._path).inc(self.prompt_tokens)
        if self.shape is not None:
            metrics.COMPLETION_TOKENS.labels(self._path).inc(self.shape.completion_tokens)
