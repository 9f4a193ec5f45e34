"""The web worker's side of the wire: the engine's state, and the answer to each live request."""
