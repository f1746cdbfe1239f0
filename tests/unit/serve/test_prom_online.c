/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "serve/fill.h"
#include "temp_home.h"
#include "test.h"

#define NOW INT64_C(1800000000000000)

static void sources_are_as_far_behind_as_their_last_view(void **state) {
    tm_online *online = NULL;
    bool is_anew = false;
    tm_fill_desk *const desk = tm__fill_desk_create();
    tm_arena *const arena = tm__arena_create(1 << 20);
    tm_buf out;
    tm__buf_init(&out, 1 << 20);
    tm__clock_fix(NOW);
    assert_int_equal(tm__online_open_write(*state, false, &online, &is_anew, NULL), TM_OK);
    tm__prom_online(desk, NULL, arena, &out);
    tm__prom_online(desk, online, arena, &out);
    assert_int_equal(out.len, 0);
    tm_online_view views[] = {
        {.mark = {{1}}, .source = "a", .checked_us = NOW - 1000000, .n_entities = 3},
        {.mark = {{2}}, .source = "a", .checked_us = NOW - 5500000, .n_entities = 4},
        {.mark = {{3}}, .source = "b", .problem = "gone"},
        {.mark = {{4}}, .source = "c", .next = TM_ONLINE_LEAVING},
    };
    assert_int_equal(tm__online_begin(online, NULL), TM_OK);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(tm__online_put_view(online, &views[i], NULL), TM_OK);
    }
    assert_int_equal(tm__online_commit(online, NULL), TM_OK);
    tm__prom_online(desk, online, arena, &out);
    const char *const text = (const char *)out.data;
    assert_non_null(strstr(text, "\ntidemill_online_lag_seconds{source=\"a\"} 5.5\n"));
    assert_null(strstr(text, "lag_seconds{source=\"b\"}"));
    assert_non_null(strstr(text, "\ntidemill_online_entities{source=\"a\"} 7\n"));
    assert_non_null(strstr(text, "\ntidemill_online_views{source=\"a\"} 2\n"));
    assert_non_null(strstr(text, "\ntidemill_online_stopped_views{source=\"b\"} 1\n"));
    assert_null(strstr(text, "source=\"c\""));
    tm__clock_fix(INT64_MIN);
    tm__buf_done(&out);
    tm__fill_desk_free(desk);
    tm__fill_desk_free(NULL);
    tm__arena_free(arena);
    tm__online_unref(online);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sources_are_as_far_behind_as_their_last_view,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
