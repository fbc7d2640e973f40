/* A bulk input read whole and read in pieces must give the same rows and the same errors. */
#ifndef FEATURED_TESTS_FUZZ_JSON_BULK_H
#define FEATURED_TESTS_FUZZ_JSON_BULK_H

#include "base/hash.h"
#include "codec/bulk.h"
#include "codec/json_read.h"
#include "fuzz_json_catalog.h"

static inline void fuzz_digest(uint64_t *digest, str text)
{
    *digest = (*digest ^ hash_str(text)) * UINT64_C(0x9E3779B97F4A7C15);
}

static inline void fuzz_digest_record(uint64_t *digest, const struct ingest_record *record)
{
    struct buffer text;
    buffer_init(&text, SIZE_MAX);
    buffer_append_str(&text, record->entity_id);
    for (uint32_t i = 0; i < record->cell_count; i++) {
        buffer_append_str(&text, record->cells[i].name);
        json_encode_value(&text, &record->cells[i].value);
        buffer_append_int64(&text, record->cells[i].event_time_us);
    }
    fuzz_digest(digest, buffer_str(&text));
    buffer_fini(&text);
}

/* Pieces of 1 to 64 bytes drawn from `seed`; 0: one piece. */
static inline uint64_t fuzz_read_bulk(const struct bulk_options *options, str input, uint64_t seed)
{
    struct bulk_reader *reader = bulk_reader_create(options);
    struct ingest_record record;
    struct arena arena;
    struct error error;
    uint64_t digest = 1;
    uint64_t line = 0;
    size_t fed = 0;
    enum bulk_next next = BULK_NEED_MORE;
    ASSERT(reader != NULL);
    arena_init(&arena, (size_t)64 << 20);
    do {
        if (next == BULK_NEED_MORE) {
            size_t len = seed ? 1 + (seed >> 58) : input.len;
            seed *= UINT64_C(6364136223846793005);
            len = len < input.len - fed ? len : input.len - fed;
            fed += len;
            ASSERT(bulk_reader_feed(reader, str_of(input.data + fed - len, len), fed == input.len));
        }
        next = bulk_reader_next(reader, fuzz_catalog(), FUZZ_NOW_US, &arena, &record, &line,
                                &error);
        if (next == BULK_NEED_MORE)
            continue;
        digest = (digest + (uint64_t)next + line * 8) * UINT64_C(0x9E3779B97F4A7C15);
        if (next == BULK_RECORD)
            fuzz_digest_record(&digest, &record);
        else if (next == BULK_BAD || next == BULK_FATAL)
            fuzz_digest(&digest, str_from_cstr(error.detail));
        arena_reset(&arena);
    } while (next != BULK_END && next != BULK_FATAL);
    bulk_reader_destroy(reader);
    arena_fini(&arena);
    return digest;
}

static inline void fuzz_check_bulk(const struct bulk_options *options, str input, uint8_t seed)
{
    uint64_t whole = fuzz_read_bulk(options, input, 0);
    uint64_t pieces = fuzz_read_bulk(options, input, (seed + UINT64_C(1)) * 0x9E3779B97F4A7C15);
    ASSERT(whole == pieces);
}

#endif
