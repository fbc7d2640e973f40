#include "online/engine/row.h"

#include "base/memory.h"
#include "online/engine/row_layout.h"

str row_id(const struct row *row)
{
    return str_of(parts(row).entity_id, row->id_len);
}

static inline uint64_t load_8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* Most ids have 8 to 16 bytes: two loads that may overlap, instead of a call. */
static inline bool bytes_eq(const char *a, const char *b, size_t len)
{
    if (len >= 8 && len <= 16)
        return load_8(a) == load_8(b) && load_8(a + len - 8) == load_8(b + len - 8);
    return memcmp(a, b, len) == 0;
}

bool row_has_id(const struct row *row, str entity_id)
{
    if (row->id_len != entity_id.len)
        return false;
    const char *id = row->flags == 0
                         ? (const char *)(row + 1) + bits_count(row->present) * sizeof(uint64_t)
                         : parts(row).entity_id;
    return bytes_eq(id, entity_id.data, entity_id.len);
}

int64_t row_erased_until(const struct row *row)
{
    if (!(row->flags & FLAG_ERASED))
        return ROW_NOT_ERASED;
    int64_t erased_until_us;
    size_t end = prefix_size(row->flags, row->group_count);
    memcpy(&erased_until_us, (const char *)row + end - sizeof(int64_t), sizeof(int64_t));
    return erased_until_us;
}

bool row_group_next(const struct row *row, uint32_t n, struct row_group *out)
{
    if (row->flags & FLAG_WIDE) {
        if (n >= row->group_count)
            return false;
        *out = groups_of(row)[n];
        return true;
    }
    if (n > 0 || row->present == 0)
        return false;
    narrow_group(row, out);
    return true;
}

enum row_cell_kind row_group_kind(const struct row_group *group, uint32_t bit)
{
    return kind_of(group, bit);
}

int64_t row_cell_event_time(const struct row *row, const struct row_group *group, uint32_t bit)
{
    struct row_parts of = parts(row);
    return event_time_of(row, &of, group, bit);
}

static inline void fill_value(const struct row *row, enum row_cell_kind kind, uint64_t bits,
                       enum data_type type, struct value *out)
{
    out->type = type;
    out->is_null = false;
    switch (type) {
    case DATA_TYPE_INT:
        out->integer = (int64_t)bits;
        break;
    case DATA_TYPE_TIMESTAMP:
        out->timestamp_us = (int64_t)bits;
        break;
    case DATA_TYPE_FLOAT:
        memcpy(&out->real, &bits, sizeof(bits));
        break;
    case DATA_TYPE_BOOLEAN:
        out->boolean = bits != 0;
        break;
    default: {
        str bytes = kind == ROW_CELL_BLOB ? blob_str(blob_from_bits(bits)) : inline_bytes(row, bits);
        if (type == DATA_TYPE_EMBEDDING)
            out->embedding = (struct value_embedding){
                .data = (const float *)(const void *)bytes.data,
                .dimension = (uint32_t)(bytes.len / sizeof(float)),
            };
        else
            out->text = bytes;
    }
    }
}

void row_cell_value(const struct row *row, const struct row_group *group, uint32_t bit,
                    enum data_type type, struct value *out)
{
    struct row_parts of = parts(row);
    fill_value(row, kind_of(group, bit), value_bits(&of, group, bit), type, out);
}

static inline void read_cell(const struct row *row, const struct row_parts *of,
                             const struct row_group *group, const struct catalog_version *version,
                             int64_t now_us, struct cell *out)
{
    uint32_t bit = 1u << (version->slot % ROW_GROUP_SLOTS);
    enum row_cell_kind kind = kind_of(group, bit);
    if (kind == ROW_CELL_ABSENT || kind == ROW_CELL_ERASED) {
        out->state = CELL_NOT_FOUND;
        return;
    }
    out->event_time_us = event_time_of(row, of, group, bit);
    if (!cell_rule_is_alive(out->event_time_us, now_us, version->ttl_us,
                            version->dead_before_us)) {
        out->state = CELL_EXPIRED;
    } else if (kind == ROW_CELL_NULL) {
        out->state = CELL_NULL;
    } else {
        out->state = CELL_PRESENT;
        fill_value(row, kind, value_bits(of, group, bit), version->data_type, &out->value);
    }
}

/* The group with this index, NULL if the row has none. */
static const struct row_group *find_group(const struct row *row, uint32_t index)
{
    const struct row_group *groups = groups_of(row);
    if (index < row->group_count && groups[index].index == index)
        return &groups[index]; /* no gaps so far: the usual case */
    uint32_t low = 0;
    uint32_t high = row->group_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (groups[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < row->group_count && groups[low].index == index ? &groups[low] : NULL;
}

/* A row of flags 0: values written together in the first 32 slots, none null or long. Most are. */
static inline void read_plain(const struct row *row,
                              const struct catalog_version *const *versions, uint32_t count,
                              int64_t now_us, struct cell *out)
{
    const uint64_t *values = (const uint64_t *)(const void *)(row + 1);
    uint32_t present = row->present;
    int64_t event_time_us = row->base_event_time_us;
    bool dense = (present & (present + 1)) == 0; /* then the n-th value is slot n's */
    for (uint32_t i = 0; i < count; i++) {
        const struct catalog_version *version = versions[i];
        uint32_t slot = version->slot;
        if (slot >= ROW_GROUP_SLOTS || !(present >> slot & 1)) {
            out[i].state = CELL_NOT_FOUND;
            continue;
        }
        out[i].event_time_us = event_time_us;
        if (!cell_rule_is_alive(event_time_us, now_us, version->ttl_us, version->dead_before_us)) {
            out[i].state = CELL_EXPIRED;
            continue;
        }
        uint32_t rank = dense ? slot : bits_count(present & ((1u << slot) - 1));
        out[i].state = CELL_PRESENT;
        fill_value(row, ROW_CELL_VALUE, values[rank], version->data_type, &out[i].value);
    }
}

void row_read(const struct row *row, const struct catalog_version *const *versions, uint32_t count,
              int64_t now_us, struct cell *out)
{
    struct row_group last;
    if (row->flags == 0) {
        read_plain(row, versions, count, now_us, out);
        return;
    }
    last_group(row, &last);
    struct row_parts of = parts_of(row, &last);
    bool wide = row->flags & FLAG_WIDE;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = versions[i]->slot / ROW_GROUP_SLOTS;
        const struct row_group *group = wide ? find_group(row, index) : index == 0 ? &last : NULL;
        if (group == NULL)
            out[i].state = CELL_NOT_FOUND;
        else
            read_cell(row, &of, group, versions[i], now_us, &out[i]);
    }
}

void row_destroy(struct row *row, uint64_t *memory_bytes)
{
    struct row_group group;
    struct row_parts of = parts(row);
    for (uint32_t n = 0; row_group_next(row, n, &group); n++)
        for (uint32_t left = group.marked & ~group.empty; left != 0; left &= left - 1) {
            struct blob *blob = blob_from_bits(value_bits(&of, &group, left & -left));
            if (blob != NULL)
                blob_release(blob, memory_bytes);
        }
    *memory_bytes -= memory_size(row);
    memory_free(row);
}
