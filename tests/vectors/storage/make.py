#!/usr/bin/env python3
"""Writes the golden files beside it from spec/storage-format.md alone, sharing no code with src/log.

The files are kept: a reader of format 1 must read them for ever. Run it only to add files of a new
format version; format 1 stays as it is.
"""
import pathlib
import struct

IDENTITY = 0x0123456789ABCDEF
CLOCK = 1_700_000_000_000_000
INT, FLOAT, BOOLEAN, STRING, TIMESTAMP, EMBEDDING, JSON = range(7)
GROUP, SCHEMA, WRITE, ERASE, STATISTICS, ROWS, END = range(1, 8)
NULL, ERASED, OWN_TIME = 0x08, 0x10, 0x20


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def header(magic, lsn, synced_lsn, clock_us):
    version = struct.pack("<I", 1)
    rest = struct.pack("<QQQq16x", IDENTITY, lsn, synced_lsn, clock_us)
    return magic + version + struct.pack("<I", crc32c(version + rest)) + rest


def record(kind, lsn, payload):
    length = struct.pack("<I", len(payload))
    covered = struct.pack("<QB", lsn, kind) + payload
    return length + struct.pack("<I", crc32c(struct.pack("<Q", IDENTITY) + covered + length)) + covered


def name(text):
    return bytes([len(text)]) + text.encode()


def group(lsn, synced_lsn, clock_us):
    return record(GROUP, lsn, struct.pack("<QQq", IDENTITY, synced_lsn, clock_us))


def schema(lsn, version_id, data_type, dimension, number, feature, entity):
    return record(SCHEMA, lsn, struct.pack("<QBII", version_id, data_type, dimension, number)
                  + name(feature) + name(entity))


def cell(data_type, version_id, value=b"", flags=0, event_time=None):
    if event_time is not None:
        flags |= OWN_TIME
    time = b"" if event_time is None else struct.pack("<q", event_time)
    return bytes([data_type | flags]) + varint(version_id) + time + value


def row(entity_id, event_time, cells, erased_until=None):
    body = bytes([erased_until is not None]) + varint(len(entity_id)) + entity_id
    body += struct.pack("<q", event_time)
    if erased_until is not None:
        body += struct.pack("<q", erased_until)
    body += varint(len(cells)) + b"".join(cells)
    return varint(len(body)) + body


def erase(entity, entity_id, until, versions):
    body = (name(entity) + varint(len(entity_id)) + entity_id + struct.pack("<q", until)
            + varint(len(versions)) + b"".join(map(varint, versions)))
    return varint(len(body)) + body


def text(value):
    return varint(len(value)) + value


SCHEMAS = [
    (1, INT, 0, 1, "clicks", "user"), (2, FLOAT, 0, 1, "score", "user"),
    (3, BOOLEAN, 0, 1, "active", "user"), (4, STRING, 0, 1, "city", "user"),
    (5, TIMESTAMP, 0, 1, "seen", "user"), (6, EMBEDDING, 2, 1, "taste", "user"),
    (300, JSON, 0, 2, "profile", "user"),
]
FULL_ROW = row(b"user_1", CLOCK - 1, [
    cell(INT, 1, struct.pack("<q", -5)),
    cell(FLOAT, 2, struct.pack("<d", 2.5)),
    cell(BOOLEAN, 3, b"\1"),
    cell(STRING, 4, text("Köln".encode())),
    cell(TIMESTAMP, 5, struct.pack("<q", -62135596800000000)),
    cell(EMBEDDING, 6, varint(2) + struct.pack("<ff", 1.0, -0.5)),
    cell(JSON, 300, text(b'{"a":[1]}')),
])
LATE_ROWS = (row(b"user_2", CLOCK, [cell(STRING, 4, text(b"x" * 200)),
                                    cell(INT, 1, struct.pack("<q", 2**63 - 1), 0, CLOCK - 7),
                                    cell(FLOAT, 2, flags=NULL)])
             + row(b"\0\xff", CLOCK, []))

SEGMENT = (header(b"FEATLOG\n", 1, 0, CLOCK)
           + group(1, 0, CLOCK) + b"".join(schema(1, *s) for s in SCHEMAS)
           + record(WRITE, 1, FULL_ROW)
           + group(2, 1, CLOCK + 1000)
           + record(WRITE, 2, LATE_ROWS)
           + record(ERASE, 3, erase("user", b"user_1", CLOCK, [1, 300]))
           + record(ERASE, 4, erase("user", b"user_2", CLOCK + 1, [0])
                    + erase("driver", b"user_2", CLOCK + 1, [7, 9]))
           + group(5, 4, CLOCK + 2000)
           + bytes(100))

SNAPSHOT = (header(b"FEATSNP\n", 4, 4, CLOCK + 1000)
            + b"".join(schema(0, *s) for s in SCHEMAS)
            + record(STATISTICS, 0,
                     struct.pack("<QQQddddq", 1, 2, 0, -5.0, 9.223372036854775807e18, 4.5e18,
                                 4.25e37, CLOCK)
                     + struct.pack("<QQQddddq", 2, 0, 1, 0.0, 0.0, 0.0, 0.0, -2**63))
            + record(ROWS, 0, name("user")
                     + row(b"user_1", CLOCK - 1, [
                         cell(INT, 1, flags=ERASED, event_time=CLOCK),
                         cell(FLOAT, 2, struct.pack("<d", 2.5))])
                     + row(b"user_2", CLOCK, [], erased_until=CLOCK + 1))
            + record(END, 0, struct.pack("<QQq", 6, 2, CLOCK + 3000)))

if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    (here / "00000000000000000001.log").write_bytes(SEGMENT)
    (here / "00000000000000000004.snapshot").write_bytes(SNAPSHOT)
