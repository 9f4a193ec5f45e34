"""gunicorn's response, with its headers in the same write as the beginning of the body.

gunicorn sends them by themselves, which costs a second call, and wakes the client, or nginx, for nothing.
"""

from typing import Any

from gunicorn import util
from gunicorn.http import wsgi


class HearthResponse(wsgi.Response):  # type: ignore[misc]
    """gunicorn's worker has no setting for it: gunicorn_worker.py puts it in place."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.headers_sent = False
        self._head = b""

    def send_headers(self) -> None:
        """Keep them until something is written, or the response ends."""
        if not self.headers_sent:
            lines = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
            self._head = "".join(lines).encode("latin-1")
            self.headers_sent = True

    def _emit_body(self, data: bytes) -> None:
        head, self._head = self._head, b""
        self.sock.sendall(b"%b%x\r\n%b\r\n" % (head, len(data), data) if self.chunked else head + data)

    def sendfile(self, respiter: Any) -> bool:
        return False  # the few files there are, are small

    def close(self) -> None:
        self.send_headers()
        if self._head:
            util.write(self.sock, self._head)
            self._head = b""
        super().close()
