#include "durable_values.h"

#include <stdio.h>
#include <string.h>

#include "model/limits.h"

#define EMBEDDING_MAX 40

static uint64_t mix(uint64_t number)
{
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return number ^ (number >> 27);
}

bool values_is_null(uint64_t number, uint32_t feature)
{
    return mix(number * 31 + feature) % 9 == 0;
}

static size_t text_len(uint64_t mixed)
{
    switch (mixed % 16) {
    case 0:
        return mixed % VALUES_TEXT_BYTES;
    case 1:
    case 2:
        return mixed % 600;
    default:
        return mixed % 40;
    }
}

static struct value_embedding embedding(uint64_t number, uint64_t mixed, struct values_text *text)
{
    float *numbers = (float *)(void *)text->bytes;
    for (uint32_t i = 0; i < EMBEDDING_MAX; i++)
        numbers[i] = (float)number + (float)i / 4;
    return (struct value_embedding){numbers, 1 + (uint32_t)(mixed % EMBEDDING_MAX)};
}

struct value values_of(enum data_type type, uint64_t number, bool is_null, struct values_text *text)
{
    struct value value = {.type = type, .is_null = is_null};
    uint64_t mixed = mix(number + 1);
    switch (type) {
    case DATA_TYPE_INT:
        value.integer = (int64_t)number;
        break;
    case DATA_TYPE_FLOAT:
        value.real = (double)number / 3;
        break;
    case DATA_TYPE_BOOLEAN:
        value.boolean = mixed & 1;
        break;
    case DATA_TYPE_TIMESTAMP:
        value.timestamp_us = (int64_t)number - 50;
        break;
    case DATA_TYPE_EMBEDDING:
        value.embedding = embedding(number, mixed, text);
        break;
    default:
        value.text = str_of(text->bytes, text_len(mixed));
        for (size_t i = 0; i < value.text.len; i++)
            text->bytes[i] = (char)('a' + (mixed >> (i % 50)) % 26);
    }
    return value;
}

void values_id(uint32_t id, char out[VALUES_ID_BYTES])
{
    int len = snprintf(out, VALUES_ID_BYTES, "id_%u", id);
    if (id == 3) {
        memset(out + len, '.', LIMIT_ENTITY_ID_BYTES - (size_t)len);
        out[LIMIT_ENTITY_ID_BYTES] = '\0';
    }
}
