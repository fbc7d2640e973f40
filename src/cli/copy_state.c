#include "cli/copy_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/file.h"

#define FILE_BYTES_MAX 131072u
#define PATH_BYTES_MAX 4096u
#define HEAD STR("featured copy 1")
#define COPIED STR("copied")

void copy_state_init(struct copy_state *state, const char *path, const char *from, const char *to)
{
    *state = (struct copy_state){.path = path, .from = from, .to = to};
    buffer_init(&state->position, FILE_BYTES_MAX);
}

void copy_state_fini(struct copy_state *state)
{
    buffer_fini(&state->position);
}

/* "NAME value": the value of the next line, if it is that one. */
static bool take_line(str *rest, str name, str *value)
{
    str line = str_split(*rest, '\n', rest);
    if (!str_starts_with(line, name) || line.len <= name.len || line.data[name.len] != ' ')
        return false;
    *value = str_of(line.data + name.len + 1, line.len - name.len - 1);
    return true;
}

static status read_state(struct copy_state *state, str text, struct error *error)
{
    str from, to, at;
    if (!str_eq(str_split(text, '\n', &text), HEAD) || !take_line(&text, STR("from"), &from) ||
        !take_line(&text, STR("to"), &to) || !take_line(&text, STR("at"), &at))
        return error_set(error, STATUS_INVALID, "state", "%s holds no state of a copy",
                         state->path);
    if (!str_eq(from, str_from_cstr(state->from)) || !str_eq(to, str_from_cstr(state->to)))
        return error_set(error, STATUS_INVALID, "state",
                         "%s is of a copy from %.*s to %.*s; give another file, or remove it",
                         state->path, STR_ARG(from), STR_ARG(to));
    state->is_copied = str_eq(at, COPIED);
    if (!state->is_copied)
        buffer_append_str(&state->position, at);
    return OK;
}

status copy_state_load(struct copy_state *state, struct error *error)
{
    struct buffer text;
    if (state->path == NULL)
        return OK;
    buffer_init(&text, FILE_BYTES_MAX);
    status result = file_read(state->path, &text, error);
    if (result.code == STATUS_NOT_FOUND)
        result = OK;
    else if (status_is_ok(result))
        result = read_state(state, buffer_str(&text), error);
    buffer_fini(&text);
    return result;
}

static bool write_text(const char *path, const struct copy_state *state)
{
    str at = state->is_copied ? COPIED : buffer_str(&state->position);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    bool fine = fprintf(file, "%.*s\nfrom %s\nto %s\nat %.*s\n", STR_ARG(HEAD), state->from,
                        state->to, STR_ARG(at)) > 0;
    return (fclose(file) == 0) && fine;
}

status copy_state_save(const struct copy_state *state, struct error *error)
{
    char path[PATH_BYTES_MAX];
    if (state->path == NULL)
        return OK;
    int len = snprintf(path, sizeof(path), "%s.new", state->path);
    if (len > 0 && len < (int)sizeof(path) && write_text(path, state) &&
        rename(path, state->path) == 0)
        return OK;
    return error_set(error, STATUS_IO, "state", "cannot write %s: %s", state->path,
                     strerror(errno));
}

void copy_state_remove(const struct copy_state *state)
{
    if (state->path != NULL)
        (void)unlink(state->path);
}
