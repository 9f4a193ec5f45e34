"""Quicker ways to what vLLM's own classes compute: each is proved equal when the model is loaded, or is not used."""
