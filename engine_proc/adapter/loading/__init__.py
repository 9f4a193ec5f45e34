"""Loading a model: vLLM's flags and environment, the download, what its processes do."""
