"""Variables that look like settings and are none."""

import pytest

from schemas.shared.known_settings import known_settings, unknown_settings


def test_both_tiers_settings_are_known() -> None:
    assert {"HEARTH_BIND", "HEARTH_MODEL", "HEARTH_RUN_DIR"} <= known_settings()
    assert list(unknown_settings([*known_settings(), "HEARTH_API_KEY", "HEARTH_URL", "PATH"])) == []


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("HEARTH_API_KEY_FILE", "did you mean HEARTH_API_KEYS_FILE?"),
        ("HEARTH_MODLE", "did you mean HEARTH_MODEL?"),
        ("HEARTH_XYZZY", "docs/configuration.md lists all."),
    ],
)
def test_one_that_is_unknown_gets_advice(name: str, advice: str) -> None:
    assert list(unknown_settings([name])) == [(name, advice)]
