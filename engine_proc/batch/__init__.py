"""Offline generation from a file of requests, in a process that loads its own model. See docs/batch.md."""
