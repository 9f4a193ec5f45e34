"""The command line: `python -m engine_proc ...`."""
