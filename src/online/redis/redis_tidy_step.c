#include "online/redis/redis_tidy_step.h"

#include <stdio.h>

#include "base/assert.h"
#include "online/redis/redis_tidy_row.h"

#define KEYS_MAX 5000u /* SCAN may give more than it was asked for */
#define LOOKS_MAX 5u   /* at a row that changes meanwhile */

enum row_question { ROW_EVENT_TIMES, ROW_FIELDS, ROW_TTL, ROW_QUESTIONS };

struct redis_tidy_step_row {
    struct redis_command commands[ROW_QUESTIONS];
    struct redis_tidy_step *step;
    struct redis_call call;
    str key;
    uint32_t waiting;
    uint32_t looks;
    bool has_failed;
    struct redis_tidy_row row;
};

static void submit_rows(struct redis_tidy_step *step);

static void row_finished(struct redis_tidy_step_row *row, bool is_missed)
{
    struct redis_tidy_step *step = row->step;
    ASSERT(step->in_flight > 0);
    step->in_flight--;
    step->has_missed |= is_missed;
    submit_rows(step);
}

static void look(struct redis_tidy_step_row *row)
{
    struct redis_client *client = row->step->on->client;
    row->waiting = ROW_QUESTIONS;
    row->looks++;
    row->has_failed = false;
    row->row = (struct redis_tidy_row){0};
    for (uint32_t i = 0; i < ROW_QUESTIONS; i++)
        redis_client_submit(client, &row->commands[i]);
}

/* {1}: done. {0}: somebody wrote to it since it was looked at. */
static void call_done(struct redis_call *call, enum redis_outcome outcome, const redisReply *reply)
{
    struct redis_tidy_step_row *row = call->user;
    struct redis_loop *on = row->step->on;
    loop_enter(on->loop);
    bool is_answer = outcome == REDIS_ANSWERED && reply->type == REDIS_REPLY_ARRAY &&
                     reply->elements == 1 && reply->element[0]->type == REDIS_REPLY_INTEGER;
    bool is_done = is_answer && reply->element[0]->integer == 1;
    redis_call_fini(&row->call);
    if (is_done)
        redis_count(&on->store->rows_tidied, 1);
    if (is_answer && !is_done && row->looks < LOOKS_MAX && !redis_tidy_is_ended(on))
        look(row);
    else
        row_finished(row, !is_done);
}

static str decimal(int64_t number, char text[static 24])
{
    return str_of(text, (size_t)snprintf(text, 24, "%lld", (long long)number));
}

static bool call_tidy(struct redis_tidy_step_row *row)
{
    const struct redis_tidy_row *decided = &row->row;
    struct redis_loop *on = row->step->on;
    char text[24];
    redis_call_init(&row->call, on->client, &on->rows.script_loads);
    redis_call_begin(&row->call, &redis_script_tidy, row->key, 4 + decided->dropped_count);
    redis_call_add(&row->call, decided->event_times);
    redis_call_add(&row->call, decimal(decided->field_count, text));
    redis_call_add(&row->call, decided->new_event_times);
    redis_call_add(&row->call, decided->keeps_expiry ? STR("=")
                               : decided->end_ms == REDIS_NEVER_MS
                                   ? STR("")
                                   : decimal(decided->end_ms, text));
    for (uint32_t i = 0; i < decided->dropped_count; i++)
        redis_call_add(&row->call, decided->dropped[i]);
    if (status_is_ok(redis_call_submit(&row->call, call_done, row)))
        return true;
    redis_call_fini(&row->call);
    return false;
}

/* All that there is to know of the row has come. */
static void decide_row(struct redis_tidy_step_row *row)
{
    struct redis_tidy_step *step = row->step;
    str rest;
    str entity_name = str_split(row->key, ':', &rest);
    if (row->has_failed || redis_tidy_is_ended(step->on)) {
        row_finished(row, true);
        return;
    }
    row->row.entity = catalog_find_entity(redis_catalog(step->on), entity_name);
    row->row.largest_id = step->largest_id;
    row->row.now_us = store_clock_now_us(step->on->store->options.clock);
    row->row.arena = step->arena;
    bool is_decided = row->row.ttl_ms == -2 || redis_tidy_row_decide(&row->row);
    if (!is_decided || !row->row.changes)
        row_finished(row, !is_decided);
    else if (!call_tidy(row))
        row_finished(row, true);
}

static bool take_fields(struct redis_tidy_step_row *row, const redisReply *reply)
{
    struct arena *arena = row->step->arena;
    str *fields = arena_alloc_array(arena, reply->elements + 1, sizeof(*fields));
    if (fields == NULL || reply->elements > UINT32_MAX / 2)
        return false;
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *field = reply->element[i];
        if (field->type != REDIS_REPLY_STRING ||
            !arena_copy_str(arena, str_of(field->str, field->len), &fields[i]))
            return false;
    }
    row->row.fields = fields;
    row->row.field_count = (uint32_t)reply->elements;
    return true;
}

static bool take_part(struct redis_tidy_step_row *row, enum row_question question,
                      const redisReply *reply)
{
    switch (question) {
    case ROW_EVENT_TIMES:
        if (reply->type == REDIS_REPLY_STRING)
            return arena_copy_str(row->step->arena, str_of(reply->str, reply->len),
                                  &row->row.event_times);
        return reply->type == REDIS_REPLY_NIL;
    case ROW_FIELDS:
        return (reply->type == REDIS_REPLY_ARRAY || reply->type == REDIS_REPLY_SET) &&
               take_fields(row, reply);
    case ROW_TTL:
        row->row.ttl_ms = reply->integer;
        return reply->type == REDIS_REPLY_INTEGER;
    case ROW_QUESTIONS:
    default:
        return false;
    }
}

static void question_done(struct redis_command *command, enum redis_outcome outcome,
                          const redisReply *reply)
{
    struct redis_tidy_step_row *row = command->user;
    enum row_question question = (enum row_question)(command - row->commands);
    loop_enter(row->step->on->loop);
    row->has_failed |= outcome != REDIS_ANSWERED || !take_part(row, question, reply);
    if (--row->waiting == 0)
        decide_row(row);
}

static bool format_row(struct redis_tidy_step *step, struct redis_tidy_step_row *row, str key)
{
    *row = (struct redis_tidy_step_row){.step = step};
    if (!arena_copy_str(step->arena, key, &row->key))
        return false;
    const str arguments[ROW_QUESTIONS][3] = {
        [ROW_EVENT_TIMES] = {STR("HGET"), row->key, STR(REDIS_EVENT_TIMES)},
        [ROW_FIELDS] = {STR("HKEYS"), row->key},
        [ROW_TTL] = {STR("PTTL"), row->key},
    };
    for (uint32_t i = 0; i < ROW_QUESTIONS; i++) {
        row->commands[i] = (struct redis_command){.slot = redis_slot(row->key),
                                                  .lane = REDIS_LANE_WRITE,
                                                  .done = question_done,
                                                  .user = row};
        if (!redis_format(step->arena, arguments[i], i == ROW_EVENT_TIMES ? 3 : 2,
                          &row->commands[i].bytes))
            return false;
    }
    return true;
}

/* So many that their questions fit in what one request may have waiting. */
static void submit_rows(struct redis_tidy_step *step)
{
    uint32_t most = redis_loop_window(step->on) / ROW_QUESTIONS + 1;
    if (step->is_submitting)
        return;
    step->is_submitting = true;
    while (step->in_flight < most && step->next < step->row_count &&
           !redis_tidy_is_ended(step->on)) {
        step->in_flight++;
        look(&step->rows[step->next++]);
    }
    step->is_submitting = false;
    if (step->in_flight == 0)
        step->done(step);
}

void redis_tidy_step_begin(struct redis_tidy_step *step, const redisReply *keys,
                           uint64_t largest_id)
{
    size_t most = keys->elements < KEYS_MAX ? keys->elements : KEYS_MAX;
    step->largest_id = largest_id;
    step->row_count = 0;
    step->next = 0;
    step->rows = arena_alloc_array(step->arena, most + 1, sizeof(*step->rows));
    for (size_t i = 0; step->rows != NULL && i < most; i++) {
        const redisReply *key = keys->element[i];
        step->row_count +=
            key->type == REDIS_REPLY_STRING &&
            format_row(step, &step->rows[step->row_count], str_of(key->str, key->len));
    }
    step->has_missed = step->row_count < keys->elements;
    submit_rows(step);
}
