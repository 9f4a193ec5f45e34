"""The database of jobs as the greenlets of a web worker call it."""

from typing import TYPE_CHECKING, Any

from webapp.database.thread import DatabaseThread

if TYPE_CHECKING:
    from webapp.jobs.tables import Database


class JobsDatabase:
    """One thread with one connection. SQLAlchemy is imported, and both are started, at the first call."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._thread = DatabaseThread()
        self._database: Database | None = None

    def call(self, name: str, *arguments: Any) -> Any:
        """Return what the function `name` of `store` or `lease_table` returns for `arguments`, in the thread.

        The functions are named, because importing them imports SQLAlchemy. Raises what they raise, and `TimeoutError`.
        """
        return self._thread.call(self._run, name, *arguments)

    def close(self) -> None:
        """Close the connection and end the thread."""
        if self._database is not None:
            self._thread.call(self._database.close)
        self._thread.end()

    def _run(self, name: str, *arguments: Any) -> Any:
        from webapp.conversations import store as conversations
        from webapp.jobs import lease_table, store
        from webapp.jobs.tables import Database

        if self._database is None:
            self._database = Database(self._url, conversations.metadata)
        function = getattr(store, name, None) or getattr(lease_table, name)
        return function(self._database, *arguments)
