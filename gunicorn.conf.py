"""gunicorn's configuration: `gunicorn wsgi:app` reads it, and is the whole product in one command.

It is run again by every reload (SIGHUP), in the master. See docs/configuration.md for the HEARTH_* variables.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gunicorn.app.base
from gunicorn.systemd import SD_LISTEN_FDS_START, sd_notify

TRY_THIS = """\
    curl -s http://{bind}/v1/chat/completions -H 'Content-Type: application/json' \\
      -d '{{"messages": [{{"role": "user", "content": "Who are you?"}}]}}'"""

LINE = "%(asctime)s %(levelname)s [%(process)d] %(name)s %(message)s"
ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from engine_proc.lock import LOCK_FILE, lock_holder  # noqa: E402
from schemas.shared.endpoint import EndpointError, make_run_dir  # noqa: E402
from schemas.shared.log_lines import formatter  # noqa: E402
from webapp.observing import metrics_files  # noqa: E402
from webapp.server.logger import HearthLogger  # noqa: E402
from webapp.server.master import HearthArbiter  # noqa: E402
from webapp.server.worker import HearthWorker  # noqa: E402
from webapp.settings import read_settings  # noqa: E402

try:
    settings = read_settings()
    make_run_dir(settings.run_dir)
except (EndpointError, ValueError, OSError) as error:
    sys.exit(f"hearth: {error}")

# Workers are forked from the master: what it has imported of ours they would run for ever, reload or not.
for name in [name for name in sys.modules if name.partition(".")[0] in {"webapp", "schemas", "engine_proc"}]:
    del sys.modules[name]

gunicorn.app.base.Arbiter = HearthArbiter  # gunicorn has no setting for it
bind = settings.bind
chdir = str(ROOT)
worker_class = HearthWorker
logger_class = HearthLogger
workers = int(os.environ.get("WEB_CONCURRENCY", min(os.cpu_count() or 1, 4)))
worker_connections = 4096
keepalive = 75  # longer than any proxy keeps an idle connection, so that none meets a closed one
graceful_timeout = settings.graceful_seconds
timeout = 60
pidfile = str(settings.run_dir / "gunicorn.pid")
control_socket_disable = True  # after USR2 the old master would remove the new one's, and it forks beside a thread
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": formatter, "kind": settings.log_format, "pattern": LINE}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "hearth": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
        "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False, "qualname": "gunicorn.error"},
    },
}


def _find_or_start_engine() -> "subprocess.Popen[bytes]":
    """Detached, so that it outlives this process."""
    return subprocess.Popen([sys.executable, "-m", "engine_proc", "start"], cwd=ROOT)


METRICS = settings.run_dir / "metrics"


def on_starting(server: Any) -> None:
    if not server.master_pid:  # after USR2 the old master's workers still count
        metrics_files.clear(METRICS)
    if settings.engine_spawn:
        _find_or_start_engine().wait()


def on_reload(server: Any) -> None:
    """No process is spent on it while an engine runs, and none waited for: the new workers must answer at once."""
    if settings.engine_spawn and lock_holder(settings.run_dir / LOCK_FILE) is None:
        _find_or_start_engine()


def post_fork(server: Any, worker: Any) -> None:
    """In the worker alone: vLLM heeds this variable too, and the engine may be started from here."""
    os.environ[metrics_files.DIRECTORY] = str(METRICS)


def child_exit(server: Any, worker: Any) -> None:
    metrics_files.retire(METRICS, worker.pid)


def pre_exec(server: Any) -> None:
    """USR2: put the listening sockets where the new master looks for systemd's; gunicorn has moved them."""
    if server.systemd:
        copies = [os.dup(listener.fileno()) for listener in server.LISTENERS]
        for number, copy in enumerate(copies, SD_LISTEN_FDS_START):
            os.dup2(copy, number)
            os.set_inheritable(number, True)  # dup2 leaves alone a copy that has the number already


def when_ready(server: Any) -> None:
    if server.master_pid:  # started by USR2: systemd is to watch this process, no longer the old one
        sd_notify(f"MAINPID={server.pid}", server.log)
    server.log.info("Hearth answers at http://%s. Try this:", settings.bind)
    sys.stderr.write(f"\n{TRY_THIS.format(bind=settings.bind)}\n\n")  # a log line would escape its newline
    sys.stderr.flush()


def on_exit(server: Any) -> None:
    if settings.engine_spawn and not server.reexec_pid:
        server.log.info("The web tier has stopped. The engine stays warm; `make stop` ends it.")
