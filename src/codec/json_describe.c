/* Definitions as answers (json_definition.h). */
#include <math.h>

#include "base/clock.h"
#include "base/json_string.h"
#include "codec/json_definition.h"
#include "codec/number_text.h"

static void put_text(struct buffer *out, const char *key, str text)
{
    buffer_append_format(out, ",\"%s\":", key);
    json_append_string(out, text);
}

static void put_optional_text(struct buffer *out, const char *key, const struct optional_str *text)
{
    if (text->present)
        put_text(out, key, text->text);
    else
        buffer_append_format(out, ",\"%s\":null", key);
}

/* 0 stands for none. */
static void put_positive(struct buffer *out, const char *key, int64_t number)
{
    if (number)
        buffer_append_format(out, ",\"%s\":%lld", key, (long long)number);
    else
        buffer_append_format(out, ",\"%s\":null", key);
}

static void put_number(struct buffer *out, const char *key, bool present, double number)
{
    char text[NUMBER_FLOAT_BYTES];
    if (present && isfinite(number)) {
        buffer_append_format(out, ",\"%s\":", key);
        buffer_append(out, text, (size_t)(number_write_double(text, number) - text));
    } else {
        buffer_append_format(out, ",\"%s\":null", key);
    }
}

static void put_time(struct buffer *out, const char *key, int64_t time_us)
{
    char text[CLOCK_RFC3339_MAX];
    put_text(out, key, str_of(text, clock_format_rfc3339(time_us, text)));
}

static void put_given(struct buffer *out, const char *key, const struct optional_double *number)
{
    put_number(out, key, number->present, number->value);
}

/* Before the first live value: what the definition says (`given`; NULL: nothing). */
static void put_statistics(struct buffer *out, const struct catalog_version *version,
                           const struct statistics *live, const struct feature_definition *given)
{
    bool measured = live->count > 0 && (data_type_is_numeric(version->data_type) ||
                                        version->data_type == DATA_TYPE_EMBEDDING);
    buffer_append_format(out, ",\"count\":%llu,\"null_count\":%llu",
                         (unsigned long long)live->count, (unsigned long long)live->null_count);
    if (live->count == 0 && given) {
        put_given(out, "min_value", &given->min_value);
        put_given(out, "max_value", &given->max_value);
        put_given(out, "mean_value", &given->mean_value);
        put_given(out, "std_dev", &given->std_dev);
    } else {
        put_number(out, "min_value", measured, live->min);
        put_number(out, "max_value", measured, live->max);
        put_number(out, "mean_value", measured, live->mean);
        put_number(out, "std_dev", measured, statistics_std_dev(live));
    }
    if (live->last_event_time_us == STATISTICS_NO_EVENT)
        buffer_append_str(out, STR(",\"last_event_timestamp\":null"));
    else
        put_time(out, "last_event_timestamp", live->last_event_time_us);
}

static void put_warnings(struct buffer *out, const struct json_unknown *unknown)
{
    if (unknown == NULL || unknown->count == 0)
        return;
    buffer_append_str(out, STR(",\"warnings\":["));
    for (uint32_t i = 0; i < unknown->count; i++) {
        struct buffer text;
        buffer_init(&text, SIZE_MAX);
        buffer_append_str(&text, STR("unknown field '"));
        buffer_append_str(&text, unknown->names[i]);
        buffer_append_str(&text, STR("' ignored"));
        if (i)
            buffer_append_char(out, ',');
        json_append_string(out, buffer_str(&text));
        out->failed |= text.failed;
        buffer_fini(&text);
    }
    buffer_append_char(out, ']');
}

void json_encode_registered(struct buffer *out, str message, int64_t id, str name,
                            uint32_t version, const struct json_unknown *unknown)
{
    buffer_append_str(out, STR("{\"message\":"));
    json_append_string(out, message);
    buffer_append_format(out, ",\"id\":%lld", (long long)id);
    put_text(out, "name", name);
    buffer_append_format(out, ",\"version\":%u", version);
    put_warnings(out, unknown);
    buffer_append_char(out, '}');
}

/* Without the closing brace. */
static void put_feature(struct buffer *out, const struct catalog_feature *feature,
                        const struct statistics *active_statistics)
{
    const struct feature_definition *definition = &feature->definition;
    const struct catalog_version *active = feature->active;
    buffer_append_format(out, "{\"id\":%lld", (long long)feature->id);
    put_text(out, "name", definition->name);
    put_optional_text(out, "description", &definition->description);
    put_text(out, "data_type", str_from_cstr(data_type_name(active->data_type)));
    put_text(out, "entity", definition->entity);
    put_optional_text(out, "feature_group", &definition->feature_group);
    buffer_append_format(out, ",\"is_nullable\":%s", definition->is_nullable ? "true" : "false");
    put_optional_text(out, "source", &definition->source);
    put_optional_text(out, "transformation", &definition->transformation);
    put_positive(out, "dimension", active->dimension);
    put_positive(out, "ttl_seconds", definition->ttl_seconds);
    buffer_append_str(out, STR(",\"tags\":"));
    buffer_append_str(out, definition->tags_json);
    buffer_append_format(out, ",\"version\":%u", active->number);
    put_statistics(out, active, active_statistics, definition);
    put_time(out, "created_at", feature->created_at_us);
    put_time(out, "updated_at", feature->updated_at_us);
}

static void put_version(struct buffer *out, const struct catalog_version *version, bool active,
                        const struct statistics *statistics)
{
    buffer_append_format(out, "{\"version\":%u,\"active\":%s", version->number,
                         active ? "true" : "false");
    put_text(out, "data_type", str_from_cstr(data_type_name(version->data_type)));
    put_positive(out, "dimension", version->dimension);
    put_statistics(out, version, statistics, active ? &version->feature->definition : NULL);
    put_time(out, "created_at", version->created_at_us);
    buffer_append_char(out, '}');
}

/* `statistics` are every version's; NULL: only the active version has some. */
static void put_versions(struct buffer *out, const struct catalog_feature *feature,
                         const struct statistics *statistics,
                         const struct statistics *active_statistics)
{
    struct statistics none;
    statistics_init(&none);
    buffer_append_str(out, STR(",\"versions\":["));
    for (uint32_t i = 0; i < feature->version_count; i++) {
        const struct catalog_version *version = &feature->versions[i];
        bool active = version == feature->active;
        if (i)
            buffer_append_char(out, ',');
        put_version(out, version, active,
                    active ? active_statistics : statistics ? &statistics[i] : &none);
    }
    buffer_append_char(out, ']');
}

void json_encode_feature(struct buffer *out, const struct catalog_feature *feature,
                         const struct statistics *active_statistics, bool with_versions)
{
    put_feature(out, feature, active_statistics);
    if (with_versions)
        put_versions(out, feature, NULL, active_statistics);
    buffer_append_char(out, '}');
}

void json_encode_feature_versions(struct buffer *out, const struct catalog_feature *feature,
                                  const struct statistics *statistics)
{
    const struct statistics *active = &statistics[feature->active - feature->versions];
    put_feature(out, feature, active);
    put_versions(out, feature, statistics, active);
    buffer_append_char(out, '}');
}

static void put_strings(struct buffer *out, const char *key, const str *texts, uint32_t count)
{
    buffer_append_format(out, ",\"%s\":[", key);
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buffer_append_char(out, ',');
        json_append_string(out, texts[i]);
    }
    buffer_append_char(out, ']');
}

void json_encode_service_changed(struct buffer *out, const struct catalog_service *service,
                                 const struct json_unknown *unknown)
{
    buffer_append_str(out, STR("{\"name\":"));
    json_append_string(out, service->name);
    put_strings(out, "features", service->features, service->feature_count);
    put_strings(out, "resolved", service->resolved, service->feature_count);
    put_optional_text(out, "description", &service->description);
    buffer_append_str(out, STR(",\"tags\":"));
    buffer_append_str(out, service->tags_json.len ? service->tags_json : STR("{}"));
    put_time(out, "created_at", service->created_at_us);
    put_time(out, "updated_at", service->updated_at_us);
    put_warnings(out, unknown);
    buffer_append_char(out, '}');
}

void json_encode_service(struct buffer *out, const struct catalog_service *service)
{
    json_encode_service_changed(out, service, NULL);
}
