"""Have the C library give the memory of large bodies back to the system.

glibc takes a block from the system, and gives it back when it is freed, from a size that starts at 128 kB. That size
grows to 32 MB with the blocks that are freed, and from then on each thread keeps what a large body took: a worker that
had seen 60,000 bad requests had grown by 60 MB. A size that is set once does not grow.
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""The numbers that mallopt(3) has for them."""
LARGE = 1024 * 1024
"""Bytes of a block that is given back as soon as it is freed. Smaller ones are not worth two calls of the system."""
KEPT = 4 * 1024 * 1024
"""Bytes at the end of the heap that are kept for the next request."""


def give_back_large_blocks() -> None:
    """Set both sizes in this process. Another C library than glibc has no such settings, and keeps its own."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_TRIM_THRESHOLD, KEPT)
