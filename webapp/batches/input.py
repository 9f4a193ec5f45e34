"""The lines of a batch's input file, read by parts and never as a whole."""

from collections.abc import Iterator, Sequence

from schemas.requests.batch_lines import InvalidLine, LineReader, as_told
from webapp.batches.batch import LineError

MOST_ERRORS = 100
"""Lines of a bad file that the client is told of."""


class Splitter:
    """Splits parts of a file into lines. Not for the hub: a part may have a million of them."""

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes`: the longest line. Of a longer one only so much and a byte more is kept."""
        self._max_bytes = max_bytes
        self._number = 0
        self._open = bytearray()
        """The line whose end has not come yet."""

    def feed(self, parts: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
        """Yield the number, from 1, and the bytes of each line that ends in `parts` and is not blank."""
        for part in parts:
            begins = 0
            while (ends := part.find(b"\n", begins)) >= 0:
                self._keep(part, begins, ends)
                begins = ends + 1
                yield from self._ended()
            self._keep(part, begins, len(part))

    def end(self) -> Iterator[tuple[int, bytes]]:
        """Yield the last line, if it has no end."""
        if self._open:
            yield from self._ended()

    def _keep(self, part: bytes, begins: int, ends: int) -> None:
        room = self._max_bytes + 1 - len(self._open)
        self._open += part[begins : min(ends, begins + room)]

    def _ended(self) -> Iterator[tuple[int, bytes]]:
        self._number += 1
        line = bytes(self._open)
        self._open.clear()
        if line and not line.isspace():
            yield self._number, line


class Validation:
    """Finds what is wrong with a file before any of its lines is answered."""

    def __init__(self, endpoint: str, max_lines: int, max_bytes: int) -> None:
        self.total = 0
        """How many requests the file has."""
        self.errors: list[LineError] = []
        self._max_lines = max_lines
        self._splitter = Splitter(max_bytes)
        self._reader = LineReader((endpoint,), max_bytes)

    @property
    def over(self) -> bool:
        """Whether enough is known: the rest of the file need not be read."""
        return len(self.errors) >= MOST_ERRORS or self.total > self._max_lines

    def feed(self, parts: Sequence[bytes]) -> None:
        """Check the lines that end in `parts`. Not for the hub."""
        self._check(self._splitter.feed(parts))

    def end(self) -> None:
        """Check the last line, and how many there are."""
        self._check(self._splitter.end())
        if self.total > self._max_lines:
            message = f"The file has more than {self._max_lines} requests."
            self.errors = [LineError("too_many_requests", message)]
        elif self.total == 0:
            self.errors = [LineError("empty_file", "The file has no requests.")]

    def _check(self, lines: Iterator[tuple[int, bytes]]) -> None:
        for number, line in lines:
            if self.over:
                return
            self.total += 1
            try:
                self._reader.read(number, line)
            except InvalidLine as error:
                self.errors.append(LineError(error.code, as_told(number, error), number, error.param))
