/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/log_cells.h"

#include "monitor/monitor_priv.h"
#include "monitor_case.h"
#include "store/vault.h"

#define KEY_REST "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY "00" KEY_REST

/* The block of one answer in the place of another's. */
static void move_block(const tm_home *home) {
    tm_db *db = NULL;
    assert_int_equal(tm__log_open(tm__home_log_db(home), true, &db, NULL), TM_OK);
    assert_int_equal(tm__db_exec(db,
                                 "UPDATE blocks SET data = (SELECT data FROM blocks ORDER BY"
                                 " first_seq LIMIT 1)",
                                 NULL),
                     TM_OK);
    tm__db_close(db);
}

static void answers_are_sealed_anew_and_read_as_before(void **state) {
    const tm_given given = {1, 1000, 5, "ship", "{\"x\":1}", 0.25, "yes"};
    char id[TM_ENVELOPE_ID_TEXT];
    uint64_t n = 1;
    bool must_wipe = true;
    json_t *found = NULL;
    assert_int_equal(tm__log_cells_renew(*state, "", true, &n, NULL), TM_OK);
    assert_int_equal(n, 0); /* without a log */
    tm_monitor *monitor = open_monitor(*state);
    log_answers(monitor, &given, 1, 0);
    tm__monitor_close(monitor);
    assert_int_equal(setenv("TM_TEST_KEY", KEY, 1), 0);
    assert_int_equal(tm__vault_use(*state, "env:TM_TEST_KEY", id, NULL), TM_OK);
    assert_int_equal(tm__log_cells_renew(*state, id, false, &n, NULL), TM_OK);
    assert_int_equal(n, 3); /* the block, what its label says, and the key of lookups */
    assert_int_equal(tm__log_cells_renew(*state, id, true, &n, NULL), TM_OK);
    assert_int_equal(n, 3);
    assert_int_equal(tm__log_cells_must_wipe(*state, &must_wipe, NULL), TM_OK);
    assert_false(must_wipe);
    assert_int_equal(tm__log_cells_renew(*state, id, false, &n, NULL), TM_OK);
    assert_int_equal(n, 0);
    monitor = open_monitor(*state);
    log_answers(monitor, &given, 1, 1);
    for (const char *answer = "0"; answer != NULL; answer = *answer == '0' ? "1" : NULL) {
        assert_int_equal(tm__monitor_find(monitor, answer, &found, NULL), TM_OK);
        assert_string_equal(tm__json_text(found, "label", "none"), "yes");
        json_decref(found);
    }
    tm__monitor_close(monitor);
    assert_int_equal(tm__log_cells_renew(*state, id, false, &n, NULL), TM_OK);
    assert_int_equal(n, 0); /* the second one was sealed when it came */
    move_block(*state);
    monitor = open_monitor(*state);
    assert_int_equal(tm__monitor_find(monitor, "0", &found, NULL), TM_OK);
    json_decref(found);
    assert_int_equal(tm__monitor_find(monitor, "1", &found, NULL), TM_E_INTEGRITY);
    tm__monitor_close(monitor);
}

/* Labels that came before their answers, and those whose answers are there, join by entity under
 * every key that the home had since. */
static void another_key_of_the_home_finds_entities_as_before(void **state) {
    static const char *const names[] = {"TM_TEST_KEY", "TM_TEST_NEXT"};
    const tm_given given[] = {{1, 1000, 5, "ship", "{\"x\":1}", 0.25, NULL},
                              {1, 2000, 6, "boat", "{\"x\":1}", 0.5, NULL}};
    const tm_label of_boat = {.model = "tiny",
                              .entity = "boat",
                              .event_us = 6,
                              .value = "no",
                              .observed_us = TM_INT_MISSING};
    const tm_label of_ship = {.model = "tiny",
                              .entity = "ship",
                              .event_us = 5,
                              .value = "yes",
                              .observed_us = TM_INT_MISSING};
    tm_label_result result;
    json_t *found = NULL;
    uint64_t n = 0;
    char id[TM_ENVELOPE_ID_TEXT], from[32];
    assert_int_equal(setenv("TM_TEST_KEY", KEY, 1), 0);
    assert_int_equal(setenv("TM_TEST_NEXT", "ff" KEY_REST, 1), 0);
    tm_monitor *monitor = open_monitor(*state);
    log_answers(monitor, given, 1, 0);
    assert_int_equal(tm__monitor_labels(monitor, &of_boat, 1, &result, NULL), TM_OK);
    assert_int_equal(result, TM_LABEL_WAITING);
    int64_t keys[3] = {number_of(*state, "SELECT key FROM moments")};
    for (int i = 0; i < 2; i++) {
        (void)snprintf(from, sizeof(from), "env:%s", names[i]);
        assert_int_equal(tm__vault_use(*state, from, id, NULL), TM_OK);
        assert_int_equal(tm__log_cells_renew(*state, id, true, &n, NULL), TM_OK);
        assert_int_equal(tm__log_cells_renew(*state, id, false, &n, NULL), TM_OK);
        assert_int_equal(n, 0);
        keys[i + 1] = number_of(*state, "SELECT key FROM moments");
        assert_true(keys[i + 1] != keys[i] && keys[i + 1] != keys[0]);
    }
    assert_int_equal(tm__monitor_labels(monitor, &of_ship, 1, &result, NULL), TM_OK);
    assert_int_equal(result, TM_LABEL_JOINED);
    log_answers(monitor, given + 1, 1, 1);
    assert_int_equal(tm__monitor_find(monitor, "1", &found, NULL), TM_OK);
    assert_string_equal(tm__json_text(found, "label", "none"), "no");
    json_decref(found);
    tm__monitor_close(monitor);
    assert_int_equal(number_of(*state, "SELECT count(*) FROM labels WHERE typeof(value) = 'text'"),
                     0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_are_sealed_anew_and_read_as_before,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(another_key_of_the_home_finds_entities_as_before,
                                        tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
