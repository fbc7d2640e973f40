"""What an Arrow answer says, with nothing of it taken on trust."""

import io
import json

import numpy
import pyarrow

ARROW = "application/vnd.apache.arrow.stream"
HEADERS = {"Accept": ARROW}


def table_of(response):
    """The table of an answer; its batches, and that nothing follows the end, are checked."""
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == ARROW
    file = io.BytesIO(response.content)
    reader = pyarrow.ipc.open_stream(file)
    batches = list(reader)
    assert file.tell() == len(response.content)
    for batch in batches:
        batch.validate(full=True)
        assert batch.num_rows > 0
    table = pyarrow.Table.from_batches(batches, reader.schema)
    table.validate(full=True)
    field = table.schema.field(0)
    assert (field.name, field.type, field.nullable) == ("entity_id", pyarrow.string(), False)
    return table


def plain(column):
    """Without the mark of JSON, for readers that know it and those that do not."""
    return column.cast(pyarrow.string()) if column.type.__class__.__name__ == "JsonType" else column


def values_of(column, data_type):
    """As JSON has them."""
    values = plain(column).to_pylist()
    if data_type == "json":
        return [None if value is None else json.loads(value) for value in values]
    if data_type == "timestamp":
        ticks = column.cast(pyarrow.int64()).to_pylist()
        return [None if tick is None else numpy.datetime64(tick, "us") for tick in ticks]
    if data_type == "embedding":
        return [None if value is None else [numpy.float32(number) for number in value] for value in values]
    return values


def from_json(value, data_type):
    """What JSON has, in the words of values_of."""
    if value is None:
        return None
    if data_type == "timestamp":
        return numpy.datetime64(value.removesuffix("Z"), "us")
    if data_type == "embedding":
        return [numpy.float32(number) for number in value]
    return value


def assert_says(table, rows, types):
    """The table says what the rows of the JSON answer say; `types`: the columns, in their order."""
    assert table.column_names[1:] == list(types)
    assert table.column(0).to_pylist() == [row["entity_id"] for row in rows]
    for place, (name, data_type) in enumerate(types.items(), 1):
        expected = [from_json(row["features"][name], data_type) for row in rows]
        found = values_of(table.column(place), data_type)
        assert found == expected, name
        assert list(map(type, found)) == list(map(type, expected)), name
