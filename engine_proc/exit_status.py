"""Exit statuses of the model process, as its supervisor reads them."""

EXIT_USAGE = 2
"""A flag or setting is wrong: starting again would not help."""
EXIT_LOAD_FAILED = 3
EXIT_ENGINE_GONE = 4
"""EngineCore or a worker died under way."""
