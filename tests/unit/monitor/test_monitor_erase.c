/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "monitor/monitor_erase.h"
#include "monitor/monitor_priv.h"
#include "monitor_case.h"

static bool file_has(const tm_home *home, const char *text) {
    static const char *const ends[] = {"", "-wal"};
    bool has = false;
    for (size_t i = 0; i < 2; i++) {
        char path[4096];
        tm_buf bytes;
        (void)snprintf(path, sizeof(path), "%s%s", tm__home_log_db(home), ends[i]);
        tm__buf_init(&bytes, 1u << 26);
        if (tm__fs_info(path).kind == TM_PATH_FILE) {
            assert_int_equal(tm__fs_read_all(path, &bytes, NULL), TM_OK);
        }
        has = has || (bytes.len > 0 && memmem(bytes.data, bytes.len, text, strlen(text)) != NULL);
        tm__buf_done(&bytes);
    }
    return has;
}

static void check_answer(tm_monitor *monitor, const char *id, const char *label) {
    json_t *found = NULL;
    assert_int_equal(tm__monitor_find(monitor, id, &found, NULL), TM_OK);
    assert_string_equal(tm__json_text(found, "label", "none"), label);
    json_decref(found);
}

/* Every third answer is the subject's, the newest among them: what is between stays with its
 * number and label, and the next answer has a number that nobody had. */
static void answers_of_one_go_and_all_others_stay_as_they_are(void **state) {
    tm_given given[10];
    for (int i = 0; i < 10; i++) {
        given[i] = (tm_given){1,
                              1000 + i,
                              5 + i,
                              i % 3 == 0 ? "somebody-else-1" : "ship",
                              "{\"x\":1}",
                              0.25,
                              i < 8 ? "yes" : NULL};
    }
    const int64_t numbers[] = {1, 4, 7, 10, 99};
    tm_dict *who = tm__dict_create();
    assert_int_equal(tm__dict_add(who, tm__str("somebody-else-1")), 0);
    const tm_log_erasure erasure = {who, numbers, 5};
    const tm_label waiting = {.model = "tiny",
                              .entity = "somebody-else-1",
                              .event_us = 77,
                              .value = "no",
                              .observed_us = TM_INT_MISSING};
    tm_label_result result;
    tm_log_erased erased = {0};
    json_t *found = NULL;
    tm_monitor *monitor = open_monitor(*state);
    log_answers(monitor, given, 10, 0);
    assert_int_equal(tm__monitor_labels(monitor, &waiting, 1, &result, NULL), TM_OK);
    assert_int_equal(result, TM_LABEL_WAITING);
    tm__monitor_close(monitor);
    assert_true(file_has(*state, "somebody-else-1"));
    assert_int_equal(tm__log_erase(*state, &erasure, &erased, NULL), TM_OK);
    assert_int_equal(erased.n_answers, 4);
    assert_int_equal(erased.n_labels, 4); /* three that joined and one that waited */
    assert_false(file_has(*state, "somebody-else-1"));
    assert_int_equal(number_of(*state, "SELECT sum(n) FROM blocks"), 6);
    assert_int_equal(number_of(*state, "SELECT count(*) FROM moments"), 6);
    assert_int_equal(number_of(*state, "SELECT count(*) FROM labels"), 5);
    assert_int_equal(number_of(*state, "SELECT removed FROM lanes WHERE model = 'tiny'"), 4);
    assert_int_equal(number_of(*state, "SELECT n FROM counters WHERE name = 'waiting'"), 0);
    monitor = open_monitor(*state);
    assert_int_equal(tm__monitor_find(monitor, "3", &found, NULL), TM_E_NOT_FOUND);
    check_answer(monitor, "1", "yes");
    check_answer(monitor, "8", "none");
    log_answers(monitor, given + 1, 1, 10);
    check_answer(monitor, "10", "yes");
    tm__monitor_close(monitor);
    assert_int_equal(number_of(*state, "SELECT max(first_seq) FROM blocks"), 11);
    /* Again: nothing is left to do. */
    assert_int_equal(tm__log_erase(*state, &erasure, &erased, NULL), TM_OK);
    assert_int_equal(erased.n_answers + erased.n_labels, 0);
    tm__dict_free(who);
}

static void a_home_without_a_log_has_nothing_to_erase(void **state) {
    tm_log_erased erased = {1, 1};
    const tm_log_erasure erasure = {0};
    assert_int_equal(tm__log_erase(*state, &erasure, &erased, NULL), TM_OK);
    assert_int_equal(erased.n_answers, 0);
    bool has_spilled = true;
    assert_int_equal(tm__log_has_spilled(*state, &has_spilled, NULL), TM_OK);
    assert_false(has_spilled);
    assert_int_equal(tm__fs_info(tm__home_log_db(*state)).kind, TM_PATH_NONE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(answers_of_one_go_and_all_others_stay_as_they_are),
                                       TEST(a_home_without_a_log_has_nothing_to_erase)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
