"""What `doctor` looks at of Hearth itself: settings, the run directory, the port, and who answers on both sides."""

import difflib
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psutil

from engine_proc.commands.asking import ask
from engine_proc.commands.doctor.finding import Finding, bad, note, ok
from engine_proc.lock import lock_holder
from engine_proc.settings import Settings
from schemas import wire
from schemas.shared.endpoint import DEFAULT_BIND, PROJECT_ROOT
from schemas.shared.version import VERSION

READS_SETTING = re.compile(r'env\.\w+\(\s*"([A-Z_]+)"')
INTERNAL = {"HEARTH_LOAD_COUNT", "HEARTH_PULSE_FD", "HEARTH_YIELD_SECONDS", "HEARTH_API_KEY"}
"""Not settings: what the engine tells its own processes, and what clients call their key."""
LOG_TAIL = 40
"""Lines of the last engine's log in which its end is looked for."""


def server_checks(settings: Settings) -> Iterator[Finding]:
    yield from _unknown_settings()
    yield _run_dir(settings)
    yield _web_settings()
    yield _engine(settings)
    yield _port()


def known_settings() -> set[str]:
    """All that either tier reads; found in its source, for the engine cannot import the web tier."""
    return {
        f"HEARTH_{name}"
        for tier in ("webapp", "engine_proc")
        for name in READS_SETTING.findall((PROJECT_ROOT / tier / "settings.py").read_text())
    }


def _unknown_settings() -> Iterator[Finding]:
    """A setting that is misspelt has no effect, and nobody says so."""
    known = known_settings()
    for name in sorted(name for name in os.environ if name.startswith("HEARTH_")):
        if name not in known | INTERNAL:
            meant = difflib.get_close_matches(name, known, 1)
            advice = f"Do you mean {meant[0]}?" if meant else "docs/configuration.md lists them all."
            yield bad("settings", f"{name} is none of Hearth's", advice)


def _run_dir(settings: Settings) -> Finding:
    directory = settings.run_dir
    if not directory.exists():
        return ok("run directory", f"{directory}, not made yet")
    found = directory.stat()
    if found.st_uid != os.getuid():
        return bad(
            "run directory", f"{directory} belongs to uid {found.st_uid}", "Be that user, or set HEARTH_RUN_DIR."
        )
    if not os.access(directory, os.W_OK | os.X_OK):
        return bad("run directory", f"{directory} is not writable", f"`chmod 700 {directory}`, or set HEARTH_RUN_DIR.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        return note("run directory", f"{directory} is open to others", "The next start closes it: `chmod 700`.")
    return ok("run directory", str(directory))


def _web_settings() -> Finding:
    """The web tier reads its own, and says what is wrong with them."""
    command = [sys.executable, "-m", "gunicorn", "--check-config", "wsgi:app"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 0:
        return ok("settings", "both tiers can use them")
    lines = (done.stderr or done.stdout).strip().splitlines()
    said = [line for line in lines if line.startswith("hearth: ")] or lines[-1:] or ["gunicorn --check-config failed"]
    return bad("settings", said[0].removeprefix("hearth: "), "docs/configuration.md says what each setting may be.")


def _engine(settings: Settings) -> Finding:
    holder = lock_holder(settings.lock_file)
    hello = wire.Hello(major=wire.MAJOR, minor=wire.MINOR, client="doctor")
    path = settings.endpoint.removeprefix("ipc://")
    nowhere = path != settings.endpoint and not Path(path).exists()
    replies = None if nowhere else ask(settings.endpoint, hello, keys=settings.client_keys())
    if replies is None:
        return _silent_engine(settings, holder)
    (welcome,) = replies
    if isinstance(welcome, wire.Refused):
        return bad("engine", welcome.message, "Stop the older one and start it from this checkout.")
    found = f"pid {welcome.pid}, {welcome.engine_version or 'loading'}, wire protocol {welcome.major}.{welcome.minor}"
    if welcome.minor < wire.MINOR:
        return note("engine", found, f"This checkout speaks {wire.MAJOR}.{wire.MINOR}: `make stop run` brings it up.")
    if not welcome.load.ready:
        return note("engine", f"{found}: {welcome.load.stage}", "`python -m engine_proc wait` shows how it comes on.")
    return ok("engine", found)


def _silent_engine(settings: Settings, holder: int | None) -> Finding:
    if holder is not None:
        advice = f"It is starting, or it hangs: see {settings.log_file}; `make stop` ends it."
        return bad("engine", f"pid {holder} runs, and does not answer at {settings.endpoint}", advice)
    said = _last_error(settings)
    if said:
        return note("engine", f"none runs; the last one's log: {said}", f"All of it: {settings.log_file}")
    return note("engine", "none runs", "`make run` starts both tiers, `python -m engine_proc start` the engine alone.")


def _last_error(settings: Settings) -> str:
    try:
        lines = settings.log_file.read_text(errors="replace").splitlines()[-LOG_TAIL:]
    except OSError:
        return ""
    errors = [line for line in lines if "ERROR" in line or '"level": "error"' in line or "error:" in line]
    return errors[-1][:200] if errors else ""


def _port() -> Finding:
    bind = os.environ.get("HEARTH_BIND") or DEFAULT_BIND
    host, _, port = bind.rpartition(":")
    if not port.isdigit():
        return ok("address", bind)  # a socket's path; gunicorn has checked it
    here = "127.0.0.1" if host in ("", "0.0.0.0", "*") else host  # noqa: S104
    try:
        with urlopen(f"http://{here}:{port}/version", timeout=5) as answer:
            return _hearth_answers(bind, answer.read())
    except HTTPError as error:
        if error.headers.get("WWW-Authenticate") == "Bearer":
            return ok("address", f"{bind}: Hearth answers, and asks for a key")
    except (URLError, OSError, ValueError):
        if not _listeners(int(port)):
            return ok("address", f"{bind} is free")
    pids = ", ".join(f"pid {pid}" for pid in _listeners(int(port))) or "a process of another user"
    return bad("address", f"{bind} is taken by something else ({pids})", "End it, or set HEARTH_BIND to another port.")


def _hearth_answers(bind: str, body: bytes) -> Finding:
    told = json.loads(body)
    if told["version"] != VERSION:
        advice = "`kill -HUP` to gunicorn, or `systemctl reload hearth-web`, takes up the new release."
        return note("address", f"{bind}: Hearth {told['version']} answers, this checkout is {VERSION}", advice)
    return ok("address", f"{bind}: Hearth {told['version']} answers")


def _listeners(port: int) -> list[int]:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return []
    return sorted({c.pid for c in connections if c.status == "LISTEN" and c.laddr.port == port and c.pid})
