"""The database of batches as the greenlets of a web worker call it."""

from typing import TYPE_CHECKING, Any

from webapp.files.database import FilesDatabase

if TYPE_CHECKING:
    from sqlalchemy import MetaData


class BatchesDatabase(FilesDatabase):
    """One thread with one connection, which has the functions of files, too."""

    def _modules(self) -> tuple[list[Any], list["MetaData"]]:
        from webapp.batches import store, tables

        modules, metadata = super()._modules()
        return [store, *modules], [*metadata, tables.metadata]
