/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks as threads of a test, which is named in tests/threaded. */
#ifndef TM_SUPPORT_SEATS_H
#define TM_SUPPORT_SEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/comm.h"
#include "base/pool.h"

#define SEATS_MAX 7u

/* A letter box for each pair. */
typedef struct seat_box {
    const void *data;
    size_t bytes;
    bool is_full;
} seat_box;

typedef struct seat_post {
    tm_mutex *mutex;
    tm_cond *cond;
    seat_box boxes[SEATS_MAX][SEATS_MAX]; /* [from][to] */
    uint32_t n_ranks;
    uint32_t breaks_at; /* messages of rank 1 until it is lost; 0: never */
    bool is_broken;
    void *arg; /* of the test */
} seat_post;

typedef struct seat {
    seat_post *post;
    uint32_t rank;
    uint32_t n_sent;
    void (*run)(struct seat *seat, tm_comm *comm);
    tm_status result;
} seat;

/** Run a function as each of post->n_ranks ranks: seats [SEATS_MAX]. */
void seats_run(seat_post *post, seat *seats, void (*run)(seat *, tm_comm *));

#endif
