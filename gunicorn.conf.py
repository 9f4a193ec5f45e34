"""gunicorn's configuration. `gunicorn wsgi:app` reads it, and with it starts both tiers in one command.

The master runs this file again at every reload (SIGHUP). See docs/configuration.md for the HEARTH_* variables.
"""

import functools
import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gunicorn.app.base
from gunicorn.systemd import SD_LISTEN_FDS_START, sd_notify

LINE = "%(asctime)s %(levelname)s [%(process)d] %(name)s %(message)s"
ROOT = Path(__file__).resolve().parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from engine_proc.lock import LOCK_FILE, lock_holder  # noqa: E402
from engine_proc.settings import engine_environment  # noqa: E402
from schemas.shared import turns  # noqa: E402
from schemas.shared.descriptors import raise_descriptor_limit  # noqa: E402
from schemas.shared.endpoint import EndpointError, make_run_dir  # noqa: E402
from schemas.shared.known_settings import unknown_settings  # noqa: E402
from schemas.shared.log_lines import formatter  # noqa: E402
from webapp.observing import metrics_files  # noqa: E402
from webapp.server.logger import HearthLogger  # noqa: E402
from webapp.server.master import HearthArbiter  # noqa: E402
from webapp.server.start import try_this, url_of  # noqa: E402
from webapp.server.worker import HearthWorker  # noqa: E402
from webapp.settings import read_settings  # noqa: E402

try:
    settings = read_settings()
    make_run_dir(settings.run_dir)
except (EndpointError, ValueError, OSError) as error:
    sys.exit(f"hearth: {error}")

# Workers are forked from the master and share its modules: forget Hearth's, so that a reload imports the new release.
for name in [name for name in sys.modules if name.partition(".")[0] in {"webapp", "schemas", "engine_proc"}]:
    del sys.modules[name]
gc.collect()  # modules are reference cycles: those of the reload before would wait long in a master that does little

gunicorn.app.base.Arbiter = HearthArbiter  # gunicorn has no setting for the master's class
bind = settings.bind
chdir = str(ROOT)
worker_class = HearthWorker
logger_class = HearthLogger
workers = settings.workers
worker_connections = 4096
keepalive = 75  # seconds; longer than proxies keep idle connections, so that no proxy uses one that was closed here
graceful_timeout = settings.graceful_seconds
timeout = 60
pidfile = str(settings.run_dir / "gunicorn.pid")
# After SIGUSR2 the old master would remove the new master's socket, and the socket's thread is unsafe with fork.
control_socket_disable = True
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
    """Run `hearth start`, which starts an engine where none runs; the engine outlives this process."""
    environment = engine_environment() | {"HEARTH_RUN_DIR": str(settings.run_dir)}
    return subprocess.Popen([sys.executable, "-m", "engine_proc", "start"], cwd=ROOT, env=environment)


METRICS = settings.run_dir / "metrics"
HUB_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Variables for the engine, which the master may start. The web workers need no model."""


def _logged(hook: Callable[..., None]) -> Callable[..., None]:
    """Make a hook log what it raises: an exception would end the master, and with it all streams of its workers."""

    @functools.wraps(hook)
    def run(server: Any, *args: Any) -> None:
        try:
            hook(server, *args)
        except Exception:
            server.log.exception("the hook %s failed", hook.__name__)

    return run


def on_starting(server: Any) -> None:
    raise_descriptor_limit()
    for name, advice in unknown_settings(os.environ):
        server.log.warning("%s is not a setting of Hearth: %s", name, advice)
    if not server.master_pid:  # after SIGUSR2 the old master's workers still count in the files
        metrics_files.clear(METRICS)
    if settings.engine_spawn:
        _find_or_start_engine().wait()


@_logged
def on_reload(server: Any) -> None:
    """Start an engine where none runs, without waiting for the command: the new workers must answer at once."""
    if settings.engine_spawn and lock_holder(settings.run_dir / LOCK_FILE) is None:
        _find_or_start_engine()


def post_fork(server: Any, worker: Any) -> None:
    """Set the metrics directory in workers alone: the master may start an engine, and vLLM reads the variable too.

    Nor do the workers keep the hub's token.
    """
    worker.first = not server.served
    os.environ[metrics_files.DIRECTORY] = str(METRICS)
    for name in HUB_TOKENS:
        os.environ.pop(name, None)
    worker.turns = turns.from_environment(settings.run_dir, "web")


@_logged
def post_worker_init(worker: Any) -> None:
    """Connect to the engine before the first request, which would wait for its greeting, and look for jobs to take."""
    extensions = worker.app.wsgi().extensions
    extensions["hearth"].engine.connect()
    extensions["hearth.jobs"].start(lambda: worker.alive)


@_logged
def worker_exit(server: Any, worker: Any) -> None:
    """Give back the jobs of a worker that ends as soon as it is told to."""
    if worker.booted:
        worker.app.wsgi().extensions["hearth.jobs"].leases.end()


@_logged
def child_exit(server: Any, worker: Any) -> None:
    metrics_files.retire(METRICS, worker.pid)


def pre_exec(server: Any) -> None:
    """SIGUSR2: move the listening sockets to the numbers where the new master expects systemd's."""
    if server.systemd:
        copies = [os.dup(listener.fileno()) for listener in server.LISTENERS]
        for number, copy in enumerate(copies, SD_LISTEN_FDS_START):
            os.dup2(copy, number)
            os.set_inheritable(number, True)  # dup2 does nothing for a copy that has the number already


@_logged
def when_ready(server: Any) -> None:
    if server.master_pid:  # started by SIGUSR2: systemd must watch this process instead of the old master
        sd_notify(f"MAINPID={server.pid}", server.log)
    server.log.info("Hearth answers at %s. Try this:", url_of(server.LISTENERS))
    command = try_this(server.LISTENERS, key=bool(settings.api_keys))
    sys.stderr.write(f"\n{command}\n\n")  # the log formatter would escape the newline
    sys.stderr.flush()


@_logged
def on_exit(server: Any) -> None:
    if settings.engine_spawn and not server.reexec_pid:
        server.log.info("The web tier has stopped. The engine stays warm; `make stop` ends it.")
