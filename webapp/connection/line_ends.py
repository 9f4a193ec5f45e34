"""Characters that some clients take for the end of a line, though server-sent events do not: httpx's reader does."""

NEXT_LINE, GENERAL_PUNCTUATION = b"\xc2\x85", b"\xe2\x80"
"""U+0085, and the first bytes of U+2028 and U+2029, in UTF-8."""


def line_safe(events: bytes) -> bytes:
    """Return `events` with U+0085, U+2028 and U+2029 as JSON's escapes: they stand nowhere but in JSON strings."""
    if events.isascii():
        return events
    if GENERAL_PUNCTUATION in events:
        events = events.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return events.replace(NEXT_LINE, b"\\u0085")
