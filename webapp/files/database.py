"""The database of files as the greenlets of a web worker call it."""

from webapp.database.calls import Calls, Modules


def files_database(url: str) -> Calls:
    """Return the calls of `store`, in a thread of their own."""
    return Calls(url, load, "file")


def load() -> Modules:
    """Import what files need. Runs in the thread."""
    from webapp.files import store, tables

    return [store], [tables.metadata]
