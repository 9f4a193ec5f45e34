"""The progress of a batch on stderr: a bar on a terminal, otherwise a line every 15 seconds."""

import asyncio
import sys
import time
from dataclasses import dataclass

from tqdm import tqdm

BAR_SECONDS = 0.5
LINE_SECONDS = 15.0


def print_line(text: str) -> None:
    """Print a line on stderr, above the progress bar if there is one."""
    tqdm.write(f"batch: {text}", file=sys.stderr)
    sys.stderr.flush()


@dataclass(slots=True)
class Tally:
    """Counts of the lines and tokens processed so far."""

    total: int | None = None
    """Lines in the input. None: unknown, because the input is a pipe."""
    skipped: int = 0
    """Lines with a result of an earlier run."""
    answered: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def done(self) -> int:
        """How many lines have a result."""
        return self.skipped + self.answered + self.failed


class Progress:
    """Shows a tally, from the moment when the model is loaded."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._began = self._ended = 0.0
        self._bar: tqdm | None = None
        self._printer: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._began = time.monotonic()
        if sys.stderr.isatty():
            self._bar = tqdm(total=self.tally.total, unit="line", dynamic_ncols=True, smoothing=0)
        self._printer = asyncio.create_task(self._print_regularly())

    def stop(self) -> None:
        self._ended = time.monotonic()
        if self._printer is not None:
            self._printer.cancel()
        if self._bar is not None:
            self._show()
            self._bar.close()

    def summary(self) -> str:
        """Return the counts of lines, and the tokens per second since the model was loaded."""
        tally = self.tally
        text = f"{tally.answered} answered, {tally.failed} failed"
        if tally.skipped:
            text += f", {tally.skipped} already done"
        return f"{text} ({self._rates()})" if self._printer is not None else text

    async def _print_regularly(self) -> None:
        while True:
            await asyncio.sleep(LINE_SECONDS if self._bar is None else BAR_SECONDS)
            self._show()

    def _show(self) -> None:
        tally = self.tally
        if self._bar is None:
            lines = f"{tally.done}/{tally.total}" if tally.total is not None else f"{tally.done}"
            print_line(f"{lines} lines, {tally.failed} failed, {self._rates()}")
            return
        self._bar.initial = tally.skipped  # skipped lines do not count for the speed
        self._bar.n = tally.done
        self._bar.set_postfix_str(f"{tally.failed} failed, {self._rates()}")

    def _rates(self) -> str:
        """Return the tokens per second as text."""
        seconds = max((self._ended or time.monotonic()) - self._began, 1e-3)
        prompt, completion = self.tally.prompt_tokens / seconds, self.tally.completion_tokens / seconds
        return f"{prompt:.0f} prompt + {completion:.0f} completion tokens/s"
