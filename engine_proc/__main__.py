"""The command line of the engine. Each command imports what it needs itself: `serve` remains as a small process."""

import argparse
import os
import signal
import sys
from pathlib import Path

from engine_proc.commands import control
from engine_proc.commands.keys import make_keys
from engine_proc.commands.vllm_installed import WEB_TIER_ALONE, vllm_installed
from engine_proc.commands.web import web
from engine_proc.exit_status import EXIT_USAGE
from engine_proc.process.supervisor import Supervisor
from engine_proc.settings import read_settings_or_exit
from schemas.shared.endpoint import EndpointError
from schemas.shared.log_lines import log_to_stderr

DESCRIPTION = "The process that owns the model. Settings come from HEARTH_* variables (docs/configuration.md)."


def _parser(*flags: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Return the parser of the command line.

    `flags` has vLLM's flags, and is given for shell completion only: the process that runs vLLM parses them itself.
    """
    parser = argparse.ArgumentParser(prog="hearth", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    # All arguments of `serve`, `start`, `batch` and `web`, `--help` too, are passed on to another parser: see `main`.
    commands.add_parser(
        "serve", parents=flags, add_help=False, help="load the model and serve it in the foreground; takes vLLM's flags"
    )
    commands.add_parser(
        "start",
        parents=flags,
        add_help=False,
        help="start the engine in the background, unless one is running; takes vLLM's flags",
    )
    commands.add_parser("batch", add_help=False, help="answer a file of requests without a server (docs/batch.md)")
    commands.add_parser("web", add_help=False, help="run the web tier in the foreground; takes gunicorn's flags")
    wait = commands.add_parser("wait", help="show a progress bar until the model is ready")
    wait.add_argument("--seconds", type=float, default=1800.0, help="time limit (default: %(default)s)")
    status = commands.add_parser(
        "status", help="show the state of the engine (exit status 0: ready, 3: loading, 1: not running)"
    )
    doctor = commands.add_parser("doctor", help="find out what keeps Hearth from working, and how to fix it")
    for command in (status, doctor):
        command.add_argument("--json", action="store_true", help="print JSON")
    shell = commands.add_parser("completion", help="print the completion script for `hearth`")
    shell.add_argument("shell", choices=("bash", "zsh"))
    keys = commands.add_parser("keys", help="create the keys of a tcp:// endpoint (docs/security.md)")
    keys.add_argument("directory", type=Path)
    commands.add_parser("stop", help="stop the engine and wait until it has exited")
    drain = commands.add_parser("drain", help="like `stop`, with a longer time limit for live requests")
    drain.add_argument("--seconds", type=float, default=300.0, help="time limit (default: %(default)s)")
    return parser


def _complete(shell: str) -> int:
    """Print the completion script of `shell`, with vLLM's flags if vLLM is installed. Returns the exit status."""
    from engine_proc.commands.completion import completion

    if not vllm_installed():
        return completion(_parser(), shell)
    from engine_proc.adapter.loading.model import make_parser

    return completion(_parser(make_parser()), shell)


def main() -> int:
    """Run the command that `sys.argv` names. Returns the exit status."""
    args, extra = _parser().parse_known_args()
    if extra and args.command not in {"serve", "start", "batch", "web"}:
        _parser().error(f"unrecognized arguments: {' '.join(extra)}")
    if args.command in {"serve", "batch"} and not vllm_installed():
        print(f"engine_proc: {WEB_TIER_ALONE}", file=sys.stderr)
        return EXIT_USAGE
    if args.command == "batch":  # a separate program, which loads the model in its own process
        os.execv(sys.executable, [sys.executable, "-m", "engine_proc.batch.process", *extra])
    if args.command == "web":
        web(extra)
    if args.command in {"status", "doctor", "completion"}:  # exit silently when the reader closes the pipe (`| head`)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if args.command == "completion":
        return _complete(args.shell)
    if args.command == "doctor":  # before the settings are read: they may be the problem
        from engine_proc.commands.doctor import doctor

        return doctor(as_json=args.json)
    if args.command == "keys":  # before the settings are read: they may name these keys
        return make_keys(args.directory)
    settings = read_settings_or_exit(record=args.command in {"serve", "start"})
    try:
        match args.command:
            case "serve":
                log_to_stderr(settings.log_format)
                return Supervisor(settings, settings.argv(extra)).run()
            case "start":
                return control.start(settings, extra)
            case "wait":
                return control.wait(settings, args.seconds)
            case "status":
                from engine_proc.commands.status import status

                return status(settings, as_json=args.json)
            case "drain":
                return control.drain(settings, args.seconds)
            case _:
                return control.stop(settings)
    except EndpointError as error:
        print(f"engine_proc: {error}", file=sys.stderr)
    except OSError as error:  # on a file of the run directory: another user owns it, the disk is full, ...
        print(f"engine_proc: {error.filename or settings.run_dir}: {error.strerror}", file=sys.stderr)
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
