"""What a large body took goes back to the system, in each thread."""

import subprocess
import sys

import pytest

TAKE_AND_FREE = """
import os, sys, threading
from webapp.server.memory import give_back_large_blocks

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def take_and_free():
    for _ in range(3):
        blocks = [b"a" * size for size in (15_000_000, 7_000_000)]
        del blocks

if sys.argv[1] == "set":
    give_back_large_blocks()
before = resident()
take_and_free()
thread = threading.Thread(target=take_and_free)
thread.start()
thread.join()
print(resident() - before)
"""


@pytest.mark.parametrize(("how", "least", "most"), [("set", -1_000_000, 6_000_000), ("not set", 7_000_000, 64_000_000)])
def test_a_large_block_is_given_back(how: str, least: int, most: int) -> None:
    grown = int(subprocess.run([sys.executable, "-c", TAKE_AND_FREE, how], check=True, capture_output=True).stdout)
    assert least < grown < most
