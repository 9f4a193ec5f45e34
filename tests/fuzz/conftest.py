"""The end-to-end tests' own Hearth."""

from tests.e2e.conftest import hearth, running
from tests.webapp.conftest import engine, greenlets, wire_client

__all__ = ["engine", "greenlets", "hearth", "running", "wire_client"]
