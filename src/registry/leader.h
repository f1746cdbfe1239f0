/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of several `tidemill run` on the tables of one schema does the work: one leads, the others
 * stand by and take over. docs/store.md and docs/decisions/0127-one-leader.md say how.
 *
 * 1. Who leads holds an advisory lock of the schema in a session that says something four times a
 *    second. A session that ended has let go; one that is silent for two seconds is ended by who
 *    stands by.
 * 2. Taking over begins an epoch in the same session. What works for a leader has its epoch
 *    (tm__registry_work_for()), and each of its commits is refused once another one has begun: so
 *    it does not matter when the one before finds out.
 * 3. With tables in a file the lock of the home is all: whoever has it leads.
 */
#ifndef TM_REGISTRY_LEADER_H
#define TM_REGISTRY_LEADER_H

#include "registry/registry.h"

typedef struct tm_leader tm_leader;

typedef struct tm_leader_options {
    const char *name;   /* what others say of it while it leads: "tidemill run host 127.0.0.1:80" */
    uint32_t silent_ms; /* 0: 2000; tests make it small */
} tm_leader_options;

typedef struct tm_leader_state {
    bool is_shared;   /* tables in PostgreSQL: others may lead */
    bool leads;       /* this one does, at this moment, as far as it can know */
    bool is_known;    /* the tables could be asked */
    int64_t epoch;    /* of who leads; 0: none was begun, or tables in a file */
    int64_t took_us;  /* when this one took over; 0: it does not lead */
    char leader[64];  /* name of another one that leads; "": this one, none, or not known */
    uint64_t n_ended; /* sessions of leaders that it has ended, for they were silent */
    char why[256];    /* what failed, when the tables could not be asked */
} tm_leader_state;

/** Open the registry once more for the lock, and look for the first time: alone, it leads at once.
 * While PostgreSQL is away nobody is known to lead, and steps go on looking.
 * Owner thread: that of the steps. */
TM_NODISCARD tm_status tm__leader_open(const tm_home *home, const tm_leader_options *options,
                                       tm_leader **out, tm_err *err);
/** One look: hold the lock, or take it. Milliseconds until the next. */
uint32_t tm__leader_step(tm_leader *leader);
/** What is so now. Any thread. */
void tm__leader_state(const tm_leader *leader, tm_leader_state *out);
/** Same for people and programs: {"role": "leader", "standby" or "unknown", "epoch", "since",
 * "leader"}; null with tables in a file. New reference. Any thread. */
json_t *tm__leader_json(const tm_leader *leader);
/** Lets go of the lock. NULL is a no-op. */
void tm__leader_close(tm_leader *leader);

#endif
