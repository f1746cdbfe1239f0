/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "guard/guard.h"
#include "logged.h"
#include "monitor/monitor_priv.h"
#include "temp_home.h"

static tm_monitor *open_monitor(const tm_home *home) {
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    return monitor;
}

#define N_ANSWERS 2000

/* Three models in turn, ids as they are made, every third answer with an entity. */
static void log_some(tm_monitor *monitor, char (*ids)[27]) {
    static const char *const models[] = {"a", "b", "c"};
    for (int i = 0; i < N_ANSWERS; i++) {
        char row[64], entity[16];
        const double output = i;
        snprintf(row, sizeof(row), "{\"x\":%d,\"c\":\"%0*d\"}", i, i % 40, i);
        snprintf(entity, sizeof(entity), "e%d", i);
        tm__id_create(ids[i]);
        const tm_logged one = {.id = ids[i],
                               .model = models[i % 3],
                               .version = 1,
                               .at_us = i,
                               .event_us = i % 5,
                               .entity = i % 3 == 0 ? entity : NULL,
                               .row = row,
                               .outputs = &output,
                               .n_outputs = 1};
        assert_true(tm__logged_answer(monitor, &one));
        if (i % 500 == 499) {
            assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
        }
    }
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
}

static void every_answer_is_found_by_id_by_number_and_by_key(void **state) {
    static char ids[N_ANSWERS][27];
    tm_monitor *monitor = open_monitor(*state);
    tm_db *db = NULL;
    tm_block block;
    int64_t seq = 0;
    log_some(monitor, ids);
    tm__monitor_close(monitor);
    assert_int_equal(tm__log_open(tm__home_log_db(*state), false, &db, NULL), TM_OK);
    tm__block_init(&block, db);
    for (int i = 0; i < N_ANSWERS; i++) {
        const int which = (i * 7) % N_ANSWERS;
        assert_int_equal(tm__block_find(&block, tm__str(ids[which]), &seq, NULL), TM_OK);
        assert_true(seq > 0);
        assert_int_equal(tm__record_output(&block.record, 0), which);
        const int64_t by_id = seq;
        char entity[16];
        snprintf(entity, sizeof(entity), "e%d", which);
        const tm_answer_key key = {"a", tm__str(entity), which % 5};
        assert_int_equal(tm__block_find_key(&block, &key, &seq, NULL), TM_OK);
        assert_int_equal(seq, which % 3 == 0 ? by_id : 0);
        const tm_answer_key other = {"b", tm__str(entity), which % 5};
        assert_int_equal(tm__block_find_key(&block, &other, &seq, NULL), TM_OK);
        assert_int_equal(seq, 0);
        assert_int_equal(tm__block_seek(&block, by_id, NULL), TM_OK);
        assert_true(tm__str_is(block.record.id, ids[which]));
    }
    assert_int_equal(tm__block_seek(&block, N_ANSWERS, NULL), TM_OK);
    assert_int_equal(tm__block_seek(&block, N_ANSWERS + 1, NULL), TM_E_NOT_FOUND);
    assert_int_equal(tm__block_seek(&block, 0, NULL), TM_E_NOT_FOUND);
    assert_int_equal(tm__block_find(&block, TM_STR("01M8CJ49AG611STC373VSQPHS4"), &seq, NULL),
                     TM_OK);
    assert_int_equal(seq, 0);
    tm__block_done(&block);
    tm__db_close(db);
}

static void a_damaged_block_is_an_error_that_names_it(void **state) {
    static char ids[N_ANSWERS][27];
    tm_monitor *monitor = open_monitor(*state);
    tm_db *db = NULL;
    tm_block block;
    int64_t seq = 0;
    tm_err err = {0};
    log_some(monitor, ids);
    tm__monitor_close(monitor);
    assert_int_equal(tm__log_open(tm__home_log_db(*state), true, &db, NULL), TM_OK);
    assert_int_equal(tm__db_exec(db, "UPDATE blocks SET data = x'ff000000ff'", NULL), TM_OK);
    tm__block_init(&block, db);
    assert_int_equal(tm__block_find(&block, tm__str(ids[9]), &seq, &err), TM_E_INTEGRITY);
    assert_non_null(strstr(err.message, "damaged block of answers"));
    tm__block_done(&block);
    tm__db_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_answer_is_found_by_id_by_number_and_by_key),
        TEST(a_damaged_block_is_an_error_that_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
