"""The table of batches."""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Float, Index, MetaData, String, Table, Text

from webapp.batches.batch import Batch
from webapp.database.rows import NUMBER

metadata = MetaData()
_TYPES: dict[Any, Any] = {int: BigInteger(), float: Float(53), bool: Boolean(), str: String(255)}
_LONG = ("metadata", "errors", "adapters")
_ADDED = ("model", "adapters")
"""Fields that the first release with batches did not have: their columns are added to its table."""

batches = Table(
    "hearth_batches",
    metadata,
    Column("n", NUMBER, primary_key=True, autoincrement=False),
    *(
        Column(
            field.name,
            Text() if field.name in _LONG else _TYPES[field.type],
            nullable=False,
            server_default=field.default if field.name in _ADDED else None,
        )
        for field in msgspec.structs.fields(Batch)
        if field.name != "n"
    ),
)
"""A column for each field of `Batch`."""
Index("hearth_batches_by_id", batches.c.id, unique=True)
Index("hearth_batches_of", *(batches.c[name] for name in ("scope", "n")))
