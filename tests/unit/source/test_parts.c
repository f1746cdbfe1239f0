/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/pool.h"
#include "source/parts.h"
#include "test.h"

#define N_PARTS 200u

typedef struct counter {
    uint64_t taken, written;
    uint64_t part_of[8]; /* by worker */
    uint64_t bad_take, bad_work, bad_write;
    _Atomic uint32_t n_ahead; /* taken and not written */
    uint32_t n_ahead_max;
} counter;

static tm_status take(void *arg, uint32_t worker, bool *out_more, uint64_t *out_pos, tm_err *err) {
    counter *const c = arg;
    if (c->taken == c->bad_take) {
        return TM_FAIL(err, TM_E_IO, "take");
    }
    const uint32_t n = atomic_fetch_add(&c->n_ahead, 1) + 1;
    c->n_ahead_max = n > c->n_ahead_max ? n : c->n_ahead_max;
    c->part_of[worker] = c->taken++;
    *out_pos = c->taken * 10;
    *out_more = c->taken < N_PARTS;
    return TM_OK;
}

static tm_status work(void *arg, uint32_t worker, tm_buf *out, uint64_t *out_rows, tm_err *err) {
    counter *const c = arg;
    const uint64_t part = c->part_of[worker];
    if (part % 7 == 0) {
        tm__sleep_ms(1); /* others are ready before it */
    }
    if (part == c->bad_work || part == c->bad_work + 3) {
        return TM_FAIL(err, TM_E_DATA, "work %d", (int)part);
    }
    *out_rows = part;
    return tm__buf_printf(out, "%d", (int)part) ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status write(void *arg, const tm_buf *out, uint64_t n_rows, uint64_t pos, tm_err *err) {
    counter *const c = arg;
    char want[16];
    (void)snprintf(want, sizeof want, "%d", (int)c->written);
    assert_int_equal(out->len, strlen(want));
    assert_memory_equal(out->data, want, out->len);
    assert_int_equal(n_rows, c->written);
    assert_int_equal(pos, (c->written + 1) * 10);
    if (c->written == c->bad_write) {
        return TM_FAIL(err, TM_E_IO, "write");
    }
    c->written++;
    (void)atomic_fetch_sub(&c->n_ahead, 1);
    return TM_OK;
}

static tm_status run(counter *c, uint32_t n_threads, tm_err *err) {
    const tm_parts parts = {.take = take, .work = work, .write = write, .arg = c};
    tm_ctx ctx = {.pool = tm__pool_create(n_threads)};
    const tm_status st = tm__parts_run(&ctx, &parts, err);
    tm__pool_free(ctx.pool);
    return st;
}

static counter good(void) {
    return (counter){.bad_take = UINT64_MAX, .bad_work = UINT64_MAX - 3, .bad_write = UINT64_MAX};
}

static void parts_are_written_in_order_and_few_are_ahead(void **state) {
    (void)state;
    for (uint32_t n_threads = 1; n_threads <= 8; n_threads++) {
        counter c = good();
        assert_int_equal(run(&c, n_threads, NULL), TM_OK);
        assert_int_equal(c.written, N_PARTS);
        assert_in_range(c.n_ahead_max, 1, 2 * n_threads);
    }
}

static void the_first_failure_in_order_is_told(void **state) {
    (void)state;
    for (uint32_t n_threads = 1; n_threads <= 4; n_threads++) {
        tm_err err = {0};
        counter c = good();
        c.bad_work = 77;
        assert_int_equal(run(&c, n_threads, &err), TM_E_DATA);
        assert_string_equal(err.message, "work 77");
        assert_int_equal(c.written, 77);
        c = good();
        c.bad_take = 50;
        assert_int_equal(run(&c, n_threads, &err), TM_E_IO);
        assert_string_equal(err.message, "take");
        assert_int_equal(c.written, 50);
        c = good();
        c.bad_write = 20;
        assert_int_equal(run(&c, n_threads, &err), TM_E_IO);
        assert_string_equal(err.message, "write");
        assert_int_equal(c.written, 20);
    }
}

static void a_cancelled_run_ends(void **state) {
    (void)state;
    volatile _Atomic bool cancel = true;
    counter c = good();
    const tm_parts parts = {.take = take, .work = work, .write = write, .arg = &c};
    tm_ctx ctx = {.cancel = &cancel};
    assert_int_equal(tm__parts_run(&ctx, &parts, NULL), TM_E_CANCELLED);
    assert_int_equal(c.taken, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_written_in_order_and_few_are_ahead),
        cmocka_unit_test(the_first_failure_in_order_is_told),
        cmocka_unit_test(a_cancelled_run_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
