/* A store in front of the engine that behaves like one beyond the process: reads and scans complete
 * in a later iteration, or fail, with everything they give in the arena they were given; rows may
 * hold what others wrote; and a write may be refused before the call returns. */
#ifndef FEATURED_TESTS_LATE_STORE_H
#define FEATURED_TESTS_LATE_STORE_H

#include "online/online.h"

#define LATE_OTHERS_MAX 16

struct late_other {
    const char *entity;
    const char *entity_id;
    struct online_other value;
};

struct late_store {
    struct online_store store;
    struct online_driver driver;
    struct online_store *inner;
    /* to be set while nothing is under way */
    struct late_other others[LATE_OTHERS_MAX];
    unsigned other_count;
    _Atomic unsigned fail_read; /* the n-th read (from 1) and later ones fail; 0: none */
    _Atomic bool fail_at_once;  /* and before the call returns */
    _Atomic bool hold;          /* reads complete once this is false */
    _Atomic enum status_code refuse_writes; /* at once, unless OK */
    _Atomic unsigned empty_scans;           /* so many find nothing, and are not at the end */
    /* seen */
    _Atomic unsigned reads;
    _Atomic unsigned reads_open;
    _Atomic unsigned reads_open_most;
    _Atomic unsigned writes;
    _Atomic unsigned scans;
};

void late_store_init(struct late_store *late, struct online_store *inner);

#endif
