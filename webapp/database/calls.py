"""Calls of a worker's greenlets to modules of SQL, whose functions get a `Database` as their first argument."""

import logging
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from schemas.errors import unavailable
from webapp.database.thread import DatabaseThread, in_one_line, is_of_database

if TYPE_CHECKING:
    from sqlalchemy import MetaData

    from webapp.database.database import Database

log = logging.getLogger("hearth.web")

Modules = tuple[Sequence[ModuleType], Sequence["MetaData"]]
"""The modules whose functions can be called, and the tables that these need."""


class Calls:
    """One thread with one connection. SQLAlchemy is imported, and both are started, at the first call."""

    def __init__(self, url: str, load: Callable[[], Modules], what: str) -> None:
        """`load` imports the modules; it is called in the thread. `what` is what they store: `job`, say."""
        self._url = url
        self._load = load
        self._what = what
        self._thread = DatabaseThread()
        self._modules: Sequence[ModuleType] = ()
        self._database: Database | None = None

    def call(self, name: str, *arguments: Any) -> Any:
        """Return what the function `name` of the modules returns for `arguments`, in the thread.

        The functions are named, because importing them imports SQLAlchemy. Raises what they raise, and `TimeoutError`.
        """
        return self._thread.call(self._run, name, *arguments)

    def checked(self, name: str, *arguments: Any) -> Any:
        """Return what `call` returns. Raises `ApiError` (503) if the database fails, and what else `call` raises."""
        try:
            return self.call(name, *arguments)
        except Exception as error:
            if not is_of_database(error):
                raise
            log.error("the database of %ss has failed: %s", self._what, in_one_line(error))
            message = f"The database of {self._what}s has failed or is too slow."
            raise unavailable(message, f"{self._what}_store_unavailable") from None

    def close(self) -> None:
        """Close the connection and end the thread."""
        if self._database is not None:
            self._thread.call(self._database.close)
        self._thread.end()

    def _run(self, name: str, *arguments: Any) -> Any:
        if self._database is None:
            from webapp.database.database import Database

            self._modules, tables = self._load()
            self._database = Database(self._url, *tables)
        function = next(found for module in self._modules if (found := getattr(module, name, None)) is not None)
        return function(self._database, *arguments)
