"""The checks of Hearth itself: settings, the run directory, the engine, the web tier's address."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

import psutil

from engine_proc.commands.asking import ask
from engine_proc.commands.doctor.finding import Finding, bad, note, ok
from engine_proc.lock import lock_holder
from engine_proc.settings import Settings
from schemas import wire
from schemas.shared.endpoint import DEFAULT_BIND, PROJECT_ROOT
from schemas.shared.known_settings import unknown_settings
from schemas.shared.problem import read_problem
from schemas.shared.version import VERSION

ANY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104
"""Addresses that stand for all of a host's, and where a client on the host finds them."""
LOG_TAIL = 40
"""How many of the last lines of the engine's log are searched for an error."""


def server_checks(settings: Settings) -> Iterator[Finding]:
    """Yield the result of each check."""
    yield from _unknown_settings()
    yield _run_dir(settings)
    yield _web_settings()
    yield _engine(settings)
    yield from _ports()


def _unknown_settings() -> Iterator[Finding]:
    for name, advice in unknown_settings(os.environ):
        yield bad("settings", f"{name} is not a setting of Hearth", f"{advice[0].upper()}{advice[1:]}")


def _run_dir(settings: Settings) -> Finding:
    directory = settings.run_dir
    if not directory.exists():
        return ok("run directory", f"{directory}, not created yet")
    found = directory.stat()
    if found.st_uid != os.getuid():
        return bad(
            "run directory", f"{directory} belongs to uid {found.st_uid}", "Run as that user, or set HEARTH_RUN_DIR."
        )
    if not os.access(directory, os.W_OK | os.X_OK):
        return bad("run directory", f"{directory} is not writable", f"`chmod 700 {directory}`, or set HEARTH_RUN_DIR.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        return note(
            "run directory", f"{directory} is open to other users", "The next start makes it private (`chmod 700`)."
        )
    return ok("run directory", str(directory))


def _web_settings() -> Finding:
    """Have the web tier check its own settings, by `gunicorn --check-config`."""
    workers = os.environ.get("WEB_CONCURRENCY") or "1"
    if not workers.isdigit():  # gunicorn reads it before it runs any of Hearth's code
        return bad(
            "settings", f"WEB_CONCURRENCY: expected a number of workers, not {workers!r}", "Set it, or unset it."
        )
    command = [sys.executable, "-m", "gunicorn", "--check-config", "wsgi:app"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 0:
        return ok("settings", "valid for both tiers")
    lines = (done.stderr or done.stdout).strip().splitlines()
    errors = [line for line in lines if line.startswith("hearth: ")] or lines[-1:] or ["gunicorn --check-config failed"]
    return bad("settings", errors[0].removeprefix("hearth: "), "docs/configuration.md says what each setting may be.")


def _engine(settings: Settings) -> Finding:
    holder = lock_holder(settings.lock_file)
    hello = wire.Hello(major=wire.MAJOR, minor=wire.MINOR, client="doctor")
    path = settings.endpoint.removeprefix("ipc://")
    no_socket = path != settings.endpoint and not Path(path).exists()
    replies = None if no_socket else ask(settings.endpoint, hello, keys=settings.client_keys())
    if replies is None:
        return _silent_engine(settings, holder)
    (welcome,) = replies
    if isinstance(welcome, wire.Refused):
        return bad("engine", welcome.message, "Restart the older of the two from this checkout.")
    found = f"pid {welcome.pid}, {welcome.engine_version or 'loading'}, wire protocol {welcome.major}.{welcome.minor}"
    if welcome.minor < wire.MINOR:
        return note(
            "engine", found, f"This checkout has {wire.MAJOR}.{wire.MINOR}: `make stop run` updates the engine."
        )
    if not welcome.load.ready:
        return note("engine", f"{found}: {welcome.load.stage}", "`hearth wait` shows the progress.")
    return ok("engine", found)


def _silent_engine(settings: Settings, holder: int | None) -> Finding:
    """Return the result if no engine answers. `holder` is the pid of an engine that runs all the same, or None."""
    if holder is not None:
        advice = f"It is starting, or it hangs: see {settings.log_file}. `make stop` stops it."
        return bad("engine", f"pid {holder} is running but does not answer at {settings.endpoint}", advice)
    if problem := read_problem(settings.run_dir):
        advice = f"When it is mended, `make run` or `hearth start` tries again. The log: {settings.log_file}"
        return bad("engine", f"not running: {problem}", advice)
    error = _last_error(settings)
    if error:
        return note("engine", f"not running; the last error in its log: {error}", f"The log: {settings.log_file}")
    return note("engine", "not running", "`make run` starts both tiers, `hearth start` only the engine.")


def _last_error(settings: Settings) -> str:
    """Return the last error in the engine's log, cut to 200 characters. Empty: there is none."""
    try:
        lines = settings.log_file.read_text(errors="replace").splitlines()[-LOG_TAIL:]
    except OSError:
        return ""
    errors = [line for line in lines if "ERROR" in line or '"level": "error"' in line or "error:" in line]
    return errors[-1][:200] if errors else ""


def _ports() -> Iterator[Finding]:
    """Check each address of HEARTH_BIND."""
    for address in (os.environ.get("HEARTH_BIND") or DEFAULT_BIND).split(","):
        yield _port(address.strip())


def _port(bind: str) -> Finding:
    host, _, port = bind.removeprefix("tcp://").rpartition(":")
    if not port.isdigit():
        return ok("address", bind)  # the path of a socket, which gunicorn has checked
    address = ANY_ADDRESS.get(host, host)
    direct = build_opener(ProxyHandler({}))  # a proxy would be asked for this host's own address
    try:
        with direct.open(f"http://{address}:{port}/version", timeout=5) as answer:
            return _hearth_answers(bind, answer.read())
    except HTTPError as error:
        if error.headers.get("WWW-Authenticate") == "Bearer":
            return ok("address", f"{bind}: Hearth answers, and requires an API key")
    except (URLError, OSError, ValueError, KeyError, TypeError):
        if not _listeners(int(port)):
            return ok("address", f"{bind} is free")
    pids = ", ".join(f"pid {pid}" for pid in _listeners(int(port))) or "a process of another user"
    return bad(
        "address", f"{bind} is in use by another program ({pids})", "Stop it, or set HEARTH_BIND to another port."
    )


def _hearth_answers(bind: str, body: bytes) -> Finding:
    version = json.loads(body)["version"]
    if version != VERSION:
        advice = "`kill -HUP` to gunicorn, or `systemctl reload hearth-web`, loads the new release."
        return note("address", f"{bind}: Hearth {version} answers, this checkout is {VERSION}", advice)
    return ok("address", f"{bind}: Hearth {version} answers")


def _listeners(port: int) -> list[int]:
    """Return the pids of the processes that listen on a TCP port, as far as this user may see them."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return []
    return sorted({c.pid for c in connections if c.status == "LISTEN" and c.laddr.port == port and c.pid})
