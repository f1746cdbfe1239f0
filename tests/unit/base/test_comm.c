/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/comm.h"
#include "base/mem.h"
#include "seats.h"

#define N 100u

static void sum_lengths(seat *s, tm_comm *comm) {
    const int64_t p = s->post->n_ranks;
    for (uint32_t n = 0; n < N; n += n < 10 ? 1 : 17) {
        int64_t values[N];
        for (uint32_t i = 0; i < n; i++) {
            values[i] = (int64_t)(i * 100 + s->rank) * (i % 2 == 0 ? 1 : INT64_C(-1000000007));
        }
        tm__comm_sum(comm, values, n);
        for (int64_t i = 0; i < n; i++) {
            const int64_t sum = p * i * 100 + p * (p - 1) / 2;
            assert_int_equal(values[i], sum * (i % 2 == 0 ? 1 : INT64_C(-1000000007)));
        }
    }
    s->result = tm__comm_status(comm, NULL);
}

static void sums_are_those_of_all_ranks(void **state) {
    (void)state;
    for (uint32_t n = 1; n <= SEATS_MAX; n++) {
        seat_post p = {.n_ranks = n};
        seat seats[SEATS_MAX];
        seats_run(&p, seats, sum_lengths);
        for (uint32_t r = 0; r < n; r++) {
            assert_int_equal(seats[r].result, TM_OK);
        }
    }
}

static void sum_traffic(seat *s, tm_comm *comm) {
    int64_t values[64] = {0};
    tm__comm_sum(comm, values, 64);
    const tm_comm_traffic traffic = tm__comm_traffic(comm);
    assert_int_equal(traffic.n_messages, 4);             /* 2 log2(4) */
    assert_int_equal(traffic.bytes, 2 * 3 * 64 * 8 / 4); /* 2 (p - 1) / p */
    s->result = TM_OK;
}

static void a_sum_sends_what_its_cost_says(void **state) {
    (void)state;
    seat_post p = {.n_ranks = 4};
    seat seats[SEATS_MAX];
    seats_run(&p, seats, sum_traffic);
}

static void gather_and_spread(seat *s, tm_comm *comm) {
    const tm_row_deal deal = {N, 16};
    uint32_t rows[N] = {0}, told = s->rank + 40;
    const tm_row_part part = tm__comm_part(deal, s->rank, s->post->n_ranks);
    for (uint64_t row = part.begin; row < part.end; row++) {
        rows[row] = (uint32_t)row + 5;
    }
    tm__comm_gather(comm, deal, sizeof(rows[0]), rows);
    for (uint32_t row = 0; row < N; row++) {
        assert_int_equal(rows[row], row + 5);
    }
    tm__comm_spread(comm, &told, sizeof(told));
    for (uint32_t from = 0; from < s->post->n_ranks; from++) {
        uint32_t said = s->rank == from ? 1000 + from : 0;
        tm__comm_spread_from(comm, from, &said, sizeof(said));
        assert_int_equal(said, 1000 + from);
        uint32_t room = 0;
        tm__comm_hand(comm, from, &said, &room, from > 0 ? sizeof(room) : 0);
        assert_int_equal(room, s->rank == 0 && from > 0 ? said : 0);
    }
    assert_int_equal(told, 40);
    assert_true(tm__comm_agree(comm, s->rank == 0));
    assert_false(tm__comm_agree(comm, s->rank != 0));
    s->result = tm__comm_status(comm, NULL);
}

static void gathered_rows_keep_their_order(void **state) {
    (void)state;
    for (uint32_t n = 1; n <= SEATS_MAX; n++) {
        seat_post p = {.n_ranks = n};
        seat seats[SEATS_MAX];
        seats_run(&p, seats, gather_and_spread);
        for (uint32_t r = 0; r < n; r++) {
            assert_int_equal(seats[r].result, TM_OK);
        }
    }
}

static void check_step(seat *s, tm_comm *comm) {
    tm_err err = {0};
    assert_int_equal(tm__comm_check(comm, TM_OK, &err), TM_OK);
    tm_status st = s->rank >= 2 ? TM_FAIL(&err, TM_E_IO, "cannot read rows %u", s->rank) : TM_OK;
    st = tm__comm_check(comm, st, &err);
    assert_int_equal(st, TM_E_IO);
    if (s->rank == 2) {
        assert_string_equal(err.message, "cannot read rows 2");
    } else {
        assert_string_equal(err.message, "rank 2: cannot read rows 2");
    }
    s->result = st;
}

static void a_failure_of_one_is_told_by_all(void **state) {
    (void)state;
    seat_post p = {.n_ranks = 5};
    seat seats[SEATS_MAX];
    seats_run(&p, seats, check_step);
}

static void sum_often(seat *s, tm_comm *comm) {
    tm_err err = {0};
    int64_t values[8] = {0};
    for (uint32_t i = 0; i < 20; i++) {
        tm__comm_sum(comm, values, 8);
    }
    assert_true(tm__comm_is_lost(comm));
    s->result = tm__comm_status(comm, &err);
    assert_string_equal(err.message, "rank 1 is lost");
}

static void a_lost_rank_ends_the_waiting_of_all(void **state) {
    (void)state;
    seat_post p = {.n_ranks = 4, .breaks_at = 9};
    seat seats[SEATS_MAX];
    seats_run(&p, seats, sum_often);
    for (uint32_t r = 0; r < 4; r++) {
        assert_int_equal(seats[r].result, TM_E_UNAVAILABLE);
    }
}

static void parts_are_whole_chunks_of_all_rows(void **state) {
    (void)state;
    for (uint64_t n_rows = 0; n_rows < 200; n_rows += 13) {
        for (uint32_t n = 1; n < 9; n++) {
            uint64_t next = 0;
            for (uint32_t r = 0; r < n; r++) {
                const tm_row_part part = tm__comm_part((tm_row_deal){n_rows, 16}, r, n);
                assert_int_equal(part.begin, next);
                assert_true(part.begin % 16 == 0 || part.begin == n_rows);
                next = part.end;
            }
            assert_int_equal(next, n_rows);
        }
    }
}

static void a_process_alone_speaks_to_nobody(void **state) {
    (void)state;
    tm_comm *comm = (tm_comm *)state;
    int64_t value = 7;
    tm_err err = {0};
    assert_int_equal(tm__comm_open(&(tm_comm_wait){0}, &comm, NULL), TM_OK);
    assert_null(comm);
    assert_int_equal(tm__comm_rank(NULL), 0);
    assert_int_equal(tm__comm_ranks(NULL), 1);
    tm__comm_sum(NULL, &value, 1);
    assert_int_equal(value, 7);
    assert_true(tm__comm_agree(NULL, true));
    assert_int_equal(tm__comm_check(NULL, TM_E_IO, &err), TM_E_IO);
    assert_int_equal(tm__comm_status(NULL, NULL), TM_OK);
    tm__comm_close(NULL, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_all_ranks),
        cmocka_unit_test(a_sum_sends_what_its_cost_says),
        cmocka_unit_test(gathered_rows_keep_their_order),
        cmocka_unit_test(a_failure_of_one_is_told_by_all),
        cmocka_unit_test(a_lost_rank_ends_the_waiting_of_all),
        cmocka_unit_test(parts_are_whole_chunks_of_all_rows),
        cmocka_unit_test(a_process_alone_speaks_to_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
