"""The log of a job: its records, how they are stored and followed, and the events that they make."""
