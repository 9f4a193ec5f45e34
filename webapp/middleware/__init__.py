"""What every request passes: the API key, the request id, and errors as JSON."""
