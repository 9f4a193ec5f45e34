"""From a valid request to its response, whole or as server-sent events."""
