"""`hearth completion bash`: the shell's completion script for `hearth`, with vLLM's flags."""

import argparse

import shtab

COMMAND = "hearth"
"""The command: `bin/hearth` in a checkout, and what `make install` installs."""


def completion(parser: argparse.ArgumentParser, shell: str) -> int:
    """Print the completion script. `parser` is that of the command line, with vLLM's flags. Returns the exit status."""
    parser.prog = COMMAND
    print(shtab.complete(parser, shell=shell))
    return 0
