"""Metrics, log lines and traces of each request."""
