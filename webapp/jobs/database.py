"""The database of jobs as the greenlets of a web worker call it."""

from webapp.database.calls import Calls, Modules


def jobs_database(url: str) -> Calls:
    """Return the calls of `store`, `lease_table` and `overview`, in a thread of their own."""
    return Calls(url, _load, "job")


def _load() -> Modules:
    from webapp.conversations import store as conversations
    from webapp.jobs import lease_table, overview, store, tables

    return [store, lease_table, overview], [tables.metadata, conversations.metadata]
