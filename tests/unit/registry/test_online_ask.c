/* SPDX-License-Identifier: Apache-2.0 */
/* What a question is refused for; answers are compared with tables in the loop's tests. */
#include "registry/online_ask.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "online_case.h"
#include "temp_home.h"
#include "test.h"

#define NOW INT64_C(1800000000000000)

typedef struct opened {
    tm_online *online;
    tm_online_reader *reader;
    tm_online_plan plan;
    tm_online_asker *asker;
    tm_online_view view;
} opened;

static void open_store(const tm_home *home, opened *o) {
    tm_window_set *const set = online_case_set();
    json_t *const info = json_pack("{s:o}", "windows", tm__window_set_to_json(set));
    bool is_anew = false;
    assert_int_equal(tm__online_plan_read(info, NULL, &o->plan, NULL), TM_OK);
    assert_int_equal(tm__online_open_write(home, false, &o->online, &is_anew, NULL), TM_OK);
    assert_int_equal(tm__online_reader_create(o->online, &o->reader, NULL), TM_OK);
    o->asker = tm__online_asker_create(&o->plan);
    assert_non_null(o->asker);
    o->view = (tm_online_view){.mark = o->plan.marks[0],
                               .n_keys = 1,
                               .key_types = {TM_TYPE_TEXT},
                               .checked_us = NOW - 1000000};
    json_decref(info);
    tm__window_set_free(set);
}

static void close_store(opened *o) {
    tm__online_reader_free(o->reader);
    tm__online_asker_free(o->asker);
    tm__online_plan_done(&o->plan);
    tm__online_unref(o->online);
}

static void put(opened *o, const char *value) {
    assert_int_equal(tm__online_begin(o->online, NULL), TM_OK);
    assert_int_equal(tm__online_put_view(o->online, &o->view, NULL), TM_OK);
    if (value != NULL) {
        tm_buf key;
        const tm_cell cell = {.type = TM_TYPE_TEXT, .text = TM_STR("A")};
        tm__buf_init(&key, 100);
        assert_true(tm__window_key_write(&cell, 1, &key));
        assert_int_equal(tm__online_put(o->online, o->view.id,
                                        (tm_str){(const char *)key.data, key.len}, tm__str(value),
                                        NULL),
                         TM_OK);
        tm__buf_done(&key);
    }
    assert_int_equal(tm__online_commit(o->online, NULL), TM_OK);
}

static tm_status ask(opened *o, const tm_cell *key, double *out, tm_online_note *note,
                     tm_err *err) {
    const tm_online_question question = {.keys = key, .moment_us = NOW, .now_us = NOW};
    tm__online_reader_end(o->reader);
    assert_int_equal(tm__online_reader_begin(o->reader, NULL), TM_OK);
    return tm__online_ask(o->asker, o->reader, &question, out, note, err);
}

static void what_is_not_there_or_behind_is_refused(void **state) {
    opened o;
    const tm_cell key = {.type = TM_TYPE_TEXT, .text = TM_STR("A")};
    double out[12];
    tm_online_note note;
    tm_err err = {0};
    open_store(*state, &o);
    assert_int_equal(ask(&o, &key, out, &note, &err), TM_E_UNAVAILABLE);
    assert_string_equal(err.message, "the online store is not built yet");
    o.view.checked_us = 0;
    put(&o, NULL);
    assert_int_equal(ask(&o, &key, out, &note, &err), TM_E_UNAVAILABLE);
    assert_string_equal(err.message, "the online store is being built");
    o.view.checked_us = NOW - TM_ONLINE_MAX_LAG_US - 1000000;
    put(&o, NULL);
    assert_int_equal(ask(&o, &key, out, &note, &err), TM_E_UNAVAILABLE);
    assert_string_equal(err.message, "the online store is 301 seconds behind its source");
    o.view.checked_us = NOW;
    (void)tm__str_copy(o.view.problem, sizeof(o.view.problem), TM_STR("column 'late' is text"));
    put(&o, NULL);
    assert_int_equal(ask(&o, &key, out, &note, &err), TM_E_UNAVAILABLE);
    assert_non_null(strstr(err.message, "column 'late' is text"));
    o.view.problem[0] = '\0';
    o.view.next = TM_ONLINE_LEAVING;
    put(&o, NULL);
    assert_int_equal(ask(&o, &key, out, &note, &err), TM_E_UNAVAILABLE);
    close_store(&o);
}

static void who_has_no_events_is_answered_as_such(void **state) {
    opened o;
    const tm_cell key = {.type = TM_TYPE_TEXT, .text = TM_STR("A")}, none = {.type = TM_TYPE_NONE};
    double out[12];
    tm_online_note note;
    open_store(*state, &o);
    put(&o, NULL);
    assert_int_equal(ask(&o, &key, out, &note, NULL), TM_OK);
    assert_true(note.is_absent && note.lag_us == 1000000 && note.newest_us == TM_INT_MISSING);
    assert_true(isnan(out[0]) && out[1] == 0); /* a mean, a sum */
    assert_int_equal(ask(&o, &none, out, &note, NULL), TM_OK);
    assert_true(note.is_absent && isnan(out[1])); /* nobody was asked about */
    close_store(&o);
}

static void a_state_of_other_bytes_is_damage(void **state) {
    opened o;
    const tm_cell key = {.type = TM_TYPE_TEXT, .text = TM_STR("A")};
    double out[12];
    tm_online_note note;
    open_store(*state, &o);
    put(&o, "no state");
    assert_int_equal(ask(&o, &key, out, &note, NULL), TM_E_INTEGRITY);
    close_store(&o);
}

static void askers_without_memory_are_none(void **state) {
    opened o;
    open_store(*state, &o);
    const uint64_t alive = tm__mem_alive();
    tm_online_asker *asker = NULL;
    for (uint64_t nth = 1; asker == NULL; nth++) {
        tm__mem_fail_at(nth, true);
        asker = tm__online_asker_create(&o.plan);
        tm__mem_fail_at(0, false);
        assert_true(asker != NULL || tm__mem_alive() == alive);
    }
    tm__online_asker_free(asker);
    tm__online_asker_free(NULL);
    close_store(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_not_there_or_behind_is_refused, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(who_has_no_events_is_answered_as_such, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_state_of_other_bytes_is_damage, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(askers_without_memory_are_none, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
