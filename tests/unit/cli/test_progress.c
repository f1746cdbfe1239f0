/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"
#include "capture.h"
#include "own_tables.h"

static void a_context_has_all_that_a_long_call_needs(void **state) {
    (void)state;
    const uint64_t alive = tm__mem_alive();
    tm_cli cli = {0};
    tm_ctx ctx;
    tm_err err = {0};
    assert_int_equal(tm__cli_ctx_init(&cli, 2, &ctx, &err), TM_OK);
    assert_int_equal(tm__pool_threads(ctx.pool), 2);
    assert_non_null(ctx.run);
    assert_non_null(ctx.scratch);
    assert_ptr_equal(ctx.cancel, &cli.cancel);
    assert_false(tm__ctx_cancelled(&ctx));
    tm__cli_ctx_done(&ctx);
    tm__cli_ctx_done(&ctx);
    assert_int_equal(tm__mem_alive(), alive);
}

static void a_file_is_not_filled_with_progress(void **state) {
    (void)state;
    tm_cli cli = {0};
    const uint64_t start_ns = tm__mono_ns();
    capture_begin(2);
    for (uint64_t i = 0; i < 1000; i++) {
        tm__cli_progress(&cli, i < 500 ? "fit" : "search", i, 1000, "note");
    }
    const char *const text = capture_end(2);
    if (tm__mono_ns() - start_ns < UINT64_C(10000000000)) { /* it did not stand still */
        assert_string_equal(text, "");
    }
}

static void a_line_comes_after_ten_seconds(void **state) {
    (void)state;
    tm_cli cli = {0};
    capture_begin(2);
    tm__cli_progress(&cli, "fit", 0, 1000, NULL);
    /* So long before that what this machine adds is not seen. */
    cli.bar.start_ns -= UINT64_C(2000000000000000);
    cli.bar.drawn_ns -= UINT64_C(20000000000);
    tm__cli_progress(&cli, "fit", 20000000, 20000800, "auc 0.7");
    assert_string_equal(capture_end(2), "fit: 20000000 of 20000800, 10/s, 80 s left  auc 0.7\n");
}

static void quiet_shows_no_progress(void **state) {
    (void)state;
    tm_cli cli = {.quiet = true};
    capture_begin(2);
    tm__cli_progress(&cli, "fit", 0, 1000, NULL);
    cli.bar.drawn_ns = 0;
    tm__cli_progress(&cli, "fit", 1, 1000, NULL);
    assert_string_equal(capture_end(2), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_has_all_that_a_long_call_needs),
        cmocka_unit_test(a_file_is_not_filled_with_progress),
        cmocka_unit_test(a_line_comes_after_ten_seconds),
        cmocka_unit_test(quiet_shows_no_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
