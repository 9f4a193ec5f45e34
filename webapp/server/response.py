"""gunicorn's response with two changes.

The headers are sent together with the beginning of the body. gunicorn sends them by themselves: that is a second system
call, and wakes the client, or nginx, for nothing. And a response to a large body that has not been read is the last of
its connection.
"""

from typing import Any

from gunicorn import util
from gunicorn.http import wsgi

from webapp.server.first_byte import expect_response, unsent_part
from webapp.server.unread import MOST_DRAINED, unread_bytes


class HearthResponse(wsgi.Response):  # type: ignore[misc]
    """The response class of `HearthWorker`: gunicorn has no setting for it, `webapp.server.worker` sets it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.headers_sent = False
        self._head = b""
        expect_response(self.sock)

    def send_headers(self) -> None:
        """Keep the headers until a part of the body is written, or the response ends."""
        if not self.headers_sent:
            lines = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
            self._head = "".join(lines).encode("latin-1")
            self.headers_sent = True

    def _emit_body(self, data: bytes) -> None:
        head, self._head = unsent_part(self.sock, self._head), b""
        data = b"%b%x\r\n%b\r\n" % (head, len(data), data) if self.chunked else head + data
        sent = self.sock.send(data)  # nearly always all of it; `sendall` first asks for the size of the socket's buffer
        if sent < len(data):
            self.sock.sendall(data[sent:])

    def should_close(self) -> bool:
        """Return whether the connection ends with this response, which the headers announce."""
        return bool(super().should_close()) or unread_bytes(self.req) > MOST_DRAINED

    def sendfile(self, respiter: Any) -> bool:
        return False  # the few files that are served are small

    def close(self) -> None:
        self.send_headers()
        if self._head:
            util.write(self.sock, unsent_part(self.sock, self._head))
            self._head = b""
        super().close()
