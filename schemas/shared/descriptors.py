"""How many files a process may have open: each connection takes one."""

import resource


def raise_descriptor_limit() -> None:
    """Raise the limit of open files to what the system allows. Most shells allow 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
