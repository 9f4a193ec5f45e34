"""What gunicorn does for a log that nobody reads."""

import pytest
from gunicorn.config import Config

from webapp.server.logger import HearthLogger


@pytest.mark.parametrize(("file", "wanted"), [(None, False), ("-", True)])
def test_an_access_line_is_made_up_only_where_it_is_asked_for(file: str | None, wanted: bool) -> None:
    config = Config()
    config.set("logconfig_dict", {"version": 1, "disable_existing_loggers": False})
    config.set("accesslog", file)
    assert HearthLogger(config).access_log_enabled is wanted
