"""The names of both tiers' settings, and the variables that look like settings and are none."""

import difflib
import re
from collections.abc import Iterable, Iterator

from schemas.shared.endpoint import PROJECT_ROOT

PREFIX = "HEARTH_"
READS_SETTING = re.compile(r'env\.\w+\(\s*"([A-Z_]+)"')
INTERNAL = {"HEARTH_LOAD_COUNT", "HEARTH_PARENT_PID", "HEARTH_PULSE_FD", "HEARTH_YIELD_SECONDS", "HEARTH_SLOW_TURN_MS"}
INTERNAL |= {"HEARTH_API_KEY", "HEARTH_URL"}
"""Variables that are not settings: those of the engine for its own processes, of the tests, and of clients."""


def known_settings() -> set[str]:
    """Return the names of both tiers' settings.

    They are found in the source of each tier's `settings.py`, because neither tier may import the other.
    """
    return {
        f"{PREFIX}{name}"
        for tier in ("webapp", "engine_proc")
        for name in READS_SETTING.findall((PROJECT_ROOT / tier / "settings.py").read_text())
    }


def unknown_settings(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each of `names` that begins as a setting does and is none, with advice for the operator.

    A misspelt setting has no effect, and causes no error.
    """
    known = known_settings()
    for name in sorted(name for name in names if name.startswith(PREFIX)):
        if name not in known | INTERNAL:
            bare = [setting.removeprefix(PREFIX) for setting in known]
            similar = difflib.get_close_matches(name.removeprefix(PREFIX), bare, 1)
            yield (
                name,
                f"did you mean {PREFIX}{similar[0]}?" if similar else "docs/configuration.md lists all.",
            )
