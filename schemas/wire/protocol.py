"""The protocol's versions, features and timeouts, and the base class of every message."""

import msgspec

MAJOR = 1
"""Increased when an older peer could misread a message. Engine and web tier of different MAJOR refuse each other."""
MINOR = 8
"""Increased when a field or message is added that an older peer may ignore."""
PARTS_MINOR = 7
"""The `Hello.minor` from which a web tier knows `Delta.more`. An older one gets every delta whole."""

RESUMES = "resume"
"""A value of `Welcome.features`: the engine resumes choices that another engine has begun (`Generate.sent`)."""
FRAMES = "frames"
"""A value of `Welcome.features`: the engine accepts several frames in one multipart message."""
EXTENDED = "extended"
"""A value of `Welcome.features`: the engine knows the fields that `Generate.extended` looks for.

An engine without it would ignore them, and answer a different request.
"""
METRICS = "metrics"
"""A value of `Welcome.features`: the engine answers `AskMetrics`."""

REQUESTS = "requests"
"""A value of `Welcome.features`: the engine answers `AskRequests`, and knows `EndRequest`."""

QUARANTINE = "quarantine"
"""A value of `Welcome.features`: the engine tests the requests that may have killed another (`Generate.losses`)."""

CRASHED = "engine_restarting"
"""A value of `Failed.code`: the engine has died."""
CONTACT_LOST = "contact_lost"
"""A value of `Failed.code`: the engine does not have the request. Perhaps the one that had it has died.

With any other code, a `Failed` that is `resumable` hands the request back: the engine lives, and has ended the request.
"""

PING_INTERVAL = 1.0
"""Seconds between two `Ping`s of a client."""
CLIENT_SILENCE_LIMIT = 5.0
"""Seconds without any message after which the engine considers a client lost and aborts its requests."""


class Message(msgspec.Struct, tag_field="t", omit_defaults=True, kw_only=True):
    """The base class of every message: a msgpack map with the tag field `t`."""
