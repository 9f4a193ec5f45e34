"""The web tier's own fixtures, for the fuzzed wire."""

from tests.webapp.conftest import engine, greenlets, wire_client

__all__ = ["engine", "greenlets", "wire_client"]
