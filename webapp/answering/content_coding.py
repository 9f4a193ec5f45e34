"""What a client may have done to its JSON on the way: compressed it, or written it in another encoding than UTF-8."""

import json
import zlib
from typing import Any

from schemas.errors import ApiError, invalid

ACCEPTED = ("gzip", "deflate", "zstd")
"""The content codings of a body, and `identity`."""
MAX_CODINGS = 3
"""How many codings a body may have one upon another."""
MAX_PARTS = 64
"""Members of a gzip body, or frames of a zstd body."""
ZSTD_WINDOW_LOG = 23
"""The largest window of zstd, as a power of two: 8 MiB, which every decoder on the web supports (RFC 9659)."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def codings_of(header: str) -> list[str]:
    """Return the codings of a `Content-Encoding`, in the order in which they were applied. Raises `ApiError` (415)."""
    names = [name.strip().lower().removeprefix("x-") for name in header.split(",")]
    codings = [name for name in names if name not in ("", "identity")]
    if len(codings) > MAX_CODINGS or not set(codings) <= set(ACCEPTED):
        message = f"The body may be encoded with {', '.join(ACCEPTED)}, not with {header[:100]!r}."
        raise ApiError(415, message, code="unsupported_content_coding")
    return codings


def unpacked(raw: bytes, codings: list[str], limit: int) -> bytes:
    """Return the body without its codings: at most `limit` bytes, which is checked while it is unpacked.

    Raises `ApiError` (400, 413).
    """
    for coding in reversed(codings):
        raw = _without(coding, raw, limit)
    return raw


def _without(coding: str, raw: bytes, limit: int) -> bytes:
    pieces: list[bytes] = []
    left = limit + 1
    for _ in range(MAX_PARTS):
        decoder = _decoder(coding, raw)
        try:
            piece = decoder.decompress(raw, left)
        except Exception as error:  # zlib's and zstd's own
            raise invalid(f"The body is not valid {coding}: {error}.") from None
        pieces.append(piece)
        left -= len(piece)
        if left <= 0:
            raise ApiError(413, f"The body is larger than {limit} bytes when it is unpacked.", code="request_too_large")
        if not decoder.eof:
            raise invalid(f"The body's {coding} data ends early.")
        raw = decoder.unused_data
        if not raw:
            return b"".join(pieces)
    raise invalid(f"The body's {coding} data has more than {MAX_PARTS} parts.")


def _decoder(coding: str, raw: bytes) -> Any:
    if coding == "zstd":
        from backports import zstd  # only such a body needs it

        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG})
    if coding == "gzip":
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    # HTTP's deflate has a header of zlib's. Some clients send none, as Microsoft's once did.
    has_header = len(raw) > 1 and raw[0] & 0x0F == 8 and (raw[0] << 8 | raw[1]) % 31 == 0
    return zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)


def as_utf8(raw: bytes) -> bytes:
    """Return JSON in UTF-8, without a byte order mark, from UTF-8, UTF-16 or UTF-32. Raises `ApiError` (400)."""
    encoding = json.detect_encoding(raw[:4])
    if encoding in ("utf-8", "utf-8-sig"):
        return raw.removeprefix(BYTE_ORDER_MARK)
    try:
        return raw.decode(encoding).removeprefix("\ufeff").encode()
    except UnicodeError:
        raise invalid(f"The body is not valid JSON: it is not {encoding.upper()} text.") from None
