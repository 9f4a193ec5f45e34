"""Batches of requests: each line of a file is answered, and no worker that is killed loses a line or repeats one."""
