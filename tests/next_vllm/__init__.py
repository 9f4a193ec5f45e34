"""Whether a release of vLLM that is not installed still has what Hearth uses of it, by its sources alone."""
