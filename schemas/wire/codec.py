"""Encode messages as bytes, and decode them again."""

import msgspec

from schemas.wire.generate import Generate
from schemas.wire.to_engine import Abort, AskMetrics, AskRequests, AskStats, Drain, EndRequest, Hello, Ping
from schemas.wire.to_web import (
    Accepted,
    Cleared,
    Deltas,
    Ended,
    Failed,
    Metrics,
    Pong,
    Refused,
    Requests,
    Stats,
    Testing,
    Welcome,
)

ToEngine = Hello | Ping | Generate | Abort | AskStats | AskMetrics | AskRequests | EndRequest | Drain
ToWeb = Welcome | Pong | Stats | Metrics | Requests | Ended | Refused | Accepted | Testing | Cleared | Failed | Deltas

encode = msgspec.msgpack.Encoder().encode
decode_to_engine = msgspec.msgpack.Decoder(ToEngine).decode
decode_to_web = msgspec.msgpack.Decoder(ToWeb).decode
