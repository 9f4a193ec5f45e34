"""Exit statuses of the model process, by which the supervisor decides whether to restart it."""

EXIT_USAGE = 2
"""A flag or setting is wrong. A restart would not help."""
EXIT_LOAD_FAILED = 3
"""The model could not be loaded."""
EXIT_ENGINE_GONE = 4
"""EngineCore or one of its workers died, or hangs."""
EXIT_UNREACHABLE = 5
"""The hub cannot be reached: the network may come up later, as at a boot."""
