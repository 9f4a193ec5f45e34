"""The release, of both tiers: they are released together, though they may run apart."""

VERSION = "0.1.0"
