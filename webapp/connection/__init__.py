"""The client's socket: detects that the client has disconnected, and writes streams without a detour."""
