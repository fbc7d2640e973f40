/* The difference between definition files and what the server has: what `featured apply` shows and
 * then does. Nothing that is not in the files is touched. Pure: no I/O. */
#ifndef FEATURED_CLI_PLAN_H
#define FEATURED_CLI_PLAN_H

#include "cli/definition_file.h"
#include "cli/registered.h"

enum plan_action {
    PLAN_UNCHANGED,
    PLAN_CREATE,
    PLAN_CHANGE,   /* in place */
    PLAN_VERSION,  /* another type: a new version, and maybe changes in place too */
    PLAN_ACTIVATE, /* nothing but that */
    PLAN_REFUSED,  /* cannot be done; details say why */
};

struct plan_item {
    enum plan_action action;
    const struct file_feature *feature; /* one of the two */
    const struct file_service *service;
    bool put;         /* the definition has to be sent */
    bool activate;    /* and then the version made active */
    uint32_t version; /* of a feature: the one this definition describes */
    str details;      /* lines, each ended by a line feed; what changes, or why it is refused */
    str note;         /* empty, or something to know that changes nothing */
};

struct plan {
    struct plan_item *items; /* features before services, each in the order of the files */
    size_t count;
    size_t change_count; /* items to be sent or activated */
    size_t refused_count;
};

/* Whether the versions of this feature have to be known (registered_set_versions()) before a plan
 * can be made: its type is not the active version's. */
bool plan_needs_versions(const struct feature_definition *wanted,
                         const struct registered_feature *current);
/* Everything lives in the set's arena. False without memory. */
MUST_CHECK bool plan_make(struct definition_set *set, const struct registered *registered,
                          bool activate, struct plan *out);

#endif
