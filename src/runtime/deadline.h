/* Many deadlines, mostly moved forward and seldom reached: lists of 100 ms each, arranged in a
 * wheel. Moving a deadline to a later time is one store; the list is corrected when its turn comes.
 * A deadline is reported at its time or up to one slot later, never before.
 *
 * Pure bookkeeping: the owner passes the time (milliseconds of any clock that does not step back)
 * and sleeps until deadlines_next_ms(). One owner, one thread. After: G. Varghese, A. Lauck,
 * "Hashed and hierarchical timing wheels", 1987. */
#ifndef FEATURED_RUNTIME_DEADLINE_H
#define FEATURED_RUNTIME_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#define DEADLINE_NEVER INT64_MAX
#define DEADLINE_SLOT_MS 100
#define DEADLINE_SLOTS 1024 /* later ones wait in the last slot and are looked at again */

/* Embedded in what has the deadline; zeroed at first. */
struct deadline {
    struct deadline *next;
    struct deadline **link; /* NULL: in no list */
    int64_t at_ms;
    int64_t tick; /* of the list it is in */
};

struct deadlines {
    struct deadline *slots[DEADLINE_SLOTS];
    uint64_t occupied[DEADLINE_SLOTS / 64];
    int64_t tick; /* up to here everything was reported */
};

void deadlines_init(struct deadlines *deadlines, int64_t now_ms);
/* Moves the deadline, DEADLINE_NEVER included. True if deadlines_next_ms() may have come nearer. */
bool deadline_set(struct deadlines *deadlines, struct deadline *deadline, int64_t at_ms);
/* To be called before its memory goes. */
void deadline_remove(struct deadlines *deadlines, struct deadline *deadline);
/* Calls `reached` for each deadline that is due; it may set or remove any deadline. */
void deadlines_expire(struct deadlines *deadlines, int64_t now_ms,
                      void (*reached)(struct deadline *deadline, void *context), void *context);
/* When to call deadlines_expire() next; DEADLINE_NEVER if there is none. */
int64_t deadlines_next_ms(const struct deadlines *deadlines);

#endif
