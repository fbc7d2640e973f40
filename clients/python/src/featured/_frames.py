"""Arrow tables as the server sends them, as the pandas and Arrow columns that the package promises."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .errors import MissingExtra

if TYPE_CHECKING:
    import pandas
    import pyarrow

JSON_TYPE = "arrow.json"


def _is_json(field: pyarrow.Field) -> bool:
    """Whether pyarrow knows the extension, or only its mark."""
    mark = (field.metadata or {}).get(b"ARROW:extension:name", b"")
    return bool(getattr(field.type, "extension_name", mark.decode()) == JSON_TYPE)


def to_arrow(table: pyarrow.Table) -> pyarrow.Table:
    """JSON as plain text, whichever pyarrow it is."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if _is_json(field):
            text = table.column(place).cast(pa.string())
            table = table.set_column(place, pa.field(field.name, pa.string()), text)
    return table


def require_pandas() -> None:
    try:
        import pandas  # noqa: F401
    except ImportError:
        raise MissingExtra("pandas", "pandas") from None


def to_pandas(table: pyarrow.Table) -> pandas.DataFrame:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    def cells(items: Any, count: int) -> Any:
        made = np.empty(count, dtype=object)
        for row, item in enumerate(items):
            made[row] = item
        return made

    def vectors(column: pa.ChunkedArray) -> Any:
        """Views of one array of all numbers."""
        flat = [chunk.flatten().to_numpy() for chunk in column.chunks]
        numbers = np.concatenate(flat) if flat else np.empty(0, dtype=np.float32)
        at = 0
        for chunk in column.chunks:
            for vector in chunk:
                if vector.is_valid:
                    yield numbers[at : at + len(vector)]
                    at += len(vector)
                else:
                    yield None

    def series(field: pa.Field, column: pa.ChunkedArray) -> Any:
        missing = column.is_null().to_numpy()
        if _is_json(field):
            texts = column.cast(pa.string()).to_pylist()
            return cells((None if text is None else json.loads(text) for text in texts), len(column))
        if pa.types.is_integer(field.type):
            return pd.arrays.IntegerArray(column.fill_null(0).to_numpy(), missing)
        if pa.types.is_floating(field.type):
            return np.where(missing, np.nan, column.fill_null(np.nan).to_numpy())
        if pa.types.is_boolean(field.type):
            return pd.arrays.BooleanArray(column.fill_null(False).to_numpy(), missing)
        if pa.types.is_string(field.type):
            return pd.array(column.to_pylist(), dtype="string")
        if pa.types.is_timestamp(field.type):
            ticks = column.cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy()
            return pd.DatetimeIndex(ticks.view("datetime64[us]")).tz_localize("UTC")
        if pa.types.is_null(field.type):
            return cells((), len(column))
        return cells(vectors(column), len(column))

    index = pd.Index(table.column(0).to_pylist(), name="entity_id", dtype=object)
    fields = list(enumerate(table.schema))[1:]
    return pd.DataFrame({field.name: series(field, table.column(at)) for at, field in fields}, index=index)
