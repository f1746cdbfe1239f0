/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/experiment_asked.h"

#include <string.h>

#include "monitor/experiment_guard.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

enum { WORDS_MAX = 32 };

/* The options of `experiment start` (words between blanks) as guardrails beside "brier". */
static tm_status read_by(const tm_bundle *bundle, const char *options, json_t **out, tm_err *err) {
    char text[512];
    const char *words[WORDS_MAX] = {"tidemill", "experiment", "start", "tiny"};
    int n = 4;
    tm_cli cli = {0};
    (void)tm__str_copy(text, sizeof(text), tm__str(options));
    for (char *rest = text, *word; (word = strtok_r(rest, " ", &rest)) != NULL;) {
        words[n++] = word;
    }
    tm_status st = tm__cli_parse(&cli, n, words, err);
    st = st == TM_OK ? tm__guards_read(&cli, bundle, "brier", out, err) : st;
    tm__cli_done(&cli);
    return st;
}

static void what_is_said_is_kept(void **state) {
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    json_t *list = NULL;
    assert_int_equal(read_by(bundle, "", &list, NULL), TM_OK);
    assert_null(list);
    assert_int_equal(read_by(bundle,
                             "--guardrail accuracy=0.01 --guardrail latency=0.02 --slow 20ms "
                             "--guardrail errors",
                             &list, NULL),
                     TM_OK);
    assert_int_equal(json_array_size(list), 3);
    assert_true(tm__guards_have(list, "errors") && !tm__guards_have(list, "logloss"));
    assert_true(tm__json_f64(json_array_get(list, 0), "margin", 0) == 0.01);
    assert_int_equal(tm__json_i64(json_array_get(list, 1), "slow_us", 0), 20000);
    assert_true(tm__json_f64(json_array_get(list, 2), "margin", 1) == 0);
    json_decref(list);
    tm__bundle_unref(bundle);
}

static void what_cannot_be_is_refused(void **state) {
    static const struct {
        const char *options, *message;
    } cases[] = {
        {"--guardrail auc", "'auc' is no guardrail of this model"},
        {"--guardrail nonsense=0.1", "'nonsense' is no guardrail"},
        {"--guardrail accuracy=much", "'accuracy=much' is no guardrail"},
        {"--guardrail accuracy=-0.1", "is no guardrail"},
        {"--guardrail accuracy=nan", "is no guardrail"},
        {"--guardrail accuracy=inf", "is no guardrail"},
        {"--guardrail =0.1", "is no guardrail"},
        {"--guardrail brier=0.1", "'brier' is named twice"},
        {"--guardrail errors --guardrail errors=0.1", "'errors' is named twice"},
        {"--guardrail latency=0.1", "latency and --slow go together"},
        {"--guardrail errors --slow 1s", "latency and --slow go together"},
        {"--guardrail latency --slow 2h", "latency and --slow go together"},
    };
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *list = NULL;
        tm_err err = {0};
        assert_int_equal(read_by(bundle, cases[i].options, &list, &err), TM_E_USAGE);
        if (strstr(err.message, cases[i].message) == NULL || err.hint[0] == '\0') {
            fail_msg("%s: %s", cases[i].options, err.message);
        }
        assert_null(list);
    }
    tm__bundle_unref(bundle);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_said_is_kept),
        TEST(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
