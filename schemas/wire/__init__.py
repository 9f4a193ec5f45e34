"""The messages between the web tier and the engine. The code that sends and receives them is elsewhere.

One ZeroMQ frame holds one message, and one multipart ZeroMQ message may hold several frames (sent to an engine only
where it has the feature `FRAMES`). A message is a msgpack map with the tag field `t`. Unknown fields are ignored and
missing fields take their defaults: either side may be newer than the other within one MAJOR version.
`Delta`, `ToolCall` and `TokenLogprob` are arrays, because they are the hot path: new fields go at the END, with a
default.
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
    CONTACT_LOST,
    CRASHED,
    EXTENDED,
    FRAMES,
    MAJOR,
    METRICS,
    MINOR,
    PARTS_MINOR,
    PING_INTERVAL,
    QUARANTINE,
    RESUMES,
    Message,
)
from schemas.wire.splitting import split, weight
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
    Cleared,
    Delta,
    Deltas,
    Failed,
    Histogram,
    Load,
    Metrics,
    Pong,
    Refused,
    Stats,
    Testing,
    TokenLogprob,
    ToolCall,
    Welcome,
)

__all__ = [
    "CLIENT_SILENCE_LIMIT",
    "CONTACT_LOST",
    "CRASHED",
    "EXTENDED",
    "FRAMES",
    "MAJOR",
    "METRICS",
    "MINOR",
    "PARTS_MINOR",
    "PING_INTERVAL",
    "QUARANTINE",
    "RESUMES",
    "Abort",
    "Accepted",
    "AskMetrics",
    "AskStats",
    "Cleared",
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
    "Testing",
    "ToEngine",
    "ToWeb",
    "TokenLogprob",
    "ToolCall",
    "Welcome",
    "decode_to_engine",
    "decode_to_web",
    "encode",
    "split",
    "version_conflict",
    "weight",
]
