"""Become a Python program in a process that was just forked, as if the process had been started to run it."""

import fcntl
import os
import runpy
import signal
import subprocess
import sys
import traceback
from typing import NoReturn

import msgspec

FIRST_SPARE_FD = 100
"""Descriptors are moved here before they get their numbers, so that none takes the place of another."""


class Program(msgspec.Struct):
    """A Python module to run: what `subprocess.Popen` is given for it."""

    module: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    process_group: int
    """As `subprocess.Popen` has it. -1: that of the process which forks."""
    numbers: list[int]
    """The descriptors of the program, each under the number that it is to have."""


def become(program: Program, descriptors: list[int], kept: frozenset[int]) -> NoReturn:
    """Run `program` to its end, and end this process with its status.

    `descriptors` become `program.numbers`. All others are closed, apart from `kept`, which libraries have opened.
    """
    status = 1
    try:
        if program.process_group >= 0:
            os.setpgid(0, program.process_group)
        _take(descriptors, program.numbers, kept)
        os.chdir(program.cwd)
        _set_environment(program.env)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        sys.argv = ["", *program.argv]
        sys.orig_argv = [sys.executable, "-m", program.module, *program.argv]
        sys.path[0] = program.cwd
        _fork_more(program.module, kept)
        runpy.run_module(program.module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _fork_more(module: str, kept: frozenset[int]) -> None:
    """Have the program fork what it starts: a supervisor its model process, and that one vLLM's."""
    if module == "engine_proc":
        from tests.warm import popen

        popen.FromSupervisor.kept = kept
        subprocess.Popen = popen.FromSupervisor  # type: ignore[misc]
    else:
        from tests.warm import methods

        methods.fork_instead_of_spawn()


def open_descriptors() -> frozenset[int]:
    """Return the numbers of this process's descriptors."""
    listed = frozenset(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 (as numbers)
    return frozenset(number for number in listed if _is_open(number))


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _take(descriptors: list[int], numbers: list[int], kept: frozenset[int]) -> None:
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, FIRST_SPARE_FD) for each in descriptors]
    for number in open_descriptors() - kept - frozenset(moved):
        if number not in (0, 1, 2):
            os.close(number)
    for each, number in zip(moved, numbers, strict=True):
        os.dup2(each, number)
        os.close(each)


def _set_environment(env: dict[str, str]) -> None:
    """Change only what differs: the title of a process is written where its first variables have always been."""
    for name in os.environ.keys() - env.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in env.items() if os.environ.get(name) != value})
