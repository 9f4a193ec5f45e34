"""The command `keys`: create the keys of a tcp:// endpoint."""

import sys
from pathlib import Path

import zmq

from schemas.shared.curve import ENGINE, WEB, KeyPair, write_pair


def make_keys(directory: Path) -> int:
    """Create the keys of both tiers in `directory`.

    Returns the exit status: 1 if a key exists already, or the directory cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (ENGINE, WEB):
            public, secret = zmq.curve_keypair()
            write_pair(directory, name, KeyPair(public, secret))
    except FileExistsError as error:
        sys.stderr.write(f"engine_proc: {error.filename} already exists and was not changed\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"engine_proc: {error.filename}: {error.strerror}\n")
        return 1
    sys.stdout.write(f"keys created in {directory}: set HEARTH_CURVE_KEYS to this directory on both sides\n")
    return 0
