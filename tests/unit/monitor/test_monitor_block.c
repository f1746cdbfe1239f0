/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
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
    tm_found found = {0};
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
        const tm_answer_key key = {"a", tm__str(entity), which % 5, 0};
        assert_int_equal(tm__block_find_key(&block, &key, &found, NULL), TM_OK);
        assert_int_equal(found.seq, which % 3 == 0 ? by_id : 0);
        const tm_answer_key other = {"b", tm__str(entity), which % 5, 0};
        assert_int_equal(tm__block_find_key(&block, &other, &found, NULL), TM_OK);
        assert_int_equal(found.seq, 0);
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

/* An answer as brute force sees it. */
typedef struct asked {
    int model, entity;
    int64_t event_us, at_us;
} asked;

static int64_t moment_for(const asked *a, int64_t within_us) {
    return a->event_us != TM_INT_MISSING ? a->event_us : within_us > 0 ? a->at_us : INT64_MAX;
}

/* Number of the answer that a key means, and whether it is one of several. */
static int64_t brute_find(const asked *list, int n, const asked *key, int64_t within_us,
                          bool *out_has_alikes) {
    int64_t best = 0;
    *out_has_alikes = false;
    for (int i = 0; i < n; i++) {
        const asked *a = &list[i];
        const int64_t moment = moment_for(a, within_us);
        if (a->model != key->model || a->entity != key->entity || moment > key->event_us ||
            moment < key->event_us - within_us) {
            continue;
        }
        const asked *before = best > 0 ? &list[best - 1] : NULL;
        const int64_t other = before != NULL ? moment_for(before, within_us) : INT64_MIN;
        const bool is_event = a->event_us != TM_INT_MISSING;
        const bool was_event = before != NULL && before->event_us != TM_INT_MISSING;
        if (before == NULL || moment > other) {
            *out_has_alikes = false;
            best = i + 1;
        } else if (moment == other && is_event == was_event) {
            *out_has_alikes = true;
            best = i + 1;
        } else if (moment == other && is_event) { /* the event time is the surer one */
            *out_has_alikes = false;
            best = i + 1;
        }
    }
    return best;
}

static void the_newest_answer_before_a_time_is_that_of_brute_force(void **state) {
    enum { N = 400 };
    static asked list[N];
    static const char *const models[] = {"a", "b"};
    static const char *const entities[] = {"x", "y", "z"};
    tm_monitor *monitor = open_monitor(*state);
    tm_rng rng = tm__rng_split(7, "moments", 0);
    tm_db *db = NULL;
    tm_block block;
    for (int i = 0; i < N; i++) {
        char id[27];
        const double output = i;
        list[i] = (asked){(int)(tm__rng_f64(&rng) * 2), (int)(tm__rng_f64(&rng) * 3),
                          tm__rng_f64(&rng) < 0.3 ? TM_INT_MISSING
                                                  : (int64_t)(tm__rng_f64(&rng) * 300) - 50,
                          (int64_t)(tm__rng_f64(&rng) * 300)};
        tm__id_create(id);
        const tm_logged one = {.id = id,
                               .model = models[list[i].model],
                               .version = 1,
                               .at_us = list[i].at_us,
                               .event_us = list[i].event_us,
                               .entity = entities[list[i].entity],
                               .row = "{}",
                               .outputs = &output,
                               .n_outputs = 1};
        assert_true(tm__logged_answer(monitor, &one));
        assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK); /* one block each, in order */
    }
    tm__monitor_close(monitor);
    assert_int_equal(tm__log_open(tm__home_log_db(*state), false, &db, NULL), TM_OK);
    tm__block_init(&block, db);
    for (int i = 0; i < 2000; i++) {
        const asked key = {(int)(tm__rng_f64(&rng) * 2), (int)(tm__rng_f64(&rng) * 3),
                           (int64_t)(tm__rng_f64(&rng) * 400) - 80, 0};
        const int64_t within_us = i % 3 == 0 ? 0 : (int64_t)(tm__rng_f64(&rng) * 60);
        const tm_answer_key asked_for = {models[key.model], tm__str(entities[key.entity]),
                                         key.event_us, within_us};
        bool has_alikes = false;
        tm_found found = {0};
        const int64_t want = brute_find(list, N, &key, within_us, &has_alikes);
        assert_int_equal(tm__block_find_key(&block, &asked_for, &found, NULL), TM_OK);
        assert_int_equal(found.seq, want);
        assert_int_equal(found.has_alikes, has_alikes);
        if (want > 0) {
            assert_int_equal(tm__record_output(&block.record, 0), want - 1);
        }
    }
    tm__block_done(&block);
    tm__db_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_answer_is_found_by_id_by_number_and_by_key),
        TEST(the_newest_answer_before_a_time_is_that_of_brute_force),
        TEST(a_damaged_block_is_an_error_that_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
