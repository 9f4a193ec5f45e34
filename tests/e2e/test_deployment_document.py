"""The commands of docs/deployment.md that need no systemd, run as they stand but for the run directory."""

import subprocess

from schemas.shared.endpoint import PROJECT_ROOT
from tests.e2e.activation import GUNICORN
from tests.e2e.load import Load
from tests.e2e.masters import SECONDS, master_of, replaceable
from tests.harness import Hearth, until
from tests.readme import blocks


def test_usr2_keeps_no_request_waiting(hearth: Hearth) -> None:
    (block,) = [text for text in blocks(PROJECT_ROOT / "docs/deployment.md", "sh") if "USR2" in text]
    old = master_of(hearth)
    with replaceable(hearth), Load(hearth.url) as load:
        command = block.replace("/run/hearth/", f"{hearth.run_dir}/")
        subprocess.run(["bash", "-euc", command], check=True, timeout=SECONDS)
        until(lambda: master_of(hearth) != old, SECONDS, "it is replaced")
        load.goes_on()
    load.check()


def test_a_reload_with_an_unusable_setting_is_refused_beforehand(hearth: Hearth) -> None:
    """hearth-web.service runs this check before it sends HUP."""
    unit = (PROJECT_ROOT / "deploy/systemd/hearth-web.service").read_text()
    (check,) = [line for line in unit.splitlines() if "--check-config" in line]
    command = check.removeprefix("ExecReload=/opt/hearth/.venv/bin/").split()
    good, bad = (
        subprocess.run([GUNICORN, *command[1:]], cwd=PROJECT_ROOT, env=env, capture_output=True, text=True, check=False)
        for env in (hearth.env, {**hearth.env, "HEARTH_API_KEYS_FILE": "/nonexistent"})
    )
    assert (good.returncode, bad.returncode) == (0, 1)
    assert "/nonexistent" in bad.stderr
    assert "Traceback" not in bad.stderr
