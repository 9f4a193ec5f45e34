"""`make install`, into scratch trees: what a package would hold, and a Hearth that runs from where it was put."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from schemas.shared.endpoint import PROJECT_ROOT
from tests.harness import Hearth, free_port, until

UNITS = ("hearth-engine.service", "hearth-web.service", "hearth-web.socket")


def make(target: str, **variables: object) -> None:
    command = ["make", "-C", str(PROJECT_ROOT), target, *(f"{name}={value}" for name, value in variables.items())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def package(tmp_path: Path) -> Path:
    make("install", DESTDIR=tmp_path)
    return tmp_path


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """At its own place, but for the Python environment, which is this one."""
    places = {
        "PREFIX": "hearth",
        "BINDIR": "bin",
        "SYSCONFDIR": "etc",
        "UNITDIR": "units",
        "SYSUSERSDIR": "sysusers",
        "COMPLETIONS": "completions",
    }
    make("install", SETUP="no", **{name: tmp_path / place for name, place in places.items()})
    (tmp_path / "hearth/.venv").symlink_to(Path(sys.executable).parent.parent)
    return tmp_path


def test_a_package_holds_hearth_its_units_and_its_user(package: Path) -> None:
    for name in (
        "wsgi.py",
        "gunicorn.conf.py",
        "webapp/page/chat/chat.html",
        "webapp/page/vendor/katex-0.19.1/fonts/KaTeX_Main-Regular.woff2",
        "webapp/page/vendor/katex-0.19.1/LICENSE",
        "engine_proc/adapter/engine.py",
        "requirements/cpu.txt",
    ):
        assert (package / "opt/hearth" / name).is_file()
    assert not (package / "opt/hearth/tests").exists()
    assert not list((package / "opt/hearth").rglob("__pycache__"))
    for unit in ("hearth-engine.service", "hearth-web.service"):
        assert "/opt/hearth/.venv/bin/" in (package / "etc/systemd/system" / unit).read_text()
    assert "ListenStream=" in (package / "etc/systemd/system/hearth-web.socket").read_text()
    assert os.access(package / "usr/local/bin/hearth", os.X_OK)
    keys = package / "etc/hearth/api-keys"
    assert keys.stat().st_mode & 0o777 == 0o640
    assert keys.parent.stat().st_mode & 0o777 == 0o750


def test_systemd_makes_the_user(package: Path) -> None:
    subprocess.run(["systemd-sysusers", f"--root={package}"], check=True, timeout=60, capture_output=True)
    (line,) = (package / "etc/passwd").read_text().splitlines()
    assert re.fullmatch(r"hearth:x:\d+:\d+:Hearth:/var/lib/hearth:/usr/sbin/nologin", line)


def test_a_new_release_takes_the_place_of_the_old_and_leaves_what_was_configured(package: Path) -> None:
    old = package / "opt/hearth/webapp/of_an_older_release.py"
    old.write_text("")
    configuration = package / "etc/hearth/hearth.conf"
    configuration.write_text("HEARTH_MODEL=/mine\n")
    make("install", DESTDIR=package)
    assert not old.exists()
    assert (package / "opt/hearth/webapp/app.py").exists()
    assert configuration.read_text() == "HEARTH_MODEL=/mine\n"


def test_it_can_be_removed_and_the_configuration_stays(package: Path) -> None:
    make("uninstall", DESTDIR=package)
    left = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    assert left == {"etc/hearth/hearth.conf", "etc/hearth/api-keys"}


def test_an_installation_can_be_removed(installed: Path) -> None:
    places = {"PREFIX": "hearth", "BINDIR": "bin", "SYSCONFDIR": "etc", "UNITDIR": "units", "SYSUSERSDIR": "sysusers"}
    make("uninstall", COMPLETIONS=installed / "c", **{name: installed / place for name, place in places.items()})
    assert {path.name for path in installed.rglob("*") if path.is_file()} == {"hearth.conf", "api-keys"}
    assert Path(sys.executable).exists(), "what it only pointed to stays"


def test_only_a_hearth_is_removed(tmp_path: Path) -> None:
    (tmp_path / "opt/hearth").mkdir(parents=True)
    (tmp_path / "opt/hearth/mine").write_text("")
    make("uninstall", DESTDIR=tmp_path)
    assert (tmp_path / "opt/hearth/mine").exists()


def test_its_units_are_sound_where_they_were_put(installed: Path) -> None:
    units = [installed / "units" / unit for unit in UNITS]
    command = ["systemd-analyze", "verify", "--man=no", *map(str, units)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "hearth" in line]) == (0, [])


def test_its_web_tier_serves_and_its_command_tells(installed: Path, hearth: Hearth) -> None:
    """By the command of its unit, from its own tree, with its own configuration."""
    unit = (installed / "units/hearth-web.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    (directory,) = re.findall(r"^WorkingDirectory=(.*)$", unit, re.MULTILINE)
    run_dir = installed / "run"
    settings = {
        "HEARTH_RUN_DIR": run_dir,
        "HEARTH_BIND": f"127.0.0.1:{free_port()}",
        "HEARTH_ENGINE_ENDPOINT": f"ipc://{hearth.run_dir}/engine.sock",
        "HEARTH_ENGINE_SPAWN": "0",
        "HEARTH_DATABASE_URL": f"sqlite:///{run_dir}/conversations.db",
        "HEARTH_ENGINE_ARGS": '"--max-model-len 2048 --dtype auto"',
    }
    (installed / "etc/hearth/hearth.conf").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEARTH_")}
    environment = {**inherited, **{name: str(value).strip('"') for name, value in settings.items()}}
    url = f"http://{settings['HEARTH_BIND']}"
    with (installed / "log").open("wb") as log:
        web = subprocess.Popen(command.split(), cwd=directory, env=environment, stdout=log, stderr=log)
    try:
        until(lambda: answers(url), 30, "the installed web tier is ready")
        assert "Hearth" in httpx.get(f"{url}/").text
        body = {"messages": [{"role": "user", "content": "Who are you?"}], "temperature": 0}
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60).json()
        assert "Hearth" in answer["choices"][0]["message"]["content"]
        assert Path(f"/proc/{web.pid}/cwd").resolve() == installed / "hearth"
        for arguments, words in ((["status"], "hearth-demo"), (["doctor"], "No problems found.")):
            run = [str(installed / "bin/hearth"), *arguments]
            done = subprocess.run(run, cwd="/", env=inherited, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            assert words in done.stdout
    finally:
        web.terminate()
        web.wait(30)
    shutil.rmtree(run_dir)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready").status_code == 200
    except httpx.TransportError:
        return False
