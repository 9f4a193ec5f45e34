"""gunicorn's log, with one thing changed: no access log that nobody asked for."""

from gunicorn import glogging


class HearthLogger(glogging.Logger):  # type: ignore[misc]
    """The logger class of gunicorn.conf.py.

    With `logconfig_dict` gunicorn makes up an access line for every request, here only to drop it: the application
    writes its own (request_log.py).
    """

    def _compute_access_log_enabled(self) -> bool:
        return bool(self.cfg.accesslog)
