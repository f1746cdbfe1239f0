/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "loop/loop_sink_priv.h"
#include "sink_case.h"
#include "temp_home.h"
#include "test.h"

static json_t *parse(const char *text) {
    json_t *value = NULL;
    assert_int_equal(tm__json_parse(text, strlen(text), 10, &value, NULL), TM_OK);
    return value;
}

static void a_spec_is_checked_before_it_is_kept(void **state) {
    (void)state;
    const struct {
        const char *name, *spec, *want; /* NULL: it is good */
    } cases[] = {
        {"s", "{'model':'m','read':'r','write':{'csv':'/d'}}", NULL},
        {"s", "{'model':'m','read':'r','write':{'parquet':'/d'},'every_s':86400,'key':['a','b']}",
         NULL},
        {"s",
         "{'model':'m','read':{'postgres':{'dsn_file':'/f','query':'q'}},'key':['a'],"
         "'write':{'postgres':{'dsn_file':'/f','table':'t'}}}",
         NULL},
        {"../s", "{'model':'m','read':'r','write':{'csv':'/d'}}", "is no name"},
        {"s", "{'read':'r','write':{'csv':'/d'}}", "no model"},
        {"s", "{'model':'m','write':{'csv':'/d'}}", "reads a source"},
        {"s", "{'model':'m','read':{'postgres':{'query':'q'}},'write':{'csv':'/d'}}",
         "reads a source"},
        {"s",
         "{'model':'m','read':{'postgres':{'dsn_file':'/f','query':'q'}},"
         "'write':{'csv':'/d'}}",
         "has no key"},
        {"s", "{'model':'m','read':'r'}", "writes a table"},
        {"s", "{'model':'m','read':'r','write':{'csv':'/d','parquet':'/d'}}", "writes a table"},
        {"s", "{'model':'m','read':'r','write':{'postgres':{'dsn_file':'/f'}}}", "writes a table"},
        {"s", "{'model':'m','read':'r','write':{'csv':'/d'},'key':['a','a']}", "twice"},
        {"s", "{'model':'m','read':'r','write':{'csv':'/d'},'key':['']}", "list of columns"},
        {"s", "{'model':'m','read':'r','write':{'csv':'/d'},'every_s':0}", "once a second"},
        {"s", "{'model':'m','read':'r','write':{'csv':'/d'},'batch_rows':2000000}",
         "between 1 and"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512];
        tm_err err = {0};
        (void)tm__str_copy(text, sizeof(text), tm__str(cases[i].spec));
        for (char *p = text; *p != '\0'; p++) {
            *p = *p == '\'' ? '"' : *p;
        }
        json_t *spec = parse(text);
        const tm_status st = tm__sink_check(cases[i].name, spec, &err);
        assert_int_equal(st, cases[i].want == NULL ? TM_OK : TM_E_DATA);
        if (cases[i].want != NULL && strstr(err.message, cases[i].want) == NULL) {
            fail_msg("case %zu: %s", i, err.message);
        }
        json_decref(spec);
    }
}

static void what_a_sink_names_must_be_there(void **state) {
    tm_err err = {0};
    tm__sink_case_make(*state);
    json_t *spec = tm__sink_case_spec(*state, "csv", 10);
    json_object_set_new(spec, "model", json_string("maid"));
    assert_int_equal(tm__sink_add(*state, "s", spec, &err), TM_E_NOT_FOUND);
    json_object_set_new(spec, "model", json_string("made"));
    json_object_set_new(spec, "read", json_string("rowz"));
    assert_int_equal(tm__sink_add(*state, "s", spec, &err), TM_E_NOT_FOUND);
    json_object_set_new(spec, "read", json_string("rows"));
    assert_int_equal(tm__sink_add(*state, "s", spec, NULL), TM_OK);
    assert_int_equal(tm__sink_add(*state, "s", spec, &err), TM_E_CONFLICT);
    json_decref(spec);
}

static void a_declared_sink_is_compared_and_changed(void **state) {
    tm_sink_change change = TM_SINK_SAME;
    json_t *shown = NULL;
    tm__sink_case_make(*state);
    json_t *spec = tm__sink_case_spec(*state, "csv", 10);
    assert_int_equal(tm__sink_compare(*state, "s", spec, &change, NULL), TM_OK);
    assert_int_equal(change, TM_SINK_NEW);
    assert_int_equal(tm__sink_declare(*state, "s", spec, NULL), TM_OK);
    assert_int_equal(tm__sink_compare(*state, "s", spec, &change, NULL), TM_OK);
    assert_int_equal(change, TM_SINK_SAME);
    json_object_set_new(spec, "every_s", json_integer(60));
    assert_int_equal(tm__sink_compare(*state, "s", spec, &change, NULL), TM_OK);
    assert_int_equal(change, TM_SINK_CHANGED);
    assert_int_equal(tm__sink_declare(*state, "s", spec, NULL), TM_OK);
    assert_int_equal(tm__sink_show(*state, "s", &shown, NULL), TM_OK);
    assert_int_equal(tm__json_i64(shown, "every_seconds", 0), 60);
    assert_string_not_equal(tm__json_text(shown, "next_at", ""), "");
    json_decref(shown);
    assert_int_equal(tm__sink_remove(*state, "s", NULL), TM_OK);
    assert_int_equal(tm__sink_show(*state, "s", &shown, NULL), TM_E_NOT_FOUND);
    json_decref(spec);
}

/* Back-off grows and is not the same for all; what others cannot mend stops the sink. */
static void a_failure_is_recorded_with_the_next_try(void **state) {
    tm_sink_store *store = NULL;
    tm_sink_row row = {0};
    tm_err failure = {0};
    tm__sink_case_make(*state);
    json_t *spec = tm__sink_case_spec(*state, "csv", 10);
    json_object_set_new(spec, "every_s", json_integer(3600));
    assert_int_equal(tm__sink_add(*state, "s", spec, NULL), TM_OK);
    assert_int_equal(tm__sink_store_open(*state, false, &store, NULL), TM_OK);
    assert_int_equal(tm__sink_store_find(store, "s", &row, NULL), TM_OK);
    const int64_t now_us = INT64_C(1700000000000000);
    tm__clock_fix(now_us);
    (void)TM_FAIL(&failure, TM_E_UNAVAILABLE, "gone");
    for (uint32_t i = 0; i < 20; i++) {
        const int64_t ms = INT64_C(2000) << (i > 9 ? 9 : i);
        const int64_t middle_ms = ms > 600000 ? 600000 : ms;
        assert_int_equal(tm__sink_record(store, &row, &failure, NULL), TM_OK);
        assert_string_equal(row.status, "retrying");
        assert_in_range(row.next_us - now_us, middle_ms * 500, middle_ms * 1500 + 1000);
    }
    assert_string_equal(tm__json_text(row.error, "message", ""), "gone");
    (void)TM_FAIL(&failure, TM_E_DATA, "wrong");
    assert_int_equal(tm__sink_record(store, &row, &failure, NULL), TM_OK);
    assert_string_equal(row.status, "stopped");
    assert_int_equal(row.next_us, 0);
    row.tried_us = now_us - 1;
    assert_int_equal(tm__sink_record(store, &row, NULL, NULL), TM_OK);
    assert_string_equal(row.status, "ready");
    assert_int_equal(row.next_us, now_us - 1 + INT64_C(3600000000));
    assert_int_equal(row.n_failures, 0);
    tm__clock_fix(INT64_MIN);
    tm__sink_row_done(&row);
    tm__sink_store_close(store);
    json_decref(spec);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spec_is_checked_before_it_is_kept),
        TEST(what_a_sink_names_must_be_there),
        TEST(a_declared_sink_is_compared_and_changed),
        TEST(a_failure_is_recorded_with_the_next_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
