"""Rows to ingest, from wherever they come, as parts of bulk requests: columns as Arrow streams, Python
objects as NDJSON. A part is held at a time, never the whole. No I/O but reading the source."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from ._values import event_time, id_of, is_missing, to_json
from ._wire import ARROW, NDJSON
from .errors import MissingExtra

if TYPE_CHECKING:
    import pandas
    import pyarrow

    Rows = Union[
        Iterable[Mapping[str, Any]],
        pandas.DataFrame,
        pyarrow.Table,
        pyarrow.RecordBatch,
        pyarrow.RecordBatchReader,
        str,
        "os.PathLike[str]",
    ]

PART_BYTES = 4 << 20
ID = "entity_id"
TIME = "event_timestamp"


@dataclasses.dataclass(frozen=True)
class RowError:
    """A row that was refused: its position in what was given, counted from 0, and why."""

    row: int
    detail: str


@dataclasses.dataclass
class Ingested:
    """
    What became of what was sent.

    `values_late`: older than what is held, which stays. `errors`: of rejected rows (`on_error="skip"`),
    the first 100 of each part.
    """

    rows_accepted: int = 0
    rows_rejected: int = 0
    values_written: int = 0
    values_late: int = 0
    errors: List[RowError] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where a row keeps what. `time` None: the column `event_timestamp` if there is one. `features` None:
    all other columns."""

    id: str = ID
    time: Optional[str] = None
    features: Optional[Tuple[str, ...]] = None

    def columns_of(self, names: List[str]) -> Tuple[Optional[str], List[str]]:
        """The column of event times and those of features among these columns."""
        if len(set(names)) < len(names):
            raise ValueError(f"a column is there twice: {names}")
        if self.id not in names:
            raise ValueError(f"no column {self.id!r} (id_column) among {names}")
        if self.time is not None and self.time not in names:
            raise ValueError(f"no column {self.time!r} (timestamp_column) among {names}")
        time = self.time or (TIME if TIME in names else None)
        if self.features is None:
            return time, [name for name in names if name not in (self.id, time)]
        lacking = [name for name in self.features if name not in names]
        if lacking:
            raise ValueError(f"no columns {lacking} among {names}")
        return time, list(self.features)


@dataclasses.dataclass(frozen=True)
class Part:
    """`timed`: every row has an event time, so sending it again is harmless."""

    content: bytes
    content_type: str
    rows: int
    timed: bool


def _is(data: Any, module: str, *names: str) -> bool:
    """Is it of one of these classes? Nobody has one of a module that is not imported."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(data, tuple(getattr(loaded, name) for name in names))


def parts_of(data: Any, layout: Layout, part_rows: int) -> Tuple[Iterator[Part], Optional[int]]:
    """The parts, and the number of all rows where it is known."""
    if _is(data, "pandas", "DataFrame"):
        return _pandas_parts(data, layout, part_rows), len(data)
    if _is(data, "pyarrow", "Table"):
        batches = data.to_batches(max_chunksize=part_rows)
        return _arrow_parts(batches, layout, part_rows), len(data)
    if _is(data, "pyarrow", "RecordBatch"):
        return _arrow_parts([data], layout, part_rows), len(data)
    if _is(data, "pyarrow", "RecordBatchReader"):
        return _arrow_parts(data, layout, part_rows), None
    if isinstance(data, (str, os.PathLike)):
        return _parquet_parts(data, layout, part_rows)
    if isinstance(data, Mapping):
        raise TypeError("ingest_many takes many rows, not a single mapping: ingest, or [row]")
    total = len(data) if hasattr(data, "__len__") else None
    lines = (_row_of(row, layout) for row in data)
    return _ndjson_parts(lines, part_rows, numbered=True), total


def _row_of(row: Any, layout: Layout) -> Dict[str, Any]:
    """A mapping as a line of NDJSON: flat, or with its values under "features" as the API has it."""
    if not isinstance(row, Mapping):
        raise TypeError(f"a row is a mapping of column names to values, not {row!r}")
    if isinstance(row.get("features"), (Mapping, list)):
        line = dict(row)
        if layout.id != ID and layout.id in line:
            line[ID] = line.pop(layout.id)
        if layout.time not in (None, TIME) and layout.time in line:
            line[TIME] = line.pop(layout.time)
    else:
        time = layout.time or TIME
        line = {ID: row[layout.id]} if layout.id in row else {}
        if time in row:
            line[TIME] = row[time]
        wanted = row if layout.features is None else (name for name in layout.features if name in row)
        line["features"] = {name: row[name] for name in wanted if name not in (layout.id, time)}
    if ID in line and not is_missing(line[ID]):
        line[ID] = id_of(line[ID])
    if TIME in line:
        line[TIME] = event_time(line[TIME])
        if line[TIME] is None:
            del line[TIME]
    return line


def _is_timed(line: Mapping[str, Any]) -> bool:
    if TIME in line:
        return True
    features = line.get("features")
    return isinstance(features, list) and all(
        isinstance(item, Mapping) and item.get(TIME) is not None for item in features
    )


def _ndjson_parts(
    lines: Iterable[Mapping[str, Any]], part_rows: int, numbered: bool = False
) -> Iterator[Part]:
    """`numbered`: these are all the rows, so that their numbers mean something."""
    held: List[bytes] = []
    size, timed = 0, True
    for number, line in enumerate(lines):
        try:
            held.append(to_json(line))
        except (TypeError, ValueError) as error:
            raise type(error)(f"row {number}: {error}" if numbered else str(error)) from None
        size += len(held[-1])
        timed = timed and _is_timed(line)
        if len(held) >= part_rows or size >= PART_BYTES:
            yield Part(b"\n".join(held) + b"\n", NDJSON, len(held), timed)
            held, size, timed = [], 0, True
    if held:
        yield Part(b"\n".join(held) + b"\n", NDJSON, len(held), timed)


def _pandas_parts(frame: pandas.DataFrame, layout: Layout, part_rows: int) -> Iterator[Part]:
    if frame.index.name == layout.id and layout.id not in frame.columns:
        frame = frame.reset_index()
    time, features = layout.columns_of(list(frame.columns))
    frame = frame[[layout.id, *([time] if time else []), *features]]
    for name in [*([time] if time else []), *features]:
        dtype = frame.dtypes[name]
        kept_by_arrow = hasattr(dtype, "pyarrow_dtype")  # which is asked in its own words
        if getattr(dtype, "kind", "") == "M" and getattr(dtype, "tz", None) is None and not kept_by_arrow:
            raise ValueError(_naive(name, f"df[{name!r}].dt.tz_localize('UTC')"))
    pa = _arrow_or_none()
    for at in range(0, len(frame), part_rows):
        piece = frame.iloc[at : at + part_rows]
        batch = None
        if pa is not None:
            try:
                batch = pa.RecordBatch.from_pandas(piece, preserve_index=False)
            except (pa.ArrowException, TypeError, ValueError, OverflowError):
                pass  # columns of mixed types: as Python objects, below
        # Arrow gives every dict the keys of all of them: such columns go as the objects they are.
        if batch is not None and all(_as_taken(column[:0]) is not None for column in batch.columns):
            yield from _arrow_parts([batch], layout, part_rows)
        else:
            yield from _pandas_ndjson(piece, layout, part_rows)


def _arrow_or_none() -> Any:
    try:
        import pyarrow
    except ImportError:
        return None
    return pyarrow


def _pandas_ndjson(piece: pandas.DataFrame, layout: Layout, part_rows: int) -> Iterator[Part]:
    """By Python objects; what pandas counts as missing (NaN too) is null."""
    columns = []
    for name in piece.columns:
        column = piece[name]
        columns.append(column.astype(object).where(column.notna(), None).tolist())
    rows = (dict(zip(piece.columns, values)) for values in zip(*columns))
    return _ndjson_parts((_row_of(row, layout) for row in rows), part_rows)


def _parquet_parts(
    path: Union[str, os.PathLike[str]], layout: Layout, part_rows: int
) -> Tuple[Iterator[Part], Optional[int]]:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtra("pyarrow", "pyarrow") from None
    file = parquet.ParquetFile(os.fspath(path))
    time, features = layout.columns_of(list(file.schema_arrow.names))
    columns = [layout.id, *([time] if time else []), *features]

    def batches() -> Iterator[pyarrow.RecordBatch]:
        with file:
            for group in range(file.num_row_groups):
                yield from file.iter_batches(part_rows, row_groups=[group], columns=columns)

    return _arrow_parts(batches(), layout, part_rows), file.metadata.num_rows


def _naive(name: str, remedy: str) -> str:
    return f"column {name!r} has times without a time zone; if they are UTC: {remedy}"


def _arrow_parts(batches: Iterable[pyarrow.RecordBatch], layout: Layout, part_rows: int) -> Iterator[Part]:
    for batch in batches:
        time, features = layout.columns_of(list(batch.schema.names))
        _refuse_naive(batch, [*([time] if time else []), *features])
        rows = min(part_rows, max(1, batch.num_rows * PART_BYTES // max(1, batch.nbytes)))
        for at in range(0, batch.num_rows, rows):
            piece = batch.slice(at, rows)
            part = _arrow_part(piece, layout.id, time, features)
            if part is not None:
                yield part
                continue
            lines = (_row_of(row, layout) for row in piece.to_pylist())
            yield from _ndjson_parts(lines, part_rows)


def _refuse_naive(batch: pyarrow.RecordBatch, names: Iterable[str]) -> None:
    import pyarrow as pa

    for name in names:
        kind = batch.schema.field(name).type
        if pa.types.is_timestamp(kind) and kind.tz is None:
            raise ValueError(_naive(name, "pyarrow.compute.assume_timezone(column, 'UTC')"))


def _arrow_part(
    batch: pyarrow.RecordBatch, id_column: str, time: Optional[str], features: List[str]
) -> Optional[Part]:
    """An Arrow stream of one batch. None if a column is of a type that only NDJSON can say (structs, lists
    of strings, decimals)."""
    import pyarrow as pa

    names = [id_column, *([time] if time else []), *features]
    columns = [_as_taken(batch.column(name)) for name in names]
    if any(column is None for column in columns):
        return None
    named = pa.RecordBatch.from_arrays(columns, names=[ID, *([TIME] if time else []), *features])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, named.schema) as writer:
        writer.write_batch(named)
    timed = time is not None and columns[1].null_count == 0
    return Part(sink.getvalue().to_pybytes(), ARROW, batch.num_rows, timed)


def _as_taken(column: Any) -> Any:
    """The column in a type that the server takes, with nothing lost; or None."""
    import pyarrow as pa

    if isinstance(column.type, pa.BaseExtensionType):
        if getattr(column.type, "extension_name", "").startswith("pandas."):
            raise TypeError(f"{column.type} (periods, intervals) is no type of a feature: cast the column")
        column = column.storage
    if str(column.type) == "string_view":
        return column.cast(pa.large_string())  # a slice of views brings along all that they were cut from
    if pa.types.is_dictionary(column.type):
        # Sent with every part: only where that is shorter than the values themselves.
        if _is_text(column.type.value_type) and len(column.dictionary) <= len(column):
            return column
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_float16(kind):
        return column.cast(pa.float32())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        if pa.types.is_float16(kind.value_type):
            return column.cast(pa.list_(pa.float32()))
        return column if _is_number(kind.value_type) else None
    taken = _is_number(kind) or _is_text(kind) or pa.types.is_timestamp(kind)
    return column if taken or pa.types.is_boolean(kind) or pa.types.is_null(kind) else None


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind))


def _is_text(kind: Any) -> bool:
    return str(kind) in ("string", "large_string")
