"""Read a request body, send the request to the engine, and return its answer, whole or as server-sent events."""
