"""The messages between the web tier and the engine, and nothing about how they travel.

One ZeroMQ frame holds one message, and several frames may travel as one of ZeroMQ's messages (to an engine: where it
has the feature `FRAMES`). A message is a msgpack map with the tag field `t`. Unknown fields are ignored and
missing ones take their defaults, so either side may be newer than the other within one MAJOR version.
`Delta` and `TokenLogprob` are arrays, for they are the hot path: new fields go at the END, with a default.
"""

from schemas.wire.codec import (
    ToEngine,
    ToWeb,
    decode_to_engine,
    decode_to_web,
    encode,
)
from schemas.wire.generate import (
    Generate,
    GenerateParams,
    Sampling,
    Structure,
)
from schemas.wire.protocol import (
    CLIENT_SILENCE_LIMIT,
    EXTENDED,
    FRAMES,
    MAJOR,
    METRICS,
    MINOR,
    PING_INTERVAL,
    RESUMES,
    Message,
)
from schemas.wire.to_engine import (
    Abort,
    AskMetrics,
    AskStats,
    Drain,
    Hello,
    Ping,
    version_conflict,
)
from schemas.wire.to_web import (
    Accepted,
    Delta,
    Deltas,
    Failed,
    Histogram,
    Load,
    Metrics,
    Pong,
    Refused,
    Stats,
    TokenLogprob,
    ToolCall,
    Welcome,
)

__all__ = [
    "CLIENT_SILENCE_LIMIT",
    "EXTENDED",
    "FRAMES",
    "MAJOR",
    "METRICS",
    "MINOR",
    "PING_INTERVAL",
    "RESUMES",
    "Abort",
    "Accepted",
    "AskMetrics",
    "AskStats",
    "Delta",
    "Deltas",
    "Drain",
    "Failed",
    "Generate",
    "GenerateParams",
    "Hello",
    "Histogram",
    "Load",
    "Message",
    "Metrics",
    "Ping",
    "Pong",
    "Refused",
    "Sampling",
    "Stats",
    "Structure",
    "ToEngine",
    "ToWeb",
    "TokenLogprob",
    "ToolCall",
    "Welcome",
    "decode_to_engine",
    "decode_to_web",
    "encode",
    "version_conflict",
]
