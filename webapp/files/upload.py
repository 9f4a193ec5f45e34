"""Read an uploaded file from a form (`multipart/form-data`), and store it as it comes: no worker holds all of it."""

import time
from typing import Any, TypeVar

import gevent
from flask import request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, MultipartDecoder, NeedData
from werkzeug.sansio.multipart import File as FilePart

from schemas.errors import ApiError, invalid, quoted
from schemas.requests.parts.json_types import Body
from schemas.requests.reading import body
from webapp.connection.yielding import let_others_run
from webapp.files.file import File
from webapp.files.files import UPLOAD_SECONDS, Addition, Files

READ_BYTES = 64 * 1024
"""Bytes of the body that are read and searched for the boundary in one turn of the hub."""
MAX_FIELDS, MAX_FIELD_BYTES = 20, 1024
MAX_HEADERS = 16 * 1024
"""Bytes before and between parts, and of a part's headers."""
FORM_BYTES = MAX_FIELDS * (MAX_FIELD_BYTES + MAX_HEADERS)
"""Bytes of the body beside the file."""
MAX_FILENAME = 255
MAX_BOUNDARY = 200

Kind = TypeVar("Kind")


def receive(files: Files, scope: str, schema: Body, idle_seconds: float) -> File:
    """Store the file that the current request uploads, and return it.

    Raises `ApiError`: 400, 404 if the file is deleted meanwhile, 408 if nothing comes for `idle_seconds`, 413, 503; and
    Werkzeug's 413.
    """
    request.max_content_length = files.max_bytes + FORM_BYTES
    reader = _Reader(request.stream, idle_seconds)
    form = _Form(files, scope, MultipartDecoder(_boundary(), MAX_HEADERS + READ_BYTES, max_parts=MAX_FIELDS))
    try:
        while not form.complete:
            form.receive(reader.read())
            let_others_run()
        given = body.load(schema, form.fields())
        if form.addition is None:
            raise invalid("Missing required parameter: `file`, a part with a `filename`.", "file")
        seconds = files.max_seconds if given["expires_after"] is None else given["expires_after"]["seconds"]
        return form.addition.end(form.filename, given["purpose"], seconds)
    except BaseException:
        if form.addition is not None:
            form.addition.abandon()
        raise


def _boundary() -> bytes:
    boundary = request.mimetype_params.get("boundary", "").encode("latin-1", "replace")
    if not 1 <= len(boundary) <= MAX_BOUNDARY:
        raise invalid("The form has no boundary: see `multipart/form-data`.", code="invalid_form")
    return boundary


class _Reader:
    """Reads the body by parts, each within a limit of time."""

    def __init__(self, stream: Any, idle_seconds: float) -> None:
        self._stream = stream
        self._idle_seconds = idle_seconds
        self._until = time.monotonic() + UPLOAD_SECONDS

    def read(self) -> bytes | None:
        """Return the next bytes. None: there are no more. Raises `ApiError`: 400, 408."""
        seconds = min(self._idle_seconds, max(0.001, self._until - time.monotonic()))
        late = ApiError(408, "The body did not arrive in time.", code="request_timeout")
        try:
            with gevent.Timeout(seconds, late):
                data: bytes = self._stream.read(READ_BYTES)
        except ParseException as error:  # gunicorn parses a body's chunks when they are read
            raise invalid(f"The body's transfer encoding is malformed: {error}.") from None
        return data or None


class _Form:
    """The form as far as it has come. Only the file's bytes are stored; the other fields are short."""

    def __init__(self, files: Files, scope: str, decoder: MultipartDecoder) -> None:
        self.addition: Addition | None = None
        self.filename = ""
        self.complete = False
        self._files = files
        self._scope = scope
        self._decoder = decoder
        self._fields: dict[str, bytearray] = {}
        self._part: bytearray | Addition = bytearray()
        """Where the part that is being read goes."""

    def receive(self, data: bytes | None) -> None:
        """Take the next bytes of the body; None: its end. Raises `ApiError`."""
        try:
            self._decoder.receive_data(data)
            while not isinstance(event := self._decoder.next_event(), NeedData):
                self._take(event)
                if self.complete:
                    return
        except (ValueError, RequestEntityTooLarge):
            raise invalid(
                "The body is not a valid form (`multipart/form-data`), or ends early.", code="invalid_form"
            ) from None

    def fields(self) -> dict[str, Any]:
        """Return the fields as JSON would have them: `expires_after[seconds]` is a member. Raises `ApiError` (400)."""
        found: dict[str, Any] = {}
        for name, raw in self._fields.items():
            text = raw.decode(errors="replace")
            outer, bracket, inner = name.partition("[")
            if not bracket:
                found[name] = text
            elif isinstance(members := found.setdefault(outer, {}), dict):
                members[inner.removesuffix("]")] = int(text) if text.isascii() and text.isdecimal() else text
        return found

    def _take(self, event: Event) -> None:
        match event:
            case FilePart(name="file"):
                if self.addition is not None:
                    raise invalid("Only one `file` can be uploaded at a time.", "file")
                self.filename = _printable(event.filename)
                self.addition = self._part = self._files.add(self._scope, request.content_length)
            case FilePart(name=name) | Field(name=name):
                self._part = self._fields.setdefault(str(name)[:MAX_FIELD_BYTES], bytearray())
            case Data(data=data) if isinstance(self._part, Addition):
                self._part.write(data)
            case Data(data=data) if isinstance(self._part, bytearray):
                self._part += data
                if len(self._part) > MAX_FIELD_BYTES:
                    names = ", ".join(quoted(name) for name in self._fields)
                    raise invalid(f"A field of the form has more than {MAX_FIELD_BYTES} bytes (of {names}).")
            case Epilogue():
                self.complete = True


def _printable(filename: str) -> str:
    """Return the name without its folders and without what cannot be shown."""
    name = "".join(character for character in filename.replace("\\", "/").rpartition("/")[2] if character.isprintable())
    return name[:MAX_FILENAME] or "file"
