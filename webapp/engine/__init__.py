"""The web worker's side of the wire: the engine's state, and each request's reply."""
