/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks that train together are in tools/mpi, which starts them by mpirun. */
#include "test.h"

#include <string.h>

#include "base/comm.h"
#include "cli/train_ranks.h"

/* Rank 0, of which this test is the partner, has zeros in everything. */
static tm_status zeros_exchange(void *self, const tm_exchange *e, tm_err *err) {
    (void)self;
    (void)err;
    if (e->in_bytes > 0) {
        memset(e->in, 0, e->in_bytes);
    }
    return TM_OK;
}

static void note_close(void *self, bool is_ok) {
    *(int *)self = is_ok ? 1 : 2;
}

static const tm_comm_ops zeros = {"zeros", zeros_exchange, note_close};

static void a_process_alone_has_nothing_to_report(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    tm_cli cli = {0};
    tm_err err = {0};
    const tm_hash hash = {{1}};
    assert_null(tm__train_ranks_report(&ctx));
    assert_int_equal(tm__train_ranks_same(&ctx, &hash, &err), TM_OK);
    tm__train_ranks_close(&cli, &ctx, TM_OK, &err);
    assert_false(cli.is_silent);
}

static void another_model_than_that_of_rank_0_is_no_version(void **state) {
    (void)state;
    int closed = 0;
    tm_ctx ctx = {.comm = tm__comm_create(&zeros, &closed, 1, 2)};
    tm_cli cli = {0};
    tm_err err = {0};
    const tm_hash same = {{0}}, other = {{0, 1}};
    assert_int_equal(tm__train_ranks_same(&ctx, &same, &err), TM_OK);
    const tm_status st = tm__train_ranks_same(&ctx, &other, &err);
    assert_int_equal(st, TM_E_INTEGRITY);
    assert_string_equal(err.message, "ranks learned different models");
    json_t *report = tm__train_ranks_report(&ctx);
    assert_int_equal(json_integer_value(json_object_get(report, "n")), 2);
    assert_true(json_integer_value(json_object_get(report, "bytes_sent")) > 0);
    json_decref(report);
    tm__train_ranks_close(&cli, &ctx, st, &err); /* rank 0 says it */
    assert_true(cli.is_silent);
    assert_int_equal(closed, 1);
    assert_null(ctx.comm);
}

static void what_fails_on_one_rank_alone_is_told_by_it(void **state) {
    (void)state;
    int closed = 0;
    tm_ctx ctx = {.comm = tm__comm_create(&zeros, &closed, 1, 2)};
    tm_cli cli = {0};
    tm_err err = {0};
    const tm_status st = TM_FAIL(&err, TM_E_NOMEM, "out of memory for trees");
    tm__train_ranks_close(&cli, &ctx, st, &err);
    assert_false(cli.is_silent);
    assert_string_equal(err.message, "rank 1: out of memory for trees");
    assert_int_equal(closed, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_alone_has_nothing_to_report),
        cmocka_unit_test(another_model_than_that_of_rank_0_is_no_version),
        cmocka_unit_test(what_fails_on_one_rank_alone_is_told_by_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
