"""The supervisor, the model process that it starts, and the heartbeat between them."""
