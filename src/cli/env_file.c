#include "cli/env_file.h"

#include <string.h>

#include "base/memory.h"
#include "cli/file.h"

static bool is_name_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static char *skip_blanks(char *at)
{
    while (*at == ' ' || *at == '\t' || *at == '\r')
        at++;
    return at;
}

/* Terminates a bare value before its comment and without the blanks at its end. */
static void end_bare_value(char *value)
{
    char *end = value;
    for (char *at = value; *at != '\0'; at++) {
        if (*at == '#' && (at == value || at[-1] == ' ' || at[-1] == '\t'))
            break;
        if (*at != ' ' && *at != '\t' && *at != '\r')
            end = at + 1;
    }
    *end = '\0';
}

/* A quoted value: terminated at its closing quote, after which only a comment may stand. */
static bool end_quoted_value(char *quote)
{
    char *close = strchr(quote + 1, quote[0]);
    if (close == NULL)
        return false;
    *close = '\0';
    char *rest = skip_blanks(close + 1);
    return *rest == '\0' || *rest == '#';
}

/* One terminated line; *present tells a setting from a blank or a comment. NULL, or what is wrong.
 */
static const char *parse_line(char *line, struct env_line *out, bool *present)
{
    char *at = skip_blanks(line);
    *present = false;
    if (*at == '\0' || *at == '#')
        return NULL;
    if (strncmp(at, "export ", 7) == 0)
        at = skip_blanks(at + 7);
    char *name = at;
    while (is_name_char(*at))
        at++;
    char *name_end = at;
    at = skip_blanks(at);
    if (name_end == name || *at != '=')
        return "expected NAME=value";
    char *value = skip_blanks(at + 1);
    *name_end = '\0';
    if (*value == '"' || *value == '\'') {
        if (!end_quoted_value(value))
            return "the quoted value does not end on this line, or something follows it";
        value++;
    } else {
        end_bare_value(value);
    }
    out->name = name;
    out->value = value;
    *present = true;
    return NULL;
}

static status parse_lines(struct env_file *file, struct error *error)
{
    uint32_t number = 0;
    char *next = file->text;
    while (next != NULL) {
        char *line = next;
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        number++;
        bool present;
        struct env_line *slot = &file->lines[file->count];
        const char *problem = parse_line(line, slot, &present);
        if (problem != NULL)
            return error_set(error, STATUS_MALFORMED, "env_file", "%s:%u: %s", file->path, number,
                             problem);
        if (present) {
            slot->line = number;
            file->count++;
        }
    }
    return OK;
}

static size_t count_lines(str text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    return lines;
}

status env_file_parse(const char *path, str text, struct env_file *out, struct error *error)
{
    struct env_file file = {0};
    status result = status_of(STATUS_OUT_OF_MEMORY);
    *out = file;
    if (text.len >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0)
        text = str_of(text.data + 3, text.len - 3);
    if (text.len && memchr(text.data, '\0', text.len) != NULL)
        return error_set(error, STATUS_MALFORMED, "env_file", "%s holds a NUL byte: it is no text",
                         path);
    file.path = memory_alloc(strlen(path) + 1);
    file.text = memory_alloc(text.len + 1);
    file.lines = memory_alloc_array(count_lines(text), sizeof(*file.lines));
    if (file.path == NULL || file.text == NULL || file.lines == NULL)
        goto out;
    strcpy(file.path, path);
    if (text.len)
        memcpy(file.text, text.data, text.len);
    file.text[text.len] = '\0';
    result = parse_lines(&file, error);
out:
    if (!status_is_ok(result)) {
        env_file_fini(&file);
        return result;
    }
    *out = file;
    return OK;
}

status env_file_load(const char *path, struct env_file *out, struct error *error)
{
    struct buffer text;
    *out = (struct env_file){0};
    buffer_init(&text, ENV_FILE_BYTES_MAX);
    status result = file_read(path, &text, error);
    if (status_is_ok(result))
        result = env_file_parse(path, buffer_str(&text), out, error);
    buffer_fini(&text);
    return result;
}

void env_file_fini(struct env_file *file)
{
    memory_free(file->path);
    memory_free(file->text);
    memory_free(file->lines);
    *file = (struct env_file){0};
}

const struct env_line *env_file_find(const struct env_file *file, const char *name)
{
    for (uint32_t i = file->count; i-- > 0;) {
        if (strcmp(file->lines[i].name, name) == 0)
            return &file->lines[i];
    }
    return NULL;
}
