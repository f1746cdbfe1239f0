/* SPDX-License-Identifier: Apache-2.0 */
/* Minutes of answers of "tiny" whose labels come at once, for tests of their errors. */
#ifndef TM_TESTS_ERRORS_CASE_H
#define TM_TESTS_ERRORS_CASE_H

#include "test.h"

#include <stdio.h>

#include "base/clock.h"
#include "logged.h"
#include "temp_home.h"
#include "tiny_bundle.h"

#define MINUTE INT64_C(60000000)
#define LABELS 50

typedef struct errors_case {
    tm_monitor *monitor;
    int n; /* answers so far */
} errors_case;

static errors_case errors_open(const tm_home *home) {
    const tm_monitor_options options = {.can_write = true};
    errors_case c = {0};
    assert_int_equal(tm__monitor_open(home, &options, &c.monitor, NULL), TM_OK);
    return c;
}

/* Answers of 0.9 that a minute's labels call right but for some in a hundred. */
static void errors_minute(errors_case *c, int64_t minute, int n_wrong) {
    static const double output = 0.9;
    char ids[LABELS][27];
    tm_label labels[LABELS];
    tm_label_result results[LABELS];
    tm__clock_fix(minute * MINUTE + 1000);
    for (int i = 0; i < LABELS; i++, c->n++) {
        snprintf(ids[i], sizeof(ids[i]), "%d", c->n);
        const tm_logged answer = {.id = ids[i],
                                  .at_us = minute * MINUTE,
                                  .event_us = TM_INT_MISSING,
                                  .model = "tiny",
                                  .version = 1,
                                  .row = "{}",
                                  .outputs = &output,
                                  .n_outputs = 1};
        assert_true(tm__logged_answer(c->monitor, &answer));
        labels[i] = (tm_label){.prediction_id = ids[i],
                               .value = c->n * 37 % 100 < n_wrong ? "no" : "yes",
                               .observed_us = TM_INT_MISSING};
    }
    assert_int_equal(tm__monitor_labels(c->monitor, labels, LABELS, results, NULL), TM_OK);
}

#endif
