/* Where the parts of a row are: what reading (row.c) and building (row_draft.c) share. Private. */
#ifndef FEATURED_ONLINE_ENGINE_ROW_LAYOUT_H
#define FEATURED_ONLINE_ENGINE_ROW_LAYOUT_H

#include "online/engine/row.h"

enum {
    FLAG_WIDE = 1, /* groups instead of `present` and planes */
    FLAG_EMPTY = 2,
    FLAG_MARKED = 4,
    FLAG_OWN_TIMES = 8,
    FLAG_ERASED = 16,
};

_Static_assert(sizeof(struct row) == 16, "the header of a row");
_Static_assert(sizeof(struct row_group) == 24, "groups keep the 8-byte alignment");
_Static_assert(ROW_GROUPS_MAX <= UINT8_MAX, "group_count has 8 bits");
_Static_assert(LIMIT_ENTITY_ID_BYTES <= UINT16_MAX, "id_len has 16 bits");

/* The baseline x86-64 has no instruction for it, and a call would cost more. */
static inline uint32_t bits_count(uint32_t x)
{
    x = x - ((x >> 1) & 0x55555555u);
    x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0fu;
    return (x * 0x01010101u) >> 24;
}

/* Where the parts of a row are. */
struct row_parts {
    const uint64_t *values;
    const int64_t *own_times;
    const char *entity_id;
};

static inline const uint32_t *plane_words(const struct row *row)
{
    return (const uint32_t *)(const void *)(row + 1);
}

static inline const struct row_group *groups_of(const struct row *row)
{
    return (const struct row_group *)(const void *)(row + 1);
}

/* The only group of a row without FLAG_WIDE. */
static inline void narrow_group(const struct row *row, struct row_group *out)
{
    const uint32_t *plane = plane_words(row);
    *out = (struct row_group){.present = row->present};
    if (row->flags & FLAG_EMPTY)
        out->empty = *plane++;
    if (row->flags & FLAG_MARKED)
        out->marked = *plane++;
    if (row->flags & FLAG_OWN_TIMES)
        out->own_time = *plane++;
}

static inline size_t planes_size(unsigned flags)
{
    size_t count = (flags & FLAG_EMPTY ? 1u : 0u) + (flags & FLAG_MARKED ? 1u : 0u) +
                   (flags & FLAG_OWN_TIMES ? 1u : 0u);
    return (count * sizeof(uint32_t) + 7) & ~(size_t)7;
}

/* What lies before the values. */
static inline size_t prefix_size(unsigned flags, uint32_t group_count)
{
    return sizeof(struct row) +
           (flags & FLAG_WIDE ? group_count * sizeof(struct row_group) : planes_size(flags)) +
           (flags & FLAG_ERASED ? sizeof(int64_t) : 0);
}

/* `last` is the row's last (or only) group: it knows how many cells there are. */
static inline struct row_parts parts_of(const struct row *row, const struct row_group *last)
{
    const char *at = (const char *)row + prefix_size(row->flags, row->group_count);
    uint32_t values = last->values_before + bits_count(last->present & ~last->empty);
    uint32_t own_times = last->own_times_before + bits_count(last->own_time);
    struct row_parts parts;
    parts.values = (const uint64_t *)(const void *)at;
    parts.own_times = (const int64_t *)(const void *)(at + values * sizeof(uint64_t));
    parts.entity_id = (const char *)(parts.own_times + own_times);
    return parts;
}

static inline void last_group(const struct row *row, struct row_group *out)
{
    if (row->flags & FLAG_WIDE)
        *out = groups_of(row)[row->group_count - 1];
    else
        narrow_group(row, out);
}

static inline struct row_parts parts(const struct row *row)
{
    struct row_group last;
    last_group(row, &last);
    return parts_of(row, &last);
}

static inline enum row_cell_kind kind_of(const struct row_group *group, uint32_t bit)
{
    if (!(group->present & bit))
        return ROW_CELL_ABSENT;
    return (enum row_cell_kind)((group->empty & bit ? 1 : 0) | (group->marked & bit ? 2 : 0));
}

static inline int64_t event_time_of(const struct row *row, const struct row_parts *of,
                                    const struct row_group *group, uint32_t bit)
{
    if (!(group->own_time & bit))
        return row->base_event_time_us;
    return of->own_times[group->own_times_before + bits_count(group->own_time & (bit - 1))];
}

static inline uint64_t value_bits(const struct row_parts *of, const struct row_group *group,
                                  uint32_t bit)
{
    return of->values[group->values_before +
                      bits_count(group->present & ~group->empty & (bit - 1))];
}

static inline struct blob *blob_from_bits(uint64_t bits)
{
    return (struct blob *)(uintptr_t)bits;
}

static inline str inline_bytes(const struct row *row, uint64_t bits)
{
    return str_of((const char *)row + (uint32_t)bits, (uint32_t)(bits >> 32));
}

#endif
