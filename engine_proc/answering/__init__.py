"""From a request to the sequences that answer it, and from their outputs to deltas."""
