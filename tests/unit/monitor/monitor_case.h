/* SPDX-License-Identifier: Apache-2.0 */
/* A log with answers of the model "tiny" and their labels, for tests of what reads it. */
#ifndef TM_TESTS_MONITOR_CASE_H
#define TM_TESTS_MONITOR_CASE_H

#include "test.h"

#include <stdio.h>

#include "logged.h"
#include "monitor/monitor_priv.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static tm_monitor *open_monitor(const tm_home *home) {
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    return monitor;
}

typedef struct tm_given {
    uint32_t version;
    int64_t at_us, event_us;
    const char *entity, *row;
    double output;
    const char *label; /* NULL: none comes */
} tm_given;

/* Answers with ids "0", "1", ... from first on, with their labels. */
static void log_answers(tm_monitor *monitor, const tm_given *given, int n, int first) {
    for (int i = 0; i < n; i++) {
        const tm_given *g = &given[i];
        char id[27];
        snprintf(id, sizeof(id), "%d", first + i);
        const tm_logged answer = {.id = id,
                                  .at_us = g->at_us,
                                  .event_us = g->event_us,
                                  .model = "tiny",
                                  .version = g->version,
                                  .entity = g->entity,
                                  .row = g->row,
                                  .outputs = &g->output,
                                  .n_outputs = 1};
        assert_true(tm__logged_answer(monitor, &answer));
        if (g->label != NULL) {
            const tm_label label = {
                .prediction_id = id, .value = g->label, .observed_us = TM_INT_MISSING};
            tm_label_result result;
            assert_int_equal(tm__monitor_labels(monitor, &label, 1, &result, NULL), TM_OK);
            assert_int_equal(result, TM_LABEL_JOINED);
        }
    }
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
}

/* What a statement over the log says, as one number. */
static inline int64_t number_of(const tm_home *home, const char *sql) {
    tm_db *db = NULL;
    tm_stmt *stmt = NULL;
    bool has_row = false;
    assert_int_equal(tm__log_open(tm__home_log_db(home), false, &db, NULL), TM_OK);
    assert_int_equal(tm__stmt_init(db, sql, &stmt, NULL), TM_OK);
    assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
    const int64_t n = has_row ? tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    tm__db_close(db);
    return n;
}

#define NO_TIME TM_INT_MISSING

#endif
