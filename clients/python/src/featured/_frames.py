"""Columns of values as typed pandas and Arrow columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, List

from ._reading import Column
from ._values import time_or_none
from .errors import MissingExtra

if TYPE_CHECKING:
    import pandas
    import pyarrow


def to_pandas(ids: List[str], columns: List[Column], values: List[List[Any]]) -> pandas.DataFrame:
    try:
        import numpy as np
        import pandas as pd
    except ImportError:
        raise MissingExtra("pandas", "pandas") from None

    def series(column: Column, items: List[Any]) -> Any:
        missing = np.array([item is None for item in items], dtype=bool)
        if column.data_type == "int":
            numbers = np.array([0 if item is None else item for item in items], dtype=np.int64)
            return pd.arrays.IntegerArray(numbers, missing)
        if column.data_type == "float":
            return np.array([np.nan if item is None else item for item in items], dtype=np.float64)
        if column.data_type == "boolean":
            return pd.arrays.BooleanArray(np.array([bool(item) for item in items], dtype=bool), missing)
        if column.data_type == "string":
            return pd.array(items, dtype="string")
        if column.data_type == "timestamp":
            times = [time_or_none(item) for item in items]
            plain = [None if time is None else time.replace(tzinfo=None) for time in times]
            return pd.DatetimeIndex(np.array(plain, dtype="datetime64[us]")).tz_localize("UTC")
        if column.data_type == "embedding":
            items = [None if item is None else np.array(item, dtype=np.float32) for item in items]
        cells = np.empty(len(items), dtype=object)
        for row, item in enumerate(items):
            cells[row] = item
        return cells

    index = pd.Index(ids, name="entity_id", dtype=object)
    data = {column.name: series(column, items) for column, items in zip(columns, values)}
    return pd.DataFrame(data, index=index)


def to_arrow(ids: List[str], columns: List[Column], values: List[List[Any]]) -> pyarrow.Table:
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingExtra("pyarrow", "pyarrow") from None

    def array(column: Column, items: List[Any]) -> Any:
        if column.data_type == "embedding":
            return pa.array(items, pa.list_(pa.float32(), column.dimension or -1))
        if column.data_type == "timestamp":
            return pa.array([time_or_none(item) for item in items], pa.timestamp("us", "UTC"))
        if column.data_type == "json":
            return pa.array([None if item is None else json.dumps(item) for item in items], pa.string())
        types = {"int": pa.int64(), "float": pa.float64(), "boolean": pa.bool_(), "string": pa.string()}
        return pa.array(items, types.get(column.data_type or "", pa.null()))

    arrays = [pa.array(ids, pa.string())]
    arrays += [array(column, items) for column, items in zip(columns, values)]
    return pa.Table.from_arrays(arrays, names=["entity_id", *(column.name for column in columns)])
