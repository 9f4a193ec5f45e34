"""Offline generation from a file of requests, by a process that loads the model for itself. See docs/batch.md."""
