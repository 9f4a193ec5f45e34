"""`python -m engine_proc completion bash`: what a shell needs to complete the command `hearth`, vLLM's flags too."""

import argparse

import shtab

COMMAND = "hearth"
"""What `make install` calls `python -m engine_proc`."""


def completion(parser: argparse.ArgumentParser, shell: str) -> int:
    """`parser`: the command line's, with the flags of vLLM."""
    parser.prog = COMMAND
    print(shtab.complete(parser, shell=shell))
    return 0
