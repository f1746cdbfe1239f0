/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/log_cells.h"

#include "monitor/monitor_priv.h"
#include "monitor_case.h"
#include "store/vault.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        answers_are_sealed_anew_and_read_as_before, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
