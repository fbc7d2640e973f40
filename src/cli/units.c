#include "cli/units.h"

#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

#define KIB UINT64_C(1024)
#define KB UINT64_C(1000)

static const struct unit SIZES[] = {
    {"", 1},
    {"b", 1},
    {"k", KIB},
    {"kib", KIB},
    {"kb", KB},
    {"m", KIB *KIB},
    {"mib", KIB *KIB},
    {"mb", KB *KB},
    {"g", KIB *KIB *KIB},
    {"gib", KIB *KIB *KIB},
    {"gb", KB *KB *KB},
    {"t", KIB *KIB *KIB *KIB},
    {"tib", KIB *KIB *KIB *KIB},
    {"tb", KB *KB *KB *KB},
};

static const struct unit DURATIONS[] = {
    {"ms", 1},      {"s", 1000},     {"m", 60000},     {"min", 60000},
    {"h", 3600000}, {"d", 86400000}, {"w", 604800000},
};

static const struct unit *find_unit(const struct unit *units, size_t count, str name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq_nocase(name, str_from_cstr(units[i].name)))
            return &units[i];
    }
    return NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes "12" or "1.5" from the front: value = whole + fraction / 1000 (further digits are cut). */
static bool take_number(str *text, uint64_t *whole, uint64_t *thousandths)
{
    size_t i = 0;
    while (i < text->len && is_digit(text->data[i]))
        i++;
    if (!str_to_uint64(str_of(text->data, i), whole))
        return false;
    *thousandths = 0;
    if (i < text->len && text->data[i] == '.') {
        uint64_t unit = 100;
        size_t first = ++i;
        for (; i < text->len && is_digit(text->data[i]); i++, unit /= 10)
            *thousandths += unit * (uint64_t)(text->data[i] - '0');
        if (i == first)
            return false;
    }
    *text = str_of(text->data + i, text->len - i);
    return true;
}

static bool scale(uint64_t whole, uint64_t thousandths, uint64_t factor, uint64_t *out)
{
    uint64_t product;
    if (__builtin_mul_overflow(whole, factor, &product))
        return false;
    /* thousandths < 1000 and factor ≤ 2^40: no overflow */
    return !__builtin_add_overflow(product, thousandths * factor / 1000, out);
}

bool units_parse_size(str text, uint64_t *bytes)
{
    uint64_t whole, thousandths, value;
    if (!take_number(&text, &whole, &thousandths))
        return false;
    const struct unit *unit = find_unit(SIZES, ARRAY_LEN(SIZES), str_trim(text));
    if (unit == NULL || !scale(whole, thousandths, unit->factor, &value))
        return false;
    *bytes = value;
    return true;
}

bool units_parse_duration_ms(str text, int64_t bare_unit_ms, int64_t *ms)
{
    uint64_t total = 0;
    uint64_t bare;
    if (str_to_uint64(text, &bare)) {
        if (__builtin_mul_overflow(bare, (uint64_t)bare_unit_ms, &total) || total > INT64_MAX)
            return false;
        *ms = (int64_t)total;
        return true;
    }
    if (text.len == 0)
        return false;
    while (text.len > 0) {
        uint64_t whole, thousandths, part;
        size_t letters = 0;
        if (!take_number(&text, &whole, &thousandths))
            return false;
        while (letters < text.len && !is_digit(text.data[letters]))
            letters++;
        const struct unit *unit =
            find_unit(DURATIONS, ARRAY_LEN(DURATIONS), str_of(text.data, letters));
        if (unit == NULL || !scale(whole, thousandths, unit->factor, &part) ||
            __builtin_add_overflow(total, part, &total))
            return false;
        text = str_of(text.data + letters, text.len - letters);
    }
    if (total > INT64_MAX)
        return false;
    *ms = (int64_t)total;
    return true;
}

bool units_parse_address(str text, char host[UNITS_HOST_MAX], uint16_t *port)
{
    const char *colon = text.len ? memrchr(text.data, ':', text.len) : NULL;
    uint64_t number;
    if (colon == NULL)
        return false;
    size_t host_len = (size_t)(colon - text.data);
    str name = str_of(text.data, host_len);
    if (!str_to_uint64(str_of(colon + 1, text.len - host_len - 1), &number) || number > UINT16_MAX)
        return false;
    bool bracketed = name.len >= 2 && name.data[0] == '[' && name.data[name.len - 1] == ']';
    if (bracketed)
        name = str_of(name.data + 1, name.len - 2);
    /* an IPv6 address needs its brackets: its last group could pass for a port */
    if (name.len >= UNITS_HOST_MAX || (!bracketed && memchr(name.data, ':', name.len) != NULL) ||
        (bracketed && name.len == 0))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.data[i] <= ' ' || strchr("[]/\x7f", name.data[i]) != NULL)
            return false;
    }
    memcpy(host, name.data, name.len);
    host[name.len] = '\0';
    *port = (uint16_t)number;
    return true;
}
