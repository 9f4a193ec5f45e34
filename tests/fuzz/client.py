"""One connection's worth of bad requests: sends each and reads what comes back, if anything does."""

import contextlib
import http.client
import socket

from tests.fuzz.requests import Attempt

ANSWER_SECONDS = 60.0
"""An answer that takes longer is taken for lost."""


class Silent(Exception):
    """The server has neither answered nor closed the connection."""


class Client:
    """Keeps its connection as long as the server does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, attempt: Attempt) -> int | None:
        """The status of the answer, None where the connection was closed without one. Raises `Silent`."""
        kept = self._socket is not None
        try:
            return self._send(attempt)
        except (ConnectionError, http.client.HTTPException):
            self.close()
            if not kept:
                return None
        except TimeoutError:
            self.close()
            raise Silent from None
        return self.send(attempt)  # it was the kept connection that the server had closed

    def _send(self, attempt: Attempt) -> int | None:
        connection = self._socket or socket.create_connection(("127.0.0.1", self._port), timeout=ANSWER_SECONDS)
        self._socket = connection
        with contextlib.suppress(ConnectionError):  # refused before it was all sent
            connection.sendall(attempt.payload)
        if not attempt.keeps_alive:
            with contextlib.suppress(OSError):  # not connected any more
                connection.shutdown(socket.SHUT_WR)
        if not attempt.keeps_alive:
            return self._last_answer(connection)
        answer = http.client.HTTPResponse(connection, method="POST")
        try:
            answer.begin()
            answer.read()
            if answer.will_close:
                self.close()
            return answer.status
        finally:
            answer.close()

    def _last_answer(self, connection: socket.socket) -> int | None:
        """Bytes that are no single request may bring several answers: the worst counts."""
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while block := connection.recv(65536):
                received += block
        self.close()
        statuses = [int(piece[2:5]) for piece in received.split(b"HTTP/1.")[1:] if piece[2:5].isdigit()]
        return max(statuses, default=None)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
