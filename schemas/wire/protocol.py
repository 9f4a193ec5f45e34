"""The rules of the wire: versions, features, silence limits, and what every message is."""

import msgspec

MAJOR = 1
"""Raised when an older peer could misread a message. Engine and web tier then refuse each other."""
MINOR = 4
"""Raised when something was added that an older peer may ignore."""

RESUMES = "resume"
"""Among `Welcome.features`: this engine continues choices whose beginning another engine has sent."""
FRAMES = "frames"
"""Likewise: it takes several frames at once."""
EXTENDED = "extended"
"""Likewise: it knows what `Generate.extended` looks for. An older one would ignore it, and answer another question."""
METRICS = "metrics"
"""Likewise: it answers `AskMetrics`."""

PING_INTERVAL = 1.0
"""Seconds between two pings of a client."""
CLIENT_SILENCE_LIMIT = 5.0
"""Seconds without any message after which the engine gives a client up."""


class Message(msgspec.Struct, tag_field="t", omit_defaults=True, kw_only=True):
    """What every message but the hot-path arrays is: a tagged map."""
