"""The processes: the supervisor, the model process, and what they know of each other."""
