"""The command line of the engine. `serve` stays as a small parent, so what others need is imported for them alone."""

import argparse
import os
import signal
import sys
from pathlib import Path

from engine_proc.commands import control
from engine_proc.commands.keys import make_keys
from engine_proc.commands.vllm_installed import WEB_TIER_ALONE, vllm_installed
from engine_proc.exit_status import EXIT_USAGE
from engine_proc.process.supervisor import Supervisor
from engine_proc.settings import read_settings_or_exit
from schemas.shared.endpoint import EndpointError
from schemas.shared.log_lines import log_to_stderr

DESCRIPTION = "The process that owns the model. Settings come from HEARTH_* variables (docs/configuration.md)."


def _parser(*flags: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """`flags`: vLLM's, which are read by whoever runs it; here they are needed for completion alone."""
    parser = argparse.ArgumentParser(prog="python -m engine_proc", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    # Everything after `serve`, `start` or `batch` is theirs, `--help` too: see `main`.
    commands.add_parser(
        "serve", parents=flags, add_help=False, help="load the model and serve it, in the foreground [vLLM's flags]"
    )
    commands.add_parser(
        "start", parents=flags, add_help=False, help="the same, detached; does nothing where an engine runs"
    )
    commands.add_parser("batch", add_help=False, help="answer a file of requests, without a server (docs/batch.md)")
    wait = commands.add_parser("wait", help="show a progress bar until the model is ready")
    wait.add_argument("--seconds", type=float, default=1800.0, help="give up after this long (default: %(default)s)")
    told = commands.add_parser("status", help="what the engine is doing (exit status 0: ready, 3: loading, 1: none)")
    checked = commands.add_parser("doctor", help="look for what keeps Hearth from working, and say what to do")
    for command in (told, checked):
        command.add_argument("--json", action="store_true", help="for programs")
    shell = commands.add_parser(
        "completion", help="what a shell needs to complete `hearth`, as `make install` calls this"
    )
    shell.add_argument("shell", choices=("bash", "zsh"))
    keys = commands.add_parser("keys", help="make the keys of a tcp:// endpoint (docs/security.md)")
    keys.add_argument("directory", type=Path)
    commands.add_parser("stop", help="stop the engine and wait until it is gone")
    drain = commands.add_parser("drain", help="the same, with a longer limit for what is live")
    drain.add_argument("--seconds", type=float, default=300.0, help="the limit (default: %(default)s)")
    return parser


def _complete(shell: str) -> int:
    from engine_proc.commands.completion import completion

    if not vllm_installed():
        return completion(_parser(), shell)
    from engine_proc.adapter.loading.model import make_parser

    return completion(_parser(make_parser()), shell)


def main() -> int:
    args, extra = _parser().parse_known_args()
    if extra and args.command not in {"serve", "start", "batch"}:
        _parser().error(f"unrecognized arguments: {' '.join(extra)}")
    if args.command in {"serve", "batch"} and not vllm_installed():
        print(f"engine_proc: {WEB_TIER_ALONE}", file=sys.stderr)
        return EXIT_USAGE
    if args.command == "batch":  # a process of its own kind, which loads what the others must not
        os.execv(sys.executable, [sys.executable, "-m", "engine_proc.batch.process", *extra])
    if args.command in {"status", "doctor", "completion"}:  # as `| head` has any command end
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if args.command == "completion":
        return _complete(args.shell)
    if args.command == "doctor":  # before the settings, which may be what is wrong
        from engine_proc.commands.doctor import doctor

        return doctor(as_json=args.json)
    if args.command == "keys":  # before the settings, which may name the keys that are to be made
        return make_keys(args.directory)
    settings = read_settings_or_exit()
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
    except OSError as error:  # a file of the run directory: it is another user's, the disk is full, ...
        print(f"engine_proc: {error.filename or settings.run_dir}: {error.strerror}", file=sys.stderr)
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
