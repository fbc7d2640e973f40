/* The pure decision behind every change of a definition (design.md §7): what is there + what is
 * asked + when → what has to be written. Shared by all SQL drivers, so that a registry on SQLite
 * and one on PostgreSQL decide alike. No clock, no memory, no SQL. */
#ifndef FEATURED_MODEL_DEFINITION_CHANGE_H
#define FEATURED_MODEL_DEFINITION_CHANGE_H

#include "model/catalog_builder.h"

struct definition_change {
    bool create; /* insert the feature with the definition's columns; `version` is 1 and active */
    bool update; /* write the definition's columns; updated_at moves */
    bool add_version; /* insert `version` with the definition's type and dimension, not active */
    bool activate;    /* `version` becomes what the bare name means; updated_at moves */
    bool move_dead_before; /* the TTL changes: definition_change_dead_before() for every version */
    uint32_t version;      /* the number that the definition describes, or that was named */
};

/* `current` is the feature as it is now, NULL if the name is free. */

/* CONFLICT "Feature already exists: …" if the name is taken. */
MUST_CHECK status definition_change_register(const struct catalog_builder_feature *current,
                                             struct definition_change *out, struct error *error);
/* Creates, changes columns, or makes a version that has yet to be activated. A definition that says
 * what is there already changes nothing, so asking twice is harmless. CONFLICT if the entity is
 * another. */
MUST_CHECK status definition_change_put(const struct catalog_builder_feature *current,
                                        const struct feature_definition *requested,
                                        struct definition_change *out, struct error *error);
/* NOT_FOUND without the feature, or without that version of it. */
MUST_CHECK status definition_change_activate(const struct catalog_builder_feature *current,
                                             uint32_t version, struct definition_change *out,
                                             struct error *error);

/* What `dead_before` of one version becomes when the feature's TTL is replaced at `now_us`. */
int64_t definition_change_dead_before(const struct catalog_builder_feature *current,
                                      const struct catalog_builder_version *version,
                                      int64_t now_us);

#endif
