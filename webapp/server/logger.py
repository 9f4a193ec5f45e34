"""gunicorn's logger without its access log."""

from gunicorn import glogging


class HearthLogger(glogging.Logger):  # type: ignore[misc]
    """The logger class of gunicorn.conf.py.

    With `logconfig_dict` gunicorn composes an access line for every request even where no access log is configured.
    The application writes its own (webapp/observing/request_log.py).
    """

    def _compute_access_log_enabled(self) -> bool:
        return bool(self.cfg.accesslog)
