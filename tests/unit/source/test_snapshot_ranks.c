/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/fs.h"
#include "seats.h"
#include "source/source.h"
#include "support.h"
#include "test.h"

#define DIR "snapshots"

typedef struct shared {
    tm_table *table;
    tm_hash hash;
    const char *dir;
} shared;

static void save(seat *s, tm_comm *comm) {
    const shared *const all = s->post->arg;
    tm_ctx *const ctx = test_ctx_make(1);
    tm_err err = {0};
    ctx->comm = comm;
    s->result =
        tm__snapshot_save_ranks(ctx, s->rank == 0 ? all->dir : NULL, all->table, &all->hash, &err);
    test_ctx_free(ctx);
}

static shared rows_of(const char *sql) {
    tm_ctx *const ctx = test_ctx_make(1);
    shared all = {.dir = DIR};
    assert_int_equal(tm__source_read(ctx, &(tm_source_spec){.sql = sql}, &all.table, NULL), TM_OK);
    tm__table_hash(all.table, &all.hash);
    test_ctx_free(ctx);
    return all;
}

static void read_back(const shared *all) {
    tm_ctx *const ctx = test_ctx_make(1);
    tm_table *back = NULL; /* whose hash is compared there */
    assert_int_equal(tm__snapshot_load(ctx, DIR, &all->hash, &back, NULL), TM_OK);
    tm__table_unref(back);
    test_ctx_free(ctx);
}

/* Rows for two parts and none for the third rank; and too few to be divided. */
static void ranks_make_one_snapshot(void **state) {
    (void)state;
    const char *const of[] = {"SELECT i AS a, 'x' || i % 7 AS b FROM range(130000) r(i)",
                              "SELECT i AS a FROM range(5) r(i)"};
    for (uint32_t i = 0; i < 2; i++) {
        shared all = rows_of(of[i]);
        seat seats[SEATS_MAX];
        for (uint32_t again = 0; again < 2; again++) {
            seat_post p = {.n_ranks = 3, .arg = &all};
            seats_run(&p, seats, save);
            for (uint32_t r = 0; r < 3; r++) {
                assert_int_equal(seats[r].result, TM_OK);
            }
        }
        read_back(&all);
        tm__table_unref(all.table);
    }
}

static void what_fails_at_rank_0_fails_everywhere(void **state) {
    (void)state;
    shared all = rows_of("SELECT i AS a FROM range(130000) r(i)");
    seat_post p = {.n_ranks = 2, .arg = &all};
    seat seats[SEATS_MAX];
    assert_int_equal(tm__fs_publish("file", "x", 1, NULL), TM_OK);
    all.dir = "file/below";
    seats_run(&p, seats, save);
    assert_true(seats[0].result != TM_OK);
    assert_int_equal(seats[1].result, seats[0].result);
    tm__table_unref(all.table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_make_one_snapshot),
        cmocka_unit_test(what_fails_at_rank_0_fails_everywhere),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
