/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "registry/registry.h"

typedef struct tm_case {
    const char *name;
    tm_gate gate;
    tm_gate_scores scores;
    const char *info; /* of the candidate */
    bool is_open;
    const char *reason;
} tm_case;

static const tm_case cases[] = {
    {"a gain below what is asked is refused with the figures",
     {.better_than_champion = true, .by = 0.002, .metric = "auc"},
     {true, 0.7312, 0.7421, 1204, "1,204 newest labelled rows", NULL},
     "{}",
     false,
     "auc 0.7312 is not better than champion's 0.7421 by 0.002 on 1,204 newest labelled rows"},
    {"a gain above it opens",
     {.better_than_champion = true, .by = 0.002, .metric = "auc"},
     {true, 0.7512, 0.7421, 1204, "1,204 newest labelled rows", NULL},
     "{}",
     true,
     "auc 0.7512 is better than champion's 0.7421 by 0.0091 on 1,204 newest labelled rows"},
    {"a gain of exactly what is asked opens though it is rounded",
     {.better_than_champion = true, .by = 0.1, .metric = "auc"},
     {true, 0.3, 0.2, 10, "10 rows", NULL},
     "{}",
     true,
     "auc 0.3000 is better than champion's 0.2000 by 0.1 on 10 rows"},
    {"an equal score is not better",
     {.better_than_champion = true, .metric = "auc"},
     {true, 0.75, 0.75, 10, "10 rows", NULL},
     "{}",
     false,
     "auc 0.7500 is not better than champion's 0.7500 on 10 rows"},
    {"a refit need not be better",
     {.better_than_champion = true, .by = 0.002, .metric = "auc", .is_refit = true},
     {true, 0.7412, 0.7421, 10, "10 rows", NULL},
     "{}",
     true,
     "auc 0.7412 of the same recipe on fewer rows is not worse than champion's 0.7421 by more than"
     " 0.002 on 10 rows"},
    {"a refit may not be worse by more than what is asked otherwise",
     {.better_than_champion = true, .by = 0.002, .metric = "auc", .is_refit = true},
     {true, 0.7312, 0.7421, 10, "10 rows", NULL},
     "{}",
     false,
     "auc 0.7312 of the same recipe on fewer rows is worse than champion's 0.7421 by more than"
     " 0.002 on 10 rows"},
    {"two figures that differ late are shown so that they differ",
     {.better_than_champion = true, .metric = "auc"},
     {true, 0.750001, 0.750002, 10, "10 rows", NULL},
     "{}",
     false,
     "auc 0.75000100 is not better than champion's 0.75000200 on 10 rows"},
    {"a loss is better when it is smaller",
     {.better_than_champion = true, .metric = "logloss"},
     {true, 0.4, 0.5, 10, "10 rows", NULL},
     "{}",
     true,
     "logloss 0.4000 is better than champion's 0.5000 by 0.1 on 10 rows"},
    {"the metric is the candidate's own when the gate names none",
     {.better_than_champion = true},
     {true, 0.6, 0.5, 10, "10 rows", NULL},
     "{\"metric\": \"rmse\"}",
     false,
     "rmse 0.6000 is not better than champion's 0.5000 on 10 rows"},
    {"without rows to compare on it stays shut",
     {.better_than_champion = true, .metric = "auc"},
     {0},
     "{}",
     false,
     "there are no rows on which it and the champion could both be scored"},
    {"a score that is not a number stays shut",
     {.better_than_champion = true, .metric = "auc"},
     {true, NAN, 0.5, 10, "10 rows", NULL},
     "{}",
     false,
     "auc cannot be computed on 10 rows"},
    {"a floor that is met",
     {.floors = {{"auc", 0.7}}, .n_floors = 1},
     {0},
     "{\"test\": {\"auc\": 0.74}}",
     true,
     "auc 0.7400 on its own test meets the floor of 0.7"},
    {"a floor that is missed",
     {.floors = {{"auc", 0.7}}, .n_floors = 1},
     {0},
     "{\"test\": {\"auc\": 0.64}}",
     false,
     "auc 0.6400 on its own test is below the floor of 0.7"},
    {"a ceiling of a loss",
     {.floors = {{"rmse", 2}}, .n_floors = 1},
     {0},
     "{\"validation\": {\"rmse\": 2.5}}",
     false,
     "rmse 2.5000 on its own test is above the ceiling of 2"},
    {"a floor without a score",
     {.floors = {{"auc", 0.7}}, .n_floors = 1},
     {0},
     "{}",
     false,
     "it has no auc of its own to hold against the 0.7"},
    {"both conditions",
     {.better_than_champion = true, .metric = "auc", .floors = {{"auc", 0.7}}, .n_floors = 1},
     {true, 0.8, 0.7, 10, "10 rows", NULL},
     "{\"test\": {\"auc\": 0.8}}",
     true,
     "auc 0.8000 is better than champion's 0.7000 by 0.1 on 10 rows; auc 0.8000 on its own test "
     "meets the floor of 0.7"},
    {"no condition", {0}, {0}, "{}", true, "the gate asks for nothing"},
};

static void a_gate_says_why_in_words_and_figures(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_case *c = &cases[i];
        tm_version candidate = {.info = json_loads(c->info, 0, NULL)};
        tm_gate_verdict verdict;
        memset(&verdict, 0xA5, sizeof(verdict));
        tm__gate_check(&c->gate, &candidate, &c->scores, &verdict);
        if (verdict.is_open != c->is_open || strcmp(verdict.reason, c->reason) != 0) {
            fail_msg("%s: %d '%s'", c->name, verdict.is_open, verdict.reason);
        }
        tm__gate_verdict_done(&verdict);
        tm__version_done(&candidate);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gate_says_why_in_words_and_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
