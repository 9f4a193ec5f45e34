"""Bad requests, each made from a seed and a number alone: HTTP with bad bodies, bad HTTP, and no HTTP at all."""

import random
from dataclasses import dataclass

from tests.fuzz import bodies

METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"]
PATHS = [
    bodies.CHAT, bodies.COMPLETIONS, bodies.PLAIN, bodies.RESPONSES, bodies.MESSAGES, "/v1/messages/x",
    "/v1/responses/x", "/v1/responses/%00",
    "/tokenize", "/detokenize", "/v1/embeddings", "/v1/models", "/v1/models/", "/v1/models/%00", "/v1/models/../x",
    "/v1/conversations/fuzz", "/v1/conversations/%ff%fe", "/v1/conversations/%00", "/v1/conversations/a%0ab",
    "/v1/conversations//", "/v1/conversations/" + "a" * 300, "/health", "/ready", "/version", "/docs", "/openapi.json",
    "//", "/%2e%2e/%2e%2e/etc/passwd", "/v1/chat/completions/", "/v1/chat%2fcompletions", "/?" + "a=1&" * 500, "/*",
]  # fmt: skip
MEDIA_TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/",
               "application/json; charset=utf-16", "application/json;", "\x00", "*/*", ""]  # fmt: skip
SMUGGLED = [
    b"Content-Length: 5\r\nContent-Length: 6\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 0x10\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    b"Expect: 100-continue\r\nContent-Length: 2\r\n",
    b"Expect: nonsense\r\nContent-Length: 2\r\n",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAAA\r\n",
    b"Content-Encoding: gzip\r\nContent-Length: 2\r\n",
]


@dataclass(frozen=True, slots=True)
class Attempt:
    """Bytes for one connection."""

    kind: str
    payload: bytes
    keeps_alive: bool = False
    """It is whole HTTP, so that the connection may be used again."""


def make(seed: int, number: int) -> Attempt:
    """The same for the same seed and number, whatever else is made."""
    rng = random.Random(f"{seed}:{number}")
    kind = rng.choices(["body", "route", "media type", "headers", "length", "garbage"], [70, 10, 4, 6, 6, 4])[0]
    match kind:
        case "body":
            path = rng.choice([bodies.CHAT, *bodies.SCHEMAS])
            return Attempt(kind, _post(path, bodies.spoil(rng, path)), keeps_alive=True)
        case "route":
            return Attempt(kind, _http(rng.choice(METHODS), rng.choice(PATHS)))
        case "media type":
            body = bodies.spoil(rng, bodies.CHAT)
            return Attempt(kind, _post(bodies.CHAT, body, rng.choice(MEDIA_TYPES)))
        case "headers":
            return Attempt(kind, _bad_headers(rng))
        case "length":
            return Attempt(kind, _bad_length(rng))
        case _:
            return Attempt(kind, _garbage(rng))


def _http(method: str, path: str, headers: bytes = b"", body: bytes = b"") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n".encode() + headers + b"\r\n" + body


def _post(path: str, body: bytes, media_type: str = "application/json") -> bytes:
    headers = f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n".encode("latin-1")
    return _http("POST", path, headers, body)


def _bad_headers(rng: random.Random) -> bytes:
    match rng.randrange(6):
        case 0:
            return _http("GET", "/v1/models", b"X-Long: " + b"a" * rng.choice([8000, 9000, 100_000]) + b"\r\n")
        case 1:
            return _http("GET", "/v1/models", b"X-Many: a\r\n" * rng.choice([90, 101, 5000]))
        case 2:
            return _http("GET", "/" + "a" * rng.choice([4000, 5000, 100_000]))
        case 3:
            return _http("GET", "/v1/models", b"Authorization: " + rng.randbytes(30).replace(b"\n", b"") + b"\r\n")
        case 4:
            return _http("GET", "/v1/models", b"X-Bad" + rng.randbytes(4) + b": a\r\n folded\r\n")
        case _:
            return _http("GET", "/v1/models", b"X: \x00\r\nCookie: \xff\xfe=\x1b\r\n")


def _bad_length(rng: random.Random) -> bytes:
    body = bodies.spoil(rng, bodies.CHAT)[:2000]
    head = b"Content-Type: application/json\r\n"
    match rng.randrange(4):
        case 0:  # the body ends early
            return _http(
                "POST", bodies.CHAT, head + b"Content-Length: %d\r\n" % (len(body) + rng.randint(1, 10**6)), body
            )
        case 1:  # what is left over is taken for the next request
            return _http("POST", bodies.CHAT, head + b"Content-Length: %d\r\n" % rng.randrange(len(body) + 1), body)
        case 2:
            size = rng.choice([b"%x" % len(body), b"zz", b"-1", b"ffffffffffffffff", b"5;ext=\x00", b""])
            chunk = size + b"\r\n" + body + rng.choice([b"\r\n0\r\n\r\n", b"\r\n", b"", b"0\r\n\r\n"])
            return _http("POST", bodies.CHAT, head + b"Transfer-Encoding: chunked\r\n", chunk)
        case _:
            return _http("POST", bodies.CHAT, head + rng.choice(SMUGGLED), body)


def _garbage(rng: random.Random) -> bytes:
    match rng.randrange(6):
        case 0:
            return rng.randbytes(rng.choice([1, 100, 5000]))
        case 1:
            return b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(200)  # TLS
        case 2:
            return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + rng.randbytes(50)
        case 3:
            return rng.choice(
                [b"\r\n" * 50, b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET http://[ HTTP/1.1\r\n\r\n"]
            )
        case 4:
            return b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x01" + rng.randbytes(60)  # ZeroMQ
        case _:
            request = _post(bodies.CHAT, bodies.spoil(rng, bodies.CHAT)[:500])
            return request[: rng.randrange(1, len(request))]
