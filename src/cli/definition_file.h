/* Definitions of features and feature services in YAML files (docs/cli.md). Every mistake is
 * collected with file and line, so that one run shows them all. What was read is checked with the
 * rules of the model, those the server applies. One owner; texts live in the set's arena. */
#ifndef FEATURED_CLI_DEFINITION_FILE_H
#define FEATURED_CLI_DEFINITION_FILE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "model/definition.h"

#define DEFINITION_FILE_BYTES_MAX ((size_t)64 << 20) /* 10,000 definitions with long texts fit */
#define DEFINITION_ERRORS_MAX 50u                    /* further ones are only counted */

/* Where a definition stands. */
struct definition_place {
    const char *file;
    unsigned line;
};

struct file_feature {
    struct feature_definition definition;
    struct definition_place place;
};

struct file_service {
    struct service_definition definition;
    struct definition_place place;
};

struct definition_set {
    struct arena arena;
    struct file_feature *features; /* in the order of the files */
    size_t feature_count;
    size_t feature_capacity;
    struct file_service *services;
    size_t service_count;
    size_t service_capacity;
    struct buffer errors; /* "FILE:LINE: message\n" each */
    size_t error_count;
};

void definition_set_init(struct definition_set *set);
void definition_set_fini(struct definition_set *set);
/* Adds what the text defines. False if something is wrong: see errors. `file` is borrowed by the
 * set. */
bool definition_set_add(struct definition_set *set, const char *file, str text);

#endif
