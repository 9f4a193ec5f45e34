"""What applies to every request: the API key, the request id, and errors as JSON."""
