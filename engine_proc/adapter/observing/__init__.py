"""vLLM's metrics and traces. `vllm serve` records them in a part of vLLM that Hearth does not use."""
