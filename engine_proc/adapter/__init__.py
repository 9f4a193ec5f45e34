"""The one package that imports vLLM, torch and transformers; it knows no socket."""
