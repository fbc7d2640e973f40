/* What was found in a data directory, for people and for programs. */
#ifndef FEATURED_CLI_CHECK_REPORT_H
#define FEATURED_CLI_CHECK_REPORT_H

#include "base/buffer.h"
#include "server/data_check.h"

/* Files, entities, the log; then what is wrong, or that nothing is. */
void check_report_append(struct buffer *out, const char *path, const struct data_check *check);
/* One JSON object, with a line feed. */
void check_report_append_json(struct buffer *out, const char *path, const struct data_check *check);
/* Rows of the store as far as files tell: of the newest snapshot and of the log after it. */
uint64_t check_report_rows(const struct data_check *check, uint64_t *log_rows);

#endif
