"""The one package that imports vLLM, torch and transformers; sockets are no part of it."""
