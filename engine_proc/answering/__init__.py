"""Plan and start the sequences that answer a request, and turn their outputs into deltas."""
