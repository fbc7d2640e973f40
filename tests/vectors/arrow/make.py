#!/usr/bin/env python3
"""Makes the Arrow streams that the unit tests and the fuzzer begin with, as pyarrow writes them.

Usage: .venv/bin/python tests/vectors/arrow/make.py

The streams go beside this file; with the two bytes that the fuzz target takes for its options in front
also into tests/fuzz/corpus/fuzz_arrow. Run it when a stream is added: what is there was read before.
"""
import pathlib

import pyarrow as pa

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parent.parent / "fuzz/corpus/fuzz_arrow"
IDS = pa.array(["u1", "u2", "u3"])
TAKE_SOME = b"\x01\x00"  # only the columns i and s
TAKE_ALL = b"\x00\x00"


def types():
    """A column of each type that answers have, and one of times."""
    return pa.table({
        "entity_id": IDS,
        "event_timestamp": pa.array([1000, 2000, None], pa.timestamp("ms", "UTC")),
        "i": pa.array([25, None, -1], pa.int64()),
        "f": pa.array([0.5, None, -2], pa.float64()),
        "b": pa.array([True, None, False]),
        "s": pa.array(["x", None, "zwölf \n Zeichen"]),
        "t": pa.array([1, None, -1], pa.timestamp("us", "UTC")),
        "e": pa.array([[1, 2.5], None, [3]], pa.list_(pa.float32())),
        "j": pa.array(['{"k": [1]}', None, "null"]),
    })


def others():
    """The same in other types."""
    return pa.table({
        "i": pa.array([25, None, 255], pa.uint8()),
        "entity_id": pa.array([1, -2, 3], pa.int16()),
        "f": pa.array([0.5, None, -2], pa.float32()),
        "b": pa.array([1, None, 0], pa.int8()),
        "s": pa.array(["x", None, "zwölf \n Zeichen"], pa.large_string()),
        "t": pa.array([1, None, -1], pa.date32()),
        "e": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int32(), 2)),
        "j": pa.array([[1.5, None], None, []], pa.large_list(pa.float64())),
    })


def views():
    return pa.table({
        "entity_id": pa.array(["u1", "a name that is not short", "u3"], pa.string_view()),
        "s": pa.array(["x", None, "one that is longer than twelve bytes"], pa.string_view()),
        "t": pa.array(["1970-01-01T00:00:01Z", None, "soon"]),
        "b": pa.nulls(3),
    })


def skipped():
    """Columns of every other layout beside two that are taken."""
    return pa.table({
        "decimal": pa.array([1, None, 3], pa.decimal128(9, 2)),
        "struct": pa.array([{"a": [1], "b": "x"}, None, {"a": None, "b": ""}],
                           pa.struct({"a": pa.list_(pa.int8()), "b": pa.string_view()})),
        "entity_id": IDS,
        "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int8())),
        "sparse": pa.UnionArray.from_sparse(pa.array([0, 1, 0], pa.int8()),
                                            [pa.array([1, 2, 3]), pa.array(["a", "b", "c"])]),
        "dense": pa.UnionArray.from_dense(pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()),
                                          [pa.array([1, 2]), pa.array(["a"])]),
        "runs": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", "b"])),
        "listview": pa.array([[1], None, []], pa.list_view(pa.int8())),
        "category": pa.array(["a", None, "a"]).dictionary_encode(),
        "binary": pa.array([b"x", None, b""], pa.binary_view()),
        "fixed": pa.array([b"xy", None, b"zz"], pa.binary(2)),
        "nothing": pa.nulls(3),
        "i": pa.array([1, None, 3]),
        "s": pa.array(["x", None, "z"]).dictionary_encode(),
    })


def edges():
    """What just fits, and what does not, a row each."""
    return pa.table({
        "entity_id": pa.array(["u1", "u2", "u3", "u4", "u5", "u6"], pa.large_string()),
        "i": pa.array([2**63 - 1, 2**63, 3, 4, 5, 6], pa.uint64()),
        "f": pa.array([-0.0, 2, float("nan"), 4, 5, 6], pa.float32()),
        "t": pa.array([-1, 2, 3, 4, 5, 6], pa.timestamp("ns")),
        "e": pa.array([[1.5], [2], [3], [float("inf")], [1, None], []], pa.large_list(pa.float64())),
        "d": pa.array([-(2.0**63), 1, 1, 1, 1, 1.5]),
    })


def write(table, new=pa.ipc.new_stream, **options):
    sink = pa.BufferOutputStream()
    with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def dictionaries():
    """One that is replaced between two batches; its ids come from one too."""
    first = pa.record_batch({"entity_id": IDS.dictionary_encode(),
                             "s": pa.array(["x", None, "y"]).dictionary_encode()})
    second = pa.record_batch({"entity_id": pa.array(["u4", "u4", "u5"]).dictionary_encode(),
                              "s": pa.array(["z", "y", None]).dictionary_encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, first.schema) as writer:
        writer.write_batch(first)
        writer.write_batch(second)
    return sink.getvalue().to_pybytes()


def too_large():
    """A record batch that says it has a terabyte."""
    batch = pa.record_batch({"entity_id": IDS, "i": pa.array([1, 2, 3])})
    schema, message = batch.schema.serialize().to_pybytes(), batch.serialize().to_pybytes()
    body = len(message) - 8 - int.from_bytes(message[4:8], "little")
    assert message.count(body.to_bytes(8, "little")) == 1
    return schema + message.replace(body.to_bytes(8, "little"), (1 << 40).to_bytes(8, "little"))


def shared_name():
    """The offsets of all columns lead to one, whose name is long: together they are more than was sent."""
    count = 50
    names = ["entity_id" + "x" * 400, *(f"c{n}" for n in range(1, count))]
    message = bytearray(pa.schema([(name, pa.int64()) for name in names]).serialize())
    at = message.index(count.to_bytes(4, "little")) + 4
    longest = at + int.from_bytes(message[at : at + 4], "little")
    for place in range(at, at + 4 * count, 4):
        message[place : place + 4] = (longest - place).to_bytes(4, "little")
    return bytes(message)


STREAMS = {
    "types.arrows": lambda: write(types()),
    "others.arrows": lambda: write(others()),
    "views.arrows": lambda: write(views()),
    "edges.arrows": lambda: write(edges()),
    "skipped.arrows": lambda: write(skipped()),
    "dictionaries.arrows": dictionaries,
    "file.arrow": lambda: write(types().select(["entity_id", "i"]), pa.ipc.new_file),
    "v4.arrows": lambda: write(types().select(["entity_id", "i"]),
                               metadata_version=pa.ipc.MetadataVersion.V4),
    "compressed.arrows": lambda: write(pa.table({"entity_id": IDS, "i": [1, 2, 3]}), compression="lz4"),
    "legacy.arrows": lambda: write(pa.table({"entity_id": IDS, "i": [1, 2, 3]}), use_legacy_format=True),
    "large.arrows": too_large,
    "shared.arrows": shared_name,
    "empty.arrows": lambda: write(pa.table({"entity_id": IDS, "i": [1, 2, 3]}).slice(3)),
}

if __name__ == "__main__":
    CORPUS.mkdir(parents=True, exist_ok=True)
    for name, make in STREAMS.items():
        content = make()
        (HERE / name).write_bytes(content)
        option = TAKE_SOME if name == "skipped.arrows" else TAKE_ALL
        (CORPUS / name.partition(".")[0]).write_bytes(option + content)
