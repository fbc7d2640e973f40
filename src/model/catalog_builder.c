#include "model/catalog_builder.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "model/cell_rule.h"
#include "model/limits.h"

/* What the image only shows as const, still to be completed. All in the image's arena. */
struct draft_feature {
    struct catalog_feature *feature;
    struct catalog_version *versions;
};

struct draft_service {
    struct catalog_service *service;
    const uint64_t *version_ids;
    const struct catalog_version **versions;
};

struct draft_entity {
    struct catalog_entity *entity;
    struct catalog_slot *slots;
    const struct catalog_version **active;
    uint32_t slots_needed; /* new versions that have no slot yet */
    uint32_t active_needed;
};

struct catalog_builder {
    const struct catalog *previous;
    struct catalog *image;
    struct draft_feature *features;
    uint32_t feature_count;
    uint32_t feature_capacity;
    struct draft_service *services;
    uint32_t service_count;
    uint32_t service_capacity;
    struct draft_entity entities[LIMIT_ENTITIES];
    uint32_t entity_count;
    const struct catalog_version **by_id; /* every version, in order of id; heap */
    uint32_t version_count;
};

static status out_of_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                     "no memory for the catalog's next image");
}

struct catalog_builder *catalog_builder_create(const struct catalog *previous, uint64_t revision)
{
    struct catalog_builder *builder = memory_alloc_zero(sizeof(*builder));
    struct catalog *image = memory_alloc_zero(sizeof(*image));
    if (builder == NULL || image == NULL) {
        memory_free(builder);
        memory_free(image);
        return NULL;
    }
    arena_init(&image->arena, SIZE_MAX);
    hash_map_init(&image->features_by_name);
    hash_map_init(&image->entities_by_name);
    hash_map_init(&image->services_by_name);
    image->revision = revision;
    builder->previous = previous;
    builder->image = image;
    return builder;
}

void catalog_builder_destroy(struct catalog_builder *builder)
{
    if (builder == NULL)
        return;
    catalog_destroy(builder->image);
    memory_free(builder->features);
    memory_free(builder->services);
    memory_free(builder->by_id);
    memory_free(builder);
}

/* Room for one more element of `size` bytes. */
static bool grow(void **items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    uint32_t wanted = *capacity ? *capacity * 2 : 16;
    void *grown = memory_realloc(*items, wanted * size);
    if (grown == NULL)
        return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

static bool copy_optional(struct arena *arena, struct optional_str *text)
{
    return !text->present || arena_copy_str(arena, text->text, &text->text);
}

static bool copy_definition_texts(struct arena *arena, struct feature_definition *definition)
{
    return arena_copy_str(arena, definition->name, &definition->name) &&
           arena_copy_str(arena, definition->entity, &definition->entity) &&
           arena_copy_str(arena, definition->tags_json, &definition->tags_json) &&
           copy_optional(arena, &definition->description) &&
           copy_optional(arena, &definition->feature_group) &&
           copy_optional(arena, &definition->source) &&
           copy_optional(arena, &definition->transformation);
}

static int compare_numbers(const void *a, const void *b)
{
    const struct catalog_version *x = a;
    const struct catalog_version *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* Copies the versions in order of number and finds the active one. */
static bool copy_versions(struct arena *arena, const struct catalog_builder_feature *from,
                          struct draft_feature *draft)
{
    struct catalog_version *versions =
        arena_alloc_array(arena, from->version_count, sizeof(*versions));
    if (versions == NULL)
        return false;
    for (uint32_t i = 0; i < from->version_count; i++) {
        const struct catalog_builder_version *version = &from->versions[i];
        versions[i] = (struct catalog_version){
            .id = version->id,
            .number = version->number,
            .data_type = version->data_type,
            .dimension = version->dimension,
            .dead_before_us = version->dead_before_us,
            .ttl_us = from->definition.ttl_seconds * 1000000,
            .feature = draft->feature,
            .created_at_us = version->created_at_us,
        };
    }
    qsort(versions, from->version_count, sizeof(*versions), compare_numbers);
    draft->versions = versions;
    draft->feature->versions = versions;
    draft->feature->version_count = from->version_count;
    draft->feature->active = catalog_feature_version(draft->feature, from->active_version);
    return true;
}

static status check_feature(const struct catalog_builder *builder,
                            const struct catalog_builder_feature *feature, struct error *error)
{
    str name = feature->definition.name;
    if (builder->feature_count >= LIMIT_FEATURES)
        return error_set(error, STATUS_INVALID, "too_many", "there can be at most %u features",
                         LIMIT_FEATURES);
    if (feature->version_count > LIMIT_VERSIONS_PER_FEATURE)
        return error_set(error, STATUS_INVALID, "too_many",
                         "feature '%.*s' can have at most %u versions", STR_ARG(name),
                         LIMIT_VERSIONS_PER_FEATURE);
    if (feature->definition.ttl_seconds < 0 || feature->definition.ttl_seconds > LIMIT_TTL_SECONDS)
        return error_set(error, STATUS_INTERNAL, "registry",
                         "feature '%.*s' has a TTL out of bounds in the registry", STR_ARG(name));
    if (hash_map_get(&builder->image->features_by_name, name) != NULL)
        return error_set(error, STATUS_INTERNAL, "registry",
                         "feature '%.*s' is twice in the registry", STR_ARG(name));
    return OK;
}

status catalog_builder_add_feature(struct catalog_builder *builder,
                                   const struct catalog_builder_feature *feature,
                                   struct error *error)
{
    struct arena *arena = &builder->image->arena;
    TRY(check_feature(builder, feature, error));
    if (!grow((void **)&builder->features, builder->feature_count, &builder->feature_capacity,
              sizeof(*builder->features)))
        return out_of_memory(error);
    struct catalog_feature *copy = arena_alloc_zero(arena, sizeof(*copy));
    if (copy == NULL)
        return out_of_memory(error);
    struct draft_feature draft = {.feature = copy};
    copy->id = feature->id;
    copy->definition = feature->definition;
    copy->created_at_us = feature->created_at_us;
    copy->updated_at_us = feature->updated_at_us;
    if (!copy_definition_texts(arena, &copy->definition) ||
        !copy_versions(arena, feature, &draft) ||
        !hash_map_put(&builder->image->features_by_name, copy->definition.name, copy))
        return out_of_memory(error);
    if (copy->active == NULL)
        return error_set(error, STATUS_INTERNAL, "registry",
                         "feature '%.*s' has no version %u in the registry, which is active",
                         STR_ARG(feature->definition.name), feature->active_version);
    copy->definition.data_type = copy->active->data_type;
    copy->definition.dimension = copy->active->dimension;
    builder->features[builder->feature_count++] = draft;
    builder->version_count += feature->version_count;
    return OK;
}

static bool copy_strs(struct arena *arena, const str *from, uint32_t count, const str **out)
{
    str *copies = arena_alloc_array(arena, count, sizeof(*copies));
    if (copies == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!arena_copy_str(arena, from[i], &copies[i]))
            return false;
    }
    *out = copies;
    return true;
}

static bool copy_service(struct arena *arena, const struct catalog_builder_service *from,
                         struct draft_service *draft)
{
    const struct service_definition *definition = &from->definition;
    uint32_t count = definition->feature_count;
    struct catalog_service *service = arena_alloc_zero(arena, sizeof(*service));
    uint64_t *ids = arena_alloc_array(arena, count, sizeof(*ids));
    draft->versions = arena_alloc_array(arena, count, sizeof(const struct catalog_version *));
    if (service == NULL || ids == NULL || draft->versions == NULL)
        return false;
    if (count > 0)
        memcpy(ids, from->version_ids, count * sizeof(*ids));
    draft->version_ids = ids;
    draft->service = service;
    service->id = from->id;
    service->description = definition->description;
    service->versions = draft->versions;
    service->feature_count = count;
    service->created_at_us = from->created_at_us;
    service->updated_at_us = from->updated_at_us;
    return arena_copy_str(arena, definition->name, &service->name) &&
           arena_copy_str(arena, definition->tags_json, &service->tags_json) &&
           copy_optional(arena, &service->description) &&
           copy_strs(arena, definition->features, count, &service->features) &&
           copy_strs(arena, from->resolved, count, &service->resolved);
}

status catalog_builder_add_service(struct catalog_builder *builder,
                                   const struct catalog_builder_service *service,
                                   struct error *error)
{
    struct draft_service draft;
    str name = service->definition.name;
    if (builder->service_count >= LIMIT_SERVICES)
        return error_set(error, STATUS_INVALID, "too_many",
                         "there can be at most %u feature services", LIMIT_SERVICES);
    if (hash_map_get(&builder->image->services_by_name, name) != NULL)
        return error_set(error, STATUS_INTERNAL, "registry",
                         "feature service '%.*s' is twice in the registry", STR_ARG(name));
    if (!grow((void **)&builder->services, builder->service_count, &builder->service_capacity,
              sizeof(*builder->services)) ||
        !copy_service(&builder->image->arena, service, &draft) ||
        !hash_map_put(&builder->image->services_by_name, draft.service->name, draft.service))
        return out_of_memory(error);
    builder->services[builder->service_count++] = draft;
    return OK;
}

/* A new entity at the next index. `previous`: what it was in the last image, or NULL. */
static status add_entity(struct catalog_builder *builder, str name,
                         const struct catalog_entity *previous, struct error *error)
{
    struct arena *arena = &builder->image->arena;
    if (builder->entity_count >= LIMIT_ENTITIES)
        return error_set(error, STATUS_INVALID, "too_many",
                         "entity '%.*s' is one too many: there can be at most %u until the next "
                         "restart",
                         STR_ARG(name), LIMIT_ENTITIES);
    struct catalog_entity *entity = arena_alloc_zero(arena, sizeof(*entity));
    if (entity == NULL || !arena_copy_str(arena, name, &entity->name) ||
        !hash_map_put(&builder->image->entities_by_name, entity->name, entity))
        return out_of_memory(error);
    entity->index = builder->entity_count;
    entity->slot_count = previous ? previous->slot_count : 0;
    builder->entities[builder->entity_count++] = (struct draft_entity){.entity = entity};
    return OK;
}

/* Entities keep the index they had, those without a feature too. */
static status carry_entities_over(struct catalog_builder *builder, struct error *error)
{
    const struct catalog *previous = builder->previous;
    for (uint32_t i = 0; previous && i < previous->entity_count; i++)
        TRY(add_entity(builder, previous->entities[i]->name, previous->entities[i], error));
    return OK;
}

/* The same version in the last image, or NULL. */
static const struct catalog_version *previous_version(const struct catalog_builder *builder,
                                                      const struct catalog_version *version)
{
    if (builder->previous == NULL)
        return NULL;
    const struct catalog_feature *feature =
        catalog_find_feature_id(builder->previous, version->feature->id);
    if (feature == NULL || !str_eq(feature->entity->name, version->feature->definition.entity))
        return NULL;
    const struct catalog_version *found = catalog_feature_version(feature, version->number);
    return found && found->id == version->id ? found : NULL;
}

static int compare_feature_ids(const void *a, const void *b)
{
    const struct draft_feature *x = a;
    const struct draft_feature *y = b;
    return (x->feature->id > y->feature->id) - (x->feature->id < y->feature->id);
}

static int compare_service_names(const void *a, const void *b)
{
    const struct draft_service *x = a;
    const struct draft_service *y = b;
    return str_compare(x->service->name, y->service->name);
}

/* Gives each feature its entity, each version the slot it had, and counts what is new. */
static status place_features(struct catalog_builder *builder, struct error *error)
{
    for (uint32_t i = 0; i < builder->feature_count; i++) {
        struct draft_feature *draft = &builder->features[i];
        str name = draft->feature->definition.entity;
        if (catalog_find_entity(builder->image, name) == NULL)
            TRY(add_entity(builder, name, NULL, error));
        const struct catalog_entity *entity = catalog_find_entity(builder->image, name);
        struct draft_entity *draft_entity = &builder->entities[entity->index];
        draft->feature->entity = entity;
        draft_entity->active_needed++;
        for (uint32_t v = 0; v < draft->feature->version_count; v++) {
            draft->versions[v].entity = entity;
            draft_entity->slots_needed +=
                previous_version(builder, &draft->versions[v]) == NULL ? 1 : 0;
        }
    }
    return OK;
}

/* Slots of the last image, all empty for now, and room for the new ones behind them. */
static status allocate_slots(struct catalog_builder *builder, struct error *error)
{
    struct arena *arena = &builder->image->arena;
    for (uint32_t i = 0; i < builder->entity_count; i++) {
        struct draft_entity *draft = &builder->entities[i];
        uint32_t held = draft->entity->slot_count;
        if (draft->slots_needed > LIMIT_SLOTS_PER_ENTITY - held)
            return error_set(error, STATUS_INVALID, "too_many",
                             "entity '%.*s' has no room for another feature version: it can have "
                             "%u until the next restart, deleted ones included",
                             STR_ARG(draft->entity->name), LIMIT_SLOTS_PER_ENTITY);
        draft->slots =
            arena_alloc_array(arena, (size_t)held + draft->slots_needed, sizeof(*draft->slots));
        draft->active =
            arena_alloc_array(arena, draft->active_needed, sizeof(const struct catalog_version *));
        if (draft->slots == NULL || draft->active == NULL)
            return out_of_memory(error);
        for (uint32_t slot = 0; slot < held; slot++) {
            draft->slots[slot] = builder->previous->entities[i]->slots[slot];
            draft->slots[slot].version = NULL;
        }
        draft->entity->slots = draft->slots;
        draft->entity->active = draft->active;
    }
    return OK;
}

static void fill_slots(struct catalog_builder *builder)
{
    uint32_t versions = 0;
    for (uint32_t i = 0; i < builder->feature_count; i++) {
        struct draft_feature *draft = &builder->features[i];
        struct draft_entity *entity = &builder->entities[draft->feature->entity->index];
        for (uint32_t v = 0; v < draft->feature->version_count; v++) {
            struct catalog_version *version = &draft->versions[v];
            const struct catalog_version *before = previous_version(builder, version);
            version->slot = before ? before->slot : entity->entity->slot_count++;
            if (before && before->dead_before_us > version->dead_before_us)
                version->dead_before_us = before->dead_before_us;
            entity->slots[version->slot] = (struct catalog_slot){
                .version_id = version->id,
                .version = version,
                .data_type = version->data_type,
                .dimension = version->dimension,
            };
            builder->by_id[versions++] = version;
        }
        entity->active[entity->entity->active_count++] = draft->feature->active;
    }
}

static int compare_version_ids(const void *a, const void *b)
{
    const struct catalog_version *x = *(const struct catalog_version *const *)a;
    const struct catalog_version *y = *(const struct catalog_version *const *)b;
    return (x->id > y->id) - (x->id < y->id);
}

static const struct catalog_version *find_version(const struct catalog_builder *builder,
                                                  uint64_t id)
{
    struct catalog_version wanted = {.id = id};
    const struct catalog_version *key = &wanted;
    const struct catalog_version *const *found =
        bsearch(&key, builder->by_id, builder->version_count, sizeof(key), compare_version_ids);
    return found ? *found : NULL;
}

/* A version that was deleted by force leaves NULL where it was named. */
static status resolve_services(struct catalog_builder *builder, struct error *error)
{
    qsort(builder->by_id, builder->version_count, sizeof(*builder->by_id), compare_version_ids);
    for (uint32_t i = 1; i < builder->version_count; i++) {
        if (builder->by_id[i]->id == builder->by_id[i - 1]->id)
            return error_set(error, STATUS_INTERNAL, "registry",
                             "version id %llu is twice in the registry",
                             (unsigned long long)builder->by_id[i]->id);
    }
    for (uint32_t i = 0; i < builder->service_count; i++) {
        struct draft_service *draft = &builder->services[i];
        for (uint32_t k = 0; k < draft->service->feature_count; k++)
            draft->versions[k] = find_version(builder, draft->version_ids[k]);
    }
    return OK;
}

/* The lists that readers walk. */
static status list_objects(struct catalog_builder *builder, struct error *error)
{
    struct catalog *image = builder->image;
    struct arena *arena = &image->arena;
    const struct catalog_feature **features =
        arena_alloc_array(arena, builder->feature_count, sizeof(const struct catalog_feature *));
    const struct catalog_service **services =
        arena_alloc_array(arena, builder->service_count, sizeof(const struct catalog_service *));
    const struct catalog_entity **entities =
        arena_alloc_array(arena, builder->entity_count, sizeof(const struct catalog_entity *));
    if (features == NULL || services == NULL || entities == NULL)
        return out_of_memory(error);
    for (uint32_t i = 0; i < builder->feature_count; i++)
        features[i] = builder->features[i].feature;
    for (uint32_t i = 0; i < builder->service_count; i++)
        services[i] = builder->services[i].service;
    for (uint32_t i = 0; i < builder->entity_count; i++)
        entities[i] = builder->entities[i].entity;
    image->features = features;
    image->feature_count = builder->feature_count;
    image->services = services;
    image->service_count = builder->service_count;
    image->entities = entities;
    image->entity_count = builder->entity_count;
    return OK;
}

status catalog_builder_finish(struct catalog_builder *builder, const struct catalog **out,
                              struct error *error)
{
    ASSERT(builder->by_id == NULL); /* finishing is tried once */
    builder->by_id =
        memory_alloc_array(builder->version_count, sizeof(const struct catalog_version *));
    if (builder->by_id == NULL)
        return out_of_memory(error);
    if (builder->feature_count > 0)
        qsort(builder->features, builder->feature_count, sizeof(*builder->features),
              compare_feature_ids);
    if (builder->service_count > 0)
        qsort(builder->services, builder->service_count, sizeof(*builder->services),
              compare_service_names);
    TRY(carry_entities_over(builder, error));
    TRY(place_features(builder, error));
    TRY(allocate_slots(builder, error));
    fill_slots(builder);
    TRY(resolve_services(builder, error));
    TRY(list_objects(builder, error));
    *out = builder->image;
    builder->image = NULL;
    catalog_builder_destroy(builder);
    return OK;
}

static bool has_version(const struct catalog_feature *feature, uint64_t version_id)
{
    for (uint32_t i = 0; feature && i < feature->version_count; i++) {
        if (feature->versions[i].id == version_id)
            return true;
    }
    return false;
}

void catalog_builder_end_ttl(const struct catalog *published, const struct catalog *unpublished,
                             int64_t feature_id, int64_t now_us, int64_t old_ttl_us)
{
    const struct catalog_feature *before = catalog_find_feature_id(published, feature_id);
    const struct catalog_feature *feature = catalog_find_feature_id(unpublished, feature_id);
    for (uint32_t i = 0; feature && i < feature->version_count; i++) {
        struct catalog_version *version =
            (struct catalog_version *)(uintptr_t)&feature->versions[i];
        if (!has_version(before, version->id))
            continue;
        version->dead_before_us =
            cell_rule_dead_before(version->dead_before_us, now_us, old_ttl_us);
    }
}
