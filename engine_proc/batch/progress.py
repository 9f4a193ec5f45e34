"""How far a batch has come: a bar on a terminal, elsewhere a line now and then. All on stderr."""

import asyncio
import sys
import time
from dataclasses import dataclass

from tqdm import tqdm

BAR_SECONDS = 0.5
LINE_SECONDS = 15.0


def say(text: str) -> None:
    """A line on stderr, above the bar where there is one."""
    tqdm.write(f"batch: {text}", file=sys.stderr)
    sys.stderr.flush()


@dataclass(slots=True)
class Tally:
    """What has become of the lines so far."""

    total: int | None = None
    """None: the input is a pipe."""
    skipped: int = 0
    """They had their results from an earlier run."""
    answered: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def done(self) -> int:
        return self.skipped + self.answered + self.failed


class Progress:
    """Shows a tally, from the moment that the model is there."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._began = self._ended = 0.0
        self._bar: tqdm | None = None
        self._ticker: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._began = time.monotonic()
        if sys.stderr.isatty():
            self._bar = tqdm(total=self.tally.total, unit="line", dynamic_ncols=True, smoothing=0)
        self._ticker = asyncio.create_task(self._tick())

    def stop(self) -> None:
        self._ended = time.monotonic()
        if self._ticker is not None:
            self._ticker.cancel()
        if self._bar is not None:
            self._show()
            self._bar.close()

    def summary(self) -> str:
        """Lines by what became of them, and tokens per second since the model was there."""
        tally = self.tally
        text = f"{tally.answered} answered, {tally.failed} failed"
        if tally.skipped:
            text += f", {tally.skipped} already done"
        return f"{text} ({self._rates()})" if self._ticker is not None else text

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(LINE_SECONDS if self._bar is None else BAR_SECONDS)
            self._show()

    def _show(self) -> None:
        tally = self.tally
        if self._bar is None:
            lines = f"{tally.done}/{tally.total}" if tally.total is not None else f"{tally.done}"
            say(f"{lines} lines, {tally.failed} failed, {self._rates()}")
            return
        self._bar.initial = tally.skipped  # they say nothing of how fast the others go
        self._bar.n = tally.done
        self._bar.set_postfix_str(f"{tally.failed} failed, {self._rates()}")

    def _rates(self) -> str:
        seconds = max((self._ended or time.monotonic()) - self._began, 1e-3)
        prompt, completion = self.tally.prompt_tokens / seconds, self.tally.completion_tokens / seconds
        return f"{prompt:.0f} prompt + {completion:.0f} completion tokens/s"
