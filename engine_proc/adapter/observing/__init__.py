"""vLLM's metrics and traces, which `vllm serve` keeps in a part of vLLM that Hearth does not use."""
