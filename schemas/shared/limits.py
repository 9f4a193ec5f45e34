"""Defaults of limits that are settings. gunicorn's master reads the settings, and must import no schema for it."""

MAX_CHOICES = 128
"""Default for the most choices of one prompt."""
