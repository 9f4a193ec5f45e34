"""The shipped configuration is sound, and agrees with the product's settings."""

import re
import subprocess
import sys
from pathlib import Path

from engine_proc.process import supervisor
from engine_proc.settings import read_settings as engine_settings
from schemas.shared.endpoint import PROJECT_ROOT
from webapp.settings import MIB, read_settings

UNITS = PROJECT_ROOT / "deploy/systemd"
SITE = PROJECT_ROOT / "deploy/nginx/hearth.conf"


def values(unit: str, name: str) -> list[str]:
    """What a unit sets `name` to."""
    return re.findall(rf"^{name}=(.*)$", (UNITS / unit).read_text(), re.MULTILINE)


def here(text: str) -> str:
    """The same for this checkout and this Python: units that name programs which do not exist are refused."""
    return text.replace("/opt/hearth/.venv/bin", str(Path(sys.executable).parent)).replace(
        "/opt/hearth", str(PROJECT_ROOT)
    )


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    paths = []
    for unit in sorted(UNITS.glob("hearth-*")):
        paths.append(tmp_path / unit.name)
        paths[-1].write_text(here(unit.read_text()))
    assert len(paths) == 3
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True, timeout=60, check=False
    )
    about_ours = [line for line in done.stderr.splitlines() if "hearth" in line]
    assert (done.returncode, about_ours) == (0, [])


def test_neither_tier_stops_the_other() -> None:
    for unit, other in (("hearth-web.service", "hearth-engine"), ("hearth-engine.service", "hearth-web")):
        for bond in ("Requires", "BindsTo", "PartOf", "Wants", "Requisite", "Conflicts"):
            assert not any(other + ".service" in value for value in values(unit, bond))
        assert values(unit, "RuntimeDirectoryPreserve") == ["yes"], "its end must not remove the other's socket"
    assert "HEARTH_ENGINE_SPAWN=0" in " ".join(values("hearth-web.service", "Environment"))


def test_systemd_kills_later_than_the_tiers_themselves() -> None:
    (engine,) = values("hearth-engine.service", "TimeoutStopSec")
    (web,) = values("hearth-web.service", "TimeoutStopSec")
    assert int(engine) > engine_settings().drain_seconds + supervisor.STOP_GRACE + 2
    assert int(web) > read_settings().graceful_seconds


def test_the_example_sets_what_there_is() -> None:
    known = set(re.findall(r"^\| `(\w+)`", (PROJECT_ROOT / "docs/configuration.md").read_text(), re.MULTILINE))
    lines = [line for line in (UNITS / "hearth.conf").read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    assert {line.partition("=")[0] for line in lines} <= known


def test_nginx_takes_bodies_of_the_same_size() -> None:
    (size,) = re.findall(r"client_max_body_size (\d+)m;", SITE.read_text())
    assert int(size) * MIB == read_settings().max_body_bytes
