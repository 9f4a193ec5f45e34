"""The database of batches as the greenlets of a web worker call it."""

from webapp.database.calls import Calls, Modules
from webapp.files import database as files


def batches_database(url: str) -> Calls:
    """Return the calls of `store`, and of the one of files, in a thread of their own."""
    return Calls(url, _load, "file")


def _load() -> Modules:
    from webapp.batches import store, tables
    from webapp.jobs import tables as jobs

    modules, metadata = files.load()
    return [store, *modules], [jobs.metadata, *metadata, tables.metadata]
