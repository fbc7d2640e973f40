/* What log segments and snapshots look like on disk: spec/storage-format.md is the page, this its
 * numbers. All integers are little-endian and unaligned.
 *
 *   file    = header (LOG_HEADER_BYTES), record, record, … ; then zeros (preallocated) or the end
 *   header  = magic[8], version u32, crc u32 of the version and of what follows, identity u64,
 *             lsn u64, synced_lsn u64, clock_us i64, zero[16]; in every version
 *   record  = length u32 of the payload, crc u32, lsn u64, type u8, payload
 *
 * The CRC of a record is CRC-32C of the identity (8 bytes), then of everything after the crc field,
 * then of the length field: what another data directory wrote, or a client hid in a value, never
 * passes for a record. The identity is a random number of the data directory. A length of 0 ends the
 * file: there is no record without a payload. */
#ifndef FEATURED_LOG_LOG_FORMAT_H
#define FEATURED_LOG_LOG_FORMAT_H

#include <stdint.h>

#define LOG_FORMAT_VERSION 1u
#define LOG_SEGMENT_MAGIC "FEATLOG\n"
#define LOG_SNAPSHOT_MAGIC "FEATSNP\n"
#define LOG_HEADER_BYTES 64u
#define LOG_RECORD_HEADER_BYTES 17u
#define LOG_PAYLOAD_MAX (1u << 30) /* a bulk row of 10,000 texts is below; a length beyond is damage */

/* File names: "%020llu.log" in DATA/log by the segment's first LSN; "%020llu.snapshot" in
 * DATA/snapshot by its start LSN; what is being written ends in ".new". */
#define LOG_FOLDER "log"
#define LOG_SNAPSHOT_FOLDER "snapshot"
#define LOG_SEGMENT_SUFFIX ".log"
#define LOG_SNAPSHOT_SUFFIX ".snapshot"
#define LOG_NEW_SUFFIX ".new"
#define LOG_NAME_MAX 40

enum log_record_type {
    /* identity u64, synced_lsn u64 (every record up to it was synced before), clock_us i64: begins
     * the records of one write; its lsn is that of the first of them. clock_us is also the ingestion
     * time of what follows. */
    LOG_GROUP = 1,
    /* A feature version that follows in a cell: see struct log_schema. lsn: of the record it is
     * for. */
    LOG_SCHEMA = 2,
    /* One request's rows, all or nothing: rows as in log_row.h, one after the other. */
    LOG_WRITE = 3,
    /* One request's erasure, all or nothing: for each entity a size varint, then as in struct
     * log_erase. */
    LOG_ERASE = 4,
    /* Snapshots only, lsn 0. */
    LOG_SNAPSHOT_STATISTICS = 5, /* of some versions at the start LSN: see struct log_statistics */
    LOG_SNAPSHOT_ROWS = 6, /* name length u8, entity name, then rows of it as in log_row.h */
    LOG_SNAPSHOT_END = 7,  /* end_lsn u64, row count u64, clock_us i64: whole only with this */
};

#endif
