"""The engine's side of the wire: the socket, who is let in, and what is live."""
