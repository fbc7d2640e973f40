#include "online/engine/row.h"

#include "base/assert.h"
#include "base/memory.h"

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

static struct row_parts parts(const struct row *row)
{
    struct row_group last;
    last_group(row, &last);
    return parts_of(row, &last);
}

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

static inline enum row_cell_kind kind_of(const struct row_group *group, uint32_t bit)
{
    if (!(group->present & bit))
        return ROW_CELL_ABSENT;
    return (enum row_cell_kind)((group->empty & bit ? 1 : 0) | (group->marked & bit ? 2 : 0));
}

enum row_cell_kind row_group_kind(const struct row_group *group, uint32_t bit)
{
    return kind_of(group, bit);
}

static inline int64_t event_time_of(const struct row *row, const struct row_parts *of,
                                    const struct row_group *group, uint32_t bit)
{
    if (!(group->own_time & bit))
        return row->base_event_time_us;
    return of->own_times[group->own_times_before + bits_count(group->own_time & (bit - 1))];
}

int64_t row_cell_event_time(const struct row *row, const struct row_group *group, uint32_t bit)
{
    struct row_parts of = parts(row);
    return event_time_of(row, &of, group, bit);
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

void row_draft_begin(struct row_draft *draft, str entity_id)
{
    draft->entity_id = entity_id;
    draft->erased_until_us = ROW_NOT_ERASED;
    draft->group_bound = 0;
}

static void draft_cell_from_row(struct row_draft *draft, const struct row *row,
                                const struct row_parts *of, const struct row_group *group,
                                uint32_t bit_index, const struct catalog_entity *entity)
{
    uint32_t bit = 1u << bit_index;
    uint32_t slot = group->index * ROW_GROUP_SLOTS + bit_index;
    ASSERT(slot < entity->slot_count);
    struct row_draft_cell *cell = row_draft_put(draft, slot);
    cell->kind = row_group_kind(group, bit);
    cell->event_time_us = event_time_of(row, of, group, bit);
    cell->has_bytes = false;
    if (group->empty & bit)
        return;
    uint64_t bits = value_bits(of, group, bit);
    if (cell->kind == ROW_CELL_BLOB) {
        cell->blob = blob_from_bits(bits);
    } else if (data_type_has_bytes(entity->slots[slot].data_type)) {
        cell->has_bytes = true;
        cell->bytes = inline_bytes(row, bits);
    } else {
        cell->bits = bits;
    }
}

void row_draft_begin_with(struct row_draft *draft, const struct row *row,
                          const struct catalog_entity *entity)
{
    struct row_group group;
    struct row_parts of = parts(row);
    row_draft_begin(draft, str_of(of.entity_id, row->id_len));
    draft->erased_until_us = row_erased_until(row);
    for (uint32_t n = 0; row_group_next(row, n, &group); n++)
        for (uint32_t left = group.present; left != 0; left &= left - 1)
            draft_cell_from_row(draft, row, &of, &group, (uint32_t)__builtin_ctz(left), entity);
}

struct row_draft_cell *row_draft_find(struct row_draft *draft, uint32_t slot)
{
    uint32_t index = slot / ROW_GROUP_SLOTS;
    if (index >= draft->group_bound || !(draft->present[index] & (1u << (slot % ROW_GROUP_SLOTS))))
        return NULL;
    return &draft->cells[slot];
}

struct row_draft_cell *row_draft_put(struct row_draft *draft, uint32_t slot)
{
    ASSERT(slot < LIMIT_SLOTS_PER_ENTITY);
    uint32_t index = slot / ROW_GROUP_SLOTS;
    while (draft->group_bound <= index)
        draft->present[draft->group_bound++] = 0;
    draft->present[index] |= 1u << (slot % ROW_GROUP_SLOTS);
    return &draft->cells[slot];
}

void row_draft_remove(struct row_draft *draft, uint32_t slot)
{
    ASSERT(row_draft_find(draft, slot) != NULL);
    draft->present[slot / ROW_GROUP_SLOTS] &= ~(1u << (slot % ROW_GROUP_SLOTS));
}

bool row_draft_is_empty(const struct row_draft *draft)
{
    if (draft->erased_until_us != ROW_NOT_ERASED)
        return false;
    for (uint32_t i = 0; i < draft->group_bound; i++)
        if (draft->present[i] != 0)
            return false;
    return true;
}

void row_draft_cell_set(struct row_draft_cell *cell, const struct value *value,
                        int64_t event_time_us)
{
    cell->event_time_us = event_time_us;
    cell->kind = value->is_null ? ROW_CELL_NULL : ROW_CELL_VALUE;
    cell->has_bytes = false;
    if (value->is_null)
        return;
    switch (value->type) {
    case DATA_TYPE_INT:
        cell->bits = (uint64_t)value->integer;
        break;
    case DATA_TYPE_TIMESTAMP:
        cell->bits = (uint64_t)value->timestamp_us;
        break;
    case DATA_TYPE_FLOAT:
        memcpy(&cell->bits, &value->real, sizeof(cell->bits));
        break;
    case DATA_TYPE_BOOLEAN:
        cell->bits = value->boolean;
        break;
    case DATA_TYPE_EMBEDDING:
        cell->has_bytes = true;
        cell->bytes = str_of((const char *)value->embedding.data,
                             value->embedding.dimension * sizeof(float));
        break;
    default:
        cell->has_bytes = true;
        cell->bytes = value->text;
    }
}

struct row_plan {
    unsigned flags;
    uint32_t group_count; /* that hold a cell */
    size_t values;
    size_t own_times;
    size_t inline_bytes;
    int64_t base_event_time_us;
};

static bool is_blob(const struct row_draft_cell *cell)
{
    return cell->kind == ROW_CELL_BLOB ||
           (cell->kind == ROW_CELL_VALUE && cell->has_bytes && cell->bytes.len > ROW_INLINE_MAX);
}

/* The event time that most cells share, if one has the majority (Boyer and Moore's vote): the
 * others have to keep their own. */
static int64_t vote_event_time(const struct row_draft *draft)
{
    int64_t candidate_us = 0;
    uint32_t votes = 0;
    for (uint32_t g = 0; g < draft->group_bound; g++)
        for (uint32_t left = draft->present[g]; left != 0; left &= left - 1) {
            const struct row_draft_cell *cell =
                &draft->cells[g * ROW_GROUP_SLOTS + (uint32_t)__builtin_ctz(left)];
            if (votes == 0)
                candidate_us = cell->event_time_us;
            votes += cell->event_time_us == candidate_us ? 1u : -1u;
        }
    return candidate_us;
}

static void plan_cell(const struct row_draft_cell *cell, struct row_plan *plan)
{
    bool has_value = cell->kind == ROW_CELL_VALUE || cell->kind == ROW_CELL_BLOB;
    if (has_value)
        plan->values++;
    else
        plan->flags |= FLAG_EMPTY;
    if (cell->kind == ROW_CELL_ERASED || is_blob(cell))
        plan->flags |= FLAG_MARKED;
    else if (has_value && cell->has_bytes)
        plan->inline_bytes += cell->bytes.len;
    if (cell->event_time_us != plan->base_event_time_us) {
        plan->own_times++;
        plan->flags |= FLAG_OWN_TIMES;
    }
}

static void plan_row(const struct row_draft *draft, struct row_plan *plan)
{
    *plan = (struct row_plan){.base_event_time_us = vote_event_time(draft)};
    for (uint32_t g = 0; g < draft->group_bound; g++) {
        if (draft->present[g] == 0)
            continue;
        plan->group_count++;
        if (g > 0)
            plan->flags |= FLAG_WIDE;
        for (uint32_t left = draft->present[g]; left != 0; left &= left - 1)
            plan_cell(&draft->cells[g * ROW_GROUP_SLOTS + (uint32_t)__builtin_ctz(left)], plan);
    }
    if (draft->erased_until_us != ROW_NOT_ERASED)
        plan->flags |= FLAG_ERASED;
    if (plan->flags & FLAG_WIDE)
        plan->flags &= ~(unsigned)(FLAG_EMPTY | FLAG_MARKED | FLAG_OWN_TIMES);
}

/* Where the next part of each kind goes. */
struct row_cursor {
    struct row *row;
    uint64_t *value;
    int64_t *own_time;
    char *bytes;
    uint64_t *memory_bytes;
    bool failed;
};

/* Always stores something, so that the row can be destroyed after a failure: a NULL blob. */
static uint64_t store_value(struct row_cursor *at, const struct row_draft_cell *cell)
{
    if (cell->kind == ROW_CELL_BLOB) {
        blob_hold(cell->blob);
        return (uint64_t)(uintptr_t)cell->blob;
    }
    if (!cell->has_bytes)
        return cell->bits;
    if (is_blob(cell)) {
        struct blob *blob = blob_create(cell->bytes, at->memory_bytes);
        at->failed |= blob == NULL;
        return (uint64_t)(uintptr_t)blob;
    }
    uint64_t offset = (uint64_t)(at->bytes - (char *)at->row);
    if (cell->bytes.len > 0)
        memcpy(at->bytes, cell->bytes.data, cell->bytes.len);
    at->bytes += cell->bytes.len;
    return offset | (uint64_t)cell->bytes.len << 32;
}

static void store_cell(struct row_cursor *at, struct row_group *group, uint32_t bit,
                       const struct row_draft_cell *cell)
{
    group->present |= bit;
    if (cell->kind == ROW_CELL_VALUE || cell->kind == ROW_CELL_BLOB)
        *at->value++ = store_value(at, cell);
    else
        group->empty |= bit;
    if (cell->kind == ROW_CELL_ERASED || is_blob(cell))
        group->marked |= bit;
    if (cell->event_time_us != at->row->base_event_time_us) {
        group->own_time |= bit;
        *at->own_time++ = cell->event_time_us;
    }
}

static void store_narrow(struct row *row, const struct row_group *group)
{
    uint32_t *plane = (uint32_t *)(void *)(row + 1);
    row->present = group->present;
    if (row->flags & FLAG_EMPTY)
        *plane++ = group->empty;
    if (row->flags & FLAG_MARKED)
        *plane++ = group->marked;
    if (row->flags & FLAG_OWN_TIMES)
        *plane++ = group->own_time;
}

static void store_groups(struct row_cursor *at, const struct row_draft *draft)
{
    struct row_group *out = (struct row_group *)(void *)(at->row + 1);
    const uint64_t *first_value = at->value;
    const int64_t *first_time = at->own_time;
    for (uint32_t g = 0; g < draft->group_bound; g++) {
        if (draft->present[g] == 0)
            continue;
        struct row_group group = {
            .index = (uint16_t)g,
            .values_before = (uint16_t)(at->value - first_value),
            .own_times_before = (uint16_t)(at->own_time - first_time),
        };
        for (uint32_t left = draft->present[g]; left != 0; left &= left - 1) {
            uint32_t bit_index = (uint32_t)__builtin_ctz(left);
            store_cell(at, &group, 1u << bit_index,
                       &draft->cells[g * ROW_GROUP_SLOTS + bit_index]);
        }
        if (at->row->flags & FLAG_WIDE)
            *out++ = group;
        else
            store_narrow(at->row, &group);
    }
}

struct row *row_create(const struct row_draft *draft, uint64_t *memory_bytes)
{
    struct row_plan plan;
    plan_row(draft, &plan);
    size_t prefix = prefix_size(plan.flags, plan.group_count);
    size_t fixed = prefix + plan.values * sizeof(uint64_t) + plan.own_times * sizeof(int64_t);
    struct row *row = memory_alloc(fixed + draft->entity_id.len + plan.inline_bytes);
    if (row == NULL)
        return NULL;
    *memory_bytes += memory_size(row);
    *row = (struct row){
        .base_event_time_us = plan.base_event_time_us,
        .id_len = (uint16_t)draft->entity_id.len,
        .flags = (uint8_t)plan.flags,
        .group_count = plan.flags & FLAG_WIDE ? (uint8_t)plan.group_count : 0,
    };
    char *base = (char *)row;
    if (plan.flags & FLAG_ERASED)
        memcpy(base + prefix - sizeof(int64_t), &draft->erased_until_us, sizeof(int64_t));
    memcpy(base + fixed, draft->entity_id.data, draft->entity_id.len);
    struct row_cursor at = {
        .row = row,
        .value = (uint64_t *)(void *)(base + prefix),
        .own_time = (int64_t *)(void *)(base + prefix + plan.values * sizeof(uint64_t)),
        .bytes = base + fixed + draft->entity_id.len,
        .memory_bytes = memory_bytes,
    };
    store_groups(&at, draft);
    if (at.failed) {
        row_destroy(row, memory_bytes);
        return NULL;
    }
    return row;
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
