/* The writer thread: the one owner of the tables and the one order of everything that is written
 * (design.md §2). It takes what loops and the sweeper submitted and works in groups: prepare
 * (check, decide, allocate), publish in LSN order, acknowledge. */
#ifndef FEATURED_ONLINE_ENGINE_WRITER_H
#define FEATURED_ONLINE_ENGINE_WRITER_H

#include "log/log_record.h"
#include "online/engine/engine_state.h"

struct writer;

/* Keys that the sweeper found worth a look. The writer decides anew on what it then finds. */
#define SWEEP_KEYS_MAX 256u

struct sweep_request {
    struct loop_task task; /* private; first */
    void (*done)(struct sweep_request *request); /* on the writer's thread */
    void *user;
    uint32_t entity_index;
    int64_t cutoff_us; /* what was not alive any more then is removed */
    uint32_t key_count;
    str keys[SWEEP_KEYS_MAX];
};

/* What a snapshot needs of one instant: everything up to `start_lsn`, and nothing after, is in the
 * statistics; all of it is in the log, and in the tables when `done` is called. */
struct snapshot_request {
    struct loop_task task; /* private; first */
    void (*done)(struct snapshot_request *request); /* on the writer's thread */
    void *user;
    status status;      /* out: OK, or OUT_OF_MEMORY */
    uint64_t start_lsn; /* out */
    int64_t clock_us;   /* out */
    struct log_statistics *statistics; /* out, of every version ever written; memory_free() */
    uint32_t statistics_count;         /* out */
};

/* Gives the engine its writer and starts it. */
MUST_CHECK status writer_start(struct engine *engine, struct error *error);
/* Handles what was submitted, then ends the thread. */
void writer_stop(struct writer *writer);
/* After writer_stop(): frees the tables as well; no reader is left. NULL is fine. */
void writer_destroy(struct writer *writer);

/* Any thread. */
void writer_submit_write(struct writer *writer, struct online_write *write);
void writer_submit_erase(struct writer *writer, struct online_erase *erase);
void writer_submit_statistics(struct writer *writer, struct online_statistics *request);
void writer_submit_sweep(struct writer *writer, struct sweep_request *request);
void writer_submit_snapshot(struct writer *writer, struct snapshot_request *request);

#endif
