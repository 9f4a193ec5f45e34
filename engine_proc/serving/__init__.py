"""The engine's side of the wire: its socket, its limits, and how it serves and ends requests."""
