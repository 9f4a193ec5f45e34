"""The command line: `hearth ...`, which is `python -m engine_proc ...`."""
