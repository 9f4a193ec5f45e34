"""Loading a model: vLLM's flags and environment, the download, and the behaviour of vLLM's processes."""
