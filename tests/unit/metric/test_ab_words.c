/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "metric/ab_judge_priv.h"
#include "test.h"

static const tm_ab_input in = {.names = {"old", "new"},
                               .share = 0.5,
                               .alpha = 0.05,
                               .horizon = 1000,
                               .metric = {.name = "bought", .kind = TM_AB_MEAN}};

static void want(const tm_ab_judging *j, const char *decision, const char *words) {
    char text[TM_AB_WORDS_MAX];
    tm__ab_words(j, decision, text, sizeof(text));
    if (strstr(text, words) == NULL) {
        fail_msg("\"%s\" has no \"%s\"", text, words);
    }
}

static tm_ab_judging judging(void) {
    tm_ab_judging j = {.in = &in,
                       .alpha_early = 0.005,
                       .alpha_last = 0.045,
                       .last_look = {.low = -0.01, .high = 0.02}};
    const tm_ab_options options = {.kind = TM_AB_MEAN, .share = 0.5, .alpha = 0.005};
    assert_int_equal(tm__ab_compare_init(&options, &j.metric, NULL), TM_OK);
    j.metric.arms[0] = (tm_ab_arm){500, 0.25, 90, 0};
    j.metric.arms[1] = (tm_ab_arm){500, 0.3, 100, 0};
    return j;
}

static void a_verdict_says_what_within_what_and_what_to_do(void **state) {
    (void)state;
    tm_ab_judging j = judging();
    want(&j, "wait", "No verdict yet, after 1000 of 1000 units");
    want(&j, "wait", "99.5 %, at any time");
    j.metric.arms[1].cubes = 500;
    want(&j, "wait", "a few large values of bought make up the difference");
    j.metric.arms[1].cubes = 0;
    j.is_at_horizon = true;
    want(&j, "no_difference", "between -0.01 and +0.02 (95.5 %). Keep 'old'");
    j.sign = -1;
    want(&j, "treatment_worse", "'new' is worse: its bought is 0.3, where 'old' has 0.25");
    want(&j, "treatment_worse", "at the last look");
    j.metric.decided_at = 700;
    j.is_at_horizon = false;
    j.sign = 1;
    want(&j, "treatment_better", "you may stop now");
    j.ratio = (tm_ab_ratio){.share = 0.5, .n = {400, 600}, .log_most = 8};
    want(&j, "mismatch", "'old' has 400 units and 'new' 600, where 500 and 500 were planned");
}

/* Names of any length leave room for the figures. */
static void long_names_are_cut(void **state) {
    (void)state;
    char name[300];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    tm_ab_input longer = in;
    longer.names[0] = longer.names[1] = longer.metric.name = name;
    tm_ab_judging j = judging();
    j.in = &longer;
    j.sign = 1;
    want(&j, "treatment_better", "at the last look)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verdict_says_what_within_what_and_what_to_do),
        cmocka_unit_test(long_names_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
