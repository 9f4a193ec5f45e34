"""The database of files as the greenlets of a web worker call it."""

import logging
from typing import TYPE_CHECKING, Any

from schemas.errors import unavailable
from webapp.database.thread import DatabaseThread, in_one_line, is_of_database

if TYPE_CHECKING:
    from sqlalchemy import MetaData

    from webapp.jobs.tables import Database

log = logging.getLogger("hearth.files")


class FilesDatabase:
    """One thread with one connection. SQLAlchemy is imported, and both are started, at the first call."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._thread = DatabaseThread()
        self._database: Database | None = None

    def call(self, name: str, *arguments: Any) -> Any:
        """Return what the function `name` of the modules returns for `arguments`, in the thread.

        The functions are named, because importing them imports SQLAlchemy. Raises what they raise, and `TimeoutError`.
        """
        return self._thread.call(self._run, name, *arguments)

    def checked(self, name: str, *arguments: Any) -> Any:
        """Return what `call` returns. Raises `ApiError` (503) if the database fails."""
        try:
            return self.call(name, *arguments)
        except Exception as error:
            if not is_of_database(error):
                raise
            log.error("the database of files has failed: %s", in_one_line(error))
            raise unavailable("The database of files has failed or is too slow.", "file_store_unavailable") from None

    def close(self) -> None:
        """Close the connection and end the thread."""
        if self._database is not None:
            self._thread.call(self._database.close)
        self._thread.end()

    def _modules(self) -> tuple[list[Any], list["MetaData"]]:
        """Return the modules whose functions can be called, and the tables that they need. Runs in the thread."""
        from webapp.files import store, tables

        return [store], [tables.metadata]

    def _run(self, name: str, *arguments: Any) -> Any:
        from webapp.jobs.tables import Database

        modules, tables = self._modules()
        if self._database is None:
            self._database = Database(self._url, *tables)
        function = next(found for module in modules if (found := getattr(module, name, None)) is not None)
        return function(self._database, *arguments)
