#include "model/statistics.h"

#include <math.h>

void statistics_init(struct statistics *statistics)
{
    *statistics = (struct statistics){.last_event_time_us = STATISTICS_NO_EVENT};
}

/* In double: the square of a float32 and the sum of 16,384 of them stay finite. */
static double euclidean_norm(const struct value_embedding *embedding)
{
    double sum = 0;
    for (uint32_t i = 0; i < embedding->dimension; i++) {
        float element;
        memcpy(&element, (const char *)embedding->data + i * sizeof(float), sizeof(element));
        sum += (double)element * (double)element;
    }
    return sqrt(sum);
}

/* The number a value counts as; false for types that are only counted. */
static bool numeric_of(const struct value *value, double *out)
{
    switch (value->type) {
    case DATA_TYPE_INT:
        *out = (double)value->integer;
        return true;
    case DATA_TYPE_FLOAT:
        *out = value->real + 0.0; /* -0.0 as 0.0: a registry need not tell them apart */
        return true;
    case DATA_TYPE_EMBEDDING:
        *out = euclidean_norm(&value->embedding);
        return true;
    default:
        return false;
    }
}

/* `weight` of the way from a to b. The difference of two large values may overflow where the result
 * does not. */
static double move_towards(double a, double b, double weight)
{
    double delta = b - a;
    return isfinite(delta) ? a + delta * weight : a * (1 - weight) + b * weight;
}

static void add_number(struct statistics *statistics, double number)
{
    bool first = statistics->count == 1;
    double before = statistics->mean;
    statistics->mean = first ? number : move_towards(before, number, 1 / (double)statistics->count);
    if (!first)
        statistics->m2 += (number - before) * (number - statistics->mean);
    if (first || number < statistics->min)
        statistics->min = number;
    if (first || number > statistics->max)
        statistics->max = number;
}

void statistics_add(struct statistics *statistics, const struct value *value, int64_t event_time_us)
{
    double number;
    if (event_time_us > statistics->last_event_time_us)
        statistics->last_event_time_us = event_time_us;
    if (value->is_null) {
        statistics->null_count++;
        return;
    }
    statistics->count++;
    if (numeric_of(value, &number))
        add_number(statistics, number);
}

static void merge_numbers(struct statistics *into, const struct statistics *from)
{
    if (from->count == 0)
        return;
    if (into->count == 0) {
        into->min = from->min;
        into->max = from->max;
        into->mean = from->mean;
        into->m2 = from->m2;
        return;
    }
    double a = (double)into->count;
    double b = (double)from->count;
    double delta = from->mean - into->mean;
    into->m2 += from->m2 + delta * delta * (a * b / (a + b));
    into->mean = move_towards(into->mean, from->mean, b / (a + b));
    if (from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
}

void statistics_merge(struct statistics *into, const struct statistics *from)
{
    merge_numbers(into, from);
    into->count += from->count;
    into->null_count += from->null_count;
    if (from->last_event_time_us > into->last_event_time_us)
        into->last_event_time_us = from->last_event_time_us;
}

double statistics_std_dev(const struct statistics *statistics)
{
    return statistics->count < 2 ? 0 : sqrt(statistics->m2 / (double)statistics->count);
}
