"""The database of a web worker: how it connects, and the threads that call it."""
