/* SPDX-License-Identifier: Apache-2.0 */
#include "seats.h"

#include <string.h>

#include "test.h"

static tm_status seat_exchange(void *self, const tm_exchange *e, tm_err *err) {
    seat *s = self;
    seat_post *p = s->post;
    tm__mutex_lock(p->mutex);
    if (p->breaks_at > 0 && s->rank == 1 && ++s->n_sent >= p->breaks_at) {
        p->is_broken = true;
    }
    if (e->to != TM_RANK_NONE) {
        p->boxes[s->rank][e->to] = (seat_box){e->out, e->out_bytes, true};
    }
    tm__cond_signal_all(p->cond);
    if (e->from != TM_RANK_NONE) {
        seat_box *from = &p->boxes[e->from][s->rank];
        while (!from->is_full && !p->is_broken) {
            tm__cond_wait(p->cond, p->mutex, UINT32_MAX);
        }
        if (from->is_full) {
            assert_int_equal(from->bytes, e->in_bytes);
            memcpy(e->in, from->data, e->in_bytes);
            from->is_full = false;
        }
        tm__cond_signal_all(p->cond);
    }
    while (e->to != TM_RANK_NONE && p->boxes[s->rank][e->to].is_full && !p->is_broken) {
        tm__cond_wait(p->cond, p->mutex, UINT32_MAX); /* the bytes are the sender's */
    }
    const bool is_broken = p->is_broken;
    if (is_broken && e->to != TM_RANK_NONE) {
        p->boxes[s->rank][e->to].is_full = false; /* who leaves takes the bytes along */
    }
    tm__cond_signal_all(p->cond);
    tm__mutex_unlock(p->mutex);
    return is_broken ? TM_FAIL(err, TM_E_UNAVAILABLE, "rank 1 is lost") : TM_OK;
}

static void seat_close(void *self, bool is_ok) {
    (void)self;
    (void)is_ok;
}

static const tm_comm_ops seat_ops = {"seats", seat_exchange, seat_close};

static void seat_run(void *arg) {
    seat *s = arg;
    tm_comm *comm = tm__comm_create(&seat_ops, s, s->rank, s->post->n_ranks);
    assert_non_null(comm);
    s->run(s, comm);
    tm__comm_close(comm, true);
}

/* Run a function as each of n ranks. */
void seats_run(seat_post *p, seat *seats, void (*run)(seat *, tm_comm *)) {
    tm_thread *threads[SEATS_MAX];
    p->mutex = tm__mutex_create();
    p->cond = tm__cond_create();
    for (uint32_t r = 0; r < p->n_ranks; r++) {
        seats[r] = (seat){.post = p, .rank = r, .run = run};
        threads[r] = tm__thread_create(seat_run, &seats[r], "rank");
        assert_non_null(threads[r]);
    }
    for (uint32_t r = 0; r < p->n_ranks; r++) {
        tm__thread_join(threads[r]);
    }
    tm__cond_free(p->cond);
    tm__mutex_free(p->mutex);
}
