#include "registry/postgres/postgres_failure.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_BYTES 512

struct meaning {
    const char *sqlstate; /* or how it begins */
    enum status_code code;
    bool ends_connection;
    const char *text;
};

/* The first that fits. */
static const struct meaning MEANINGS[] = {
    {"55P03", STATUS_BUSY, false, "another server holds its lock"},
    {"40", STATUS_BUSY, false, "others were changing the same: try again"},
    {"57014", STATUS_UNAVAILABLE, false, "a statement took too long"},
    {"57", STATUS_UNAVAILABLE, true, "the server is shutting down or starting"},
    {"53", STATUS_UNAVAILABLE, false, "the server lacks resources"},
    {"58", STATUS_UNAVAILABLE, true, "the server has a system error"},
    {"XX", STATUS_UNAVAILABLE, true, "the server has an internal error"},
    {"08", STATUS_UNAVAILABLE, true, "the connection was lost"},
    {"25P03", STATUS_UNAVAILABLE, true, "the connection was lost"},
    {"25006", STATUS_UNAVAILABLE, true, "the server takes no writes: it is a standby or read-only"},
    {"42501", STATUS_UNAVAILABLE, false, "its user lacks a privilege"},
    {"42P07", STATUS_UNAVAILABLE, false,
     "another application has a table of that name: give featured a database or a schema of its "
     "own"},
    {"26", STATUS_UNAVAILABLE, true, "the connection has forgotten its statements"},
    {"0A000", STATUS_UNAVAILABLE, true, "the tables have changed"},
    {"22", STATUS_INVALID, false, "it cannot hold a value"},
    {"23505", STATUS_CONFLICT, false, "another has the same name or id"},
    {"23", STATUS_INVALID, false, "it does not allow a value"},
    {"", STATUS_INTERNAL, false, "a statement failed"},
};

static const struct meaning *find_meaning(const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const struct meaning *meaning = MEANINGS;
    if (sqlstate == NULL) /* libpq's own: there was no answer */
        sqlstate = "08006";
    while (strncmp(sqlstate, meaning->sqlstate, strlen(meaning->sqlstate)) != 0)
        meaning++;
    return meaning;
}

/* In one line, and without the quotes that a log line would end at. */
static void copy_message(const char *message, char out[MESSAGE_BYTES])
{
    size_t len = 0;
    for (; *message && len < MESSAGE_BYTES - 1; message++) {
        bool is_space = (unsigned char)*message <= ' ';
        if (!is_space)
            out[len++] = *message == '"' ? '\'' : *message;
        else if (len > 0 && out[len - 1] != ' ')
            out[len++] = ' ';
    }
    while (len > 0 && out[len - 1] == ' ')
        len--;
    out[len] = '\0';
}

static const char *first_of(const char *text, const char *otherwise)
{
    return text && text[0] ? text : otherwise;
}

status postgres_failure_of(const PGresult *result, const PGconn *pg, struct error *error)
{
    char message[MESSAGE_BYTES];
    char detail[MESSAGE_BYTES];
    const struct meaning *meaning = find_meaning(result);
    copy_message(first_of(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
                          first_of(PQresultErrorMessage(result), PQerrorMessage(pg))),
                 message);
    copy_message(first_of(PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL), ""), detail);
    if (meaning->code == STATUS_INVALID)
        error_loc_name(error, STR("body"));
    return error_set(error, meaning->code, "registry",
                     "the registry failed: %s (PostgreSQL: %s%s%s)", meaning->text, message,
                     detail[0] ? ": " : "", detail);
}

status postgres_failure_lost(const PGconn *pg, struct error *error)
{
    char message[MESSAGE_BYTES];
    copy_message(first_of(PQerrorMessage(pg), "the connection was closed"), message);
    return error_set(error, STATUS_UNAVAILABLE, "registry",
                     "the registry failed: PostgreSQL cannot be reached (%s)", message);
}

bool postgres_failure_ends_connection(const PGresult *result)
{
    ExecStatusType kind = PQresultStatus(result);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (kind != PGRES_FATAL_ERROR && kind != PGRES_BAD_RESPONSE)
        return false;
    return find_meaning(result)->ends_connection ||
           (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0));
}
