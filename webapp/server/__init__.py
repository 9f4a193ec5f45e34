"""Subclasses of gunicorn's worker, master, response and logger, with the changes that Hearth needs."""
