"""The client's socket: whether the client has hung up, and the shortest way to write to it."""
