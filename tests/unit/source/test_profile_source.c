/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "source/intake.h"
#include "source/profile.h"
#include "temp_home.h"
#include "test.h"

#define DAY_US INT64_C(86400000000)
#define START_US (INT64_C(20000) * DAY_US)

static tm_ctx ctx;

static void push(tm_intake *intake, uint32_t n, uint32_t first) {
    tm_buf body;
    tm_push_result r = {0};
    tm_err err = {0};
    tm__buf_init(&body, 1 << 20);
    for (uint32_t i = 0; i < n; i++) {
        (void)tm__buf_printf(&body, "{\"a\": %u, \"t\": \"%c\"}\n", first + i, 'a' + (int)(i % 3));
    }
    const tm_push one = {
        .source = "s", .form = TM_PUSH_LINES, .data = (char *)body.data, .len = body.len};
    if (tm__intake_push_wait(intake, &one, &r, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(r.accepted, n);
    tm__buf_done(&body);
}

static void compact(const tm_home *home) {
    uint64_t n = 0;
    assert_int_equal(tm__intake_compact(&ctx, home, "s", 1, &n, NULL), TM_OK);
}

static uint64_t rows_of(const tm_home *home, tm_profile_window window, int64_t *out_max) {
    tm_profile_sheet *sheet = NULL;
    tm_profile_span span;
    tm_err err = {0};
    const tm_status st = tm__profile_source(&ctx, home, "s", &window, &sheet, &span, &err);
    if (st == TM_E_DATA) {
        assert_string_equal(err.message, "source 's' has no rows in this window");
        return 0;
    }
    assert_int_equal(st, TM_OK);
    json_t *const json = tm__profile_to_json(sheet, &(tm_profile_words){false});
    const json_t *const a = json_array_get(json_object_get(json, "columns"), 0);
    *out_max = strtoll(tm__json_text(a, "max", "-1"), NULL, 10);
    const uint64_t n_rows = tm__profile_rows(sheet);
    assert_true(n_rows == span.n_rows);
    json_decref(json);
    tm__profile_free(sheet);
    return n_rows;
}

/* 30 rows on day 0, 20 on day 1, 10 on day 2; the last are in no segment. */
static void any_window_of_segments_is_a_merge(void **state) {
    const tm_home *home = *state;
    const tm_intake_add add = {.name = "s", .feed = "push"};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    tm__clock_fix(START_US);
    tm_intake *intake = tm__intake_create(home);
    push(intake, 30, 0);
    compact(home);
    tm__clock_fix(START_US + DAY_US);
    push(intake, 20, 100);
    compact(home);
    tm__clock_fix(START_US + 2 * DAY_US);
    push(intake, 10, 200);
    const struct {
        tm_profile_window window;
        uint64_t rows;
        int64_t max;
    } cases[] = {
        {{0, 0, 0}, 60, 209},
        {{START_US + DAY_US, 0, 0}, 30, 209},
        {{0, START_US + DAY_US, 0}, 30, 29},
        {{START_US + DAY_US, START_US + 2 * DAY_US, 0}, 20, 119},
        {{0, 0, 1}, 20, 119},
        {{0, 0, 7}, 50, 119},
        {{START_US + 5 * DAY_US, START_US + 6 * DAY_US, 0}, 0, -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t max = -1;
        const uint64_t rows = rows_of(home, cases[i].window, &max);
        if (rows != cases[i].rows || max != cases[i].max) {
            print_error("case %zu: %llu rows up to %lld\n", i, (unsigned long long)rows,
                        (long long)max);
        }
        assert_true(rows == cases[i].rows && max == cases[i].max);
    }
    tm__intake_close(intake);
    tm__clock_fix(INT64_MIN);
}

static void a_source_that_is_not_there_is_told(void **state) {
    const tm_home *home = *state;
    const tm_intake_add add = {.name = "s", .feed = "push"};
    tm_profile_sheet *sheet = NULL;
    tm_profile_span span;
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    assert_int_equal(
        tm__profile_source(&ctx, home, "other", &(tm_profile_window){0}, &sheet, &span, NULL),
        TM_E_NOT_FOUND);
    assert_int_equal(
        tm__profile_source(&ctx, home, "s", &(tm_profile_window){0}, &sheet, &span, NULL),
        TM_E_DATA);
    assert_null(sheet);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(any_window_of_segments_is_a_merge),
        TEST(a_source_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
