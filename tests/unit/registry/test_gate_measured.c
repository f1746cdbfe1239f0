/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "registry/registry_priv.h"
#include "test.h"

#define AUC                                                                                        \
    "{\"score\":\"auc\",\"value\":0.8,\"low\":0.75,\"high\":0.85,\"gain\":{\"value\":0.02,"        \
    "\"low\":0.01,\"high\":0.03}}"
#define ECE "{\"score\":\"ece\",\"value\":0.03,\"low\":0.01,\"high\":0.06}"
#define ROWS "\"rows\":\"400 rows\",\"scores\":[" AUC "," ECE "],\"errors\":{}"
#define SLICE(name, low, high)                                                                     \
    "{\"column\":\"city\",\"group\":\"" name                                                       \
    "\",\"rows\":120,\"scores\":[{\"score\":\"auc\",\"value\":0.7,"                                \
    "\"low\":0.6,\"high\":0.8,\"gain\":{\"value\":0,\"low\":" low ",\"high\":" high "}}]}"
#define FAIR                                                                                       \
    "\"fairness\":{\"four_fifths\":{\"most\":\"m\",\"least\":\"f\",\"ratio\":{\"value\":0.85,"     \
    "\"low\":0.7,\"high\":1}}}"

#define LOAD(rate, p99, refused)                                                                   \
    "\"load\":{\"rows_per_second\":" rate ",\"p99_us\":" p99                                       \
    ",\"seconds\":3,\"answered\":3000,\"refused\":" refused ",\"rows\":\"16 golden rows\"}"

static const struct {
    const char *name;
    tm_gate gate;
    const char *measured;
    bool is_open;
    const char *says; /* part of the reason */
} cases[] = {
    {"a sure floor is held to the worse end",
     {.is_sure = true, .floors = {{"auc", 0.76}}, .n_floors = 1},
     "{" ROWS "}",
     false,
     "auc 0.8000 (0.7500 to 0.8500) on 400 rows misses the floor of 0.76"},
    {"and met by it",
     {.is_sure = true, .floors = {{"auc", 0.74}}, .n_floors = 1},
     "{" ROWS "}",
     true,
     "meets"},
    {"a sure gain",
     {.is_sure = true, .better_than_champion = true, .metric = "auc", .by = 0.005},
     "{" ROWS "}",
     true,
     "surely better"},
    {"a gain that may be less",
     {.is_sure = true, .better_than_champion = true, .metric = "auc", .by = 0.015},
     "{" ROWS "}",
     false,
     "not surely better"},
    {"nothing was measured",
     {.is_sure = true, .floors = {{"auc", 0.7}}, .n_floors = 1},
     "{\"errors\":{\"rows\":\"there are none\"}}",
     false,
     "there are none"},
    {"no group is surely worse",
     {.slices = {"city"}, .n_slices = 1},
     "{" ROWS ",\"slices\":[" SLICE("a", "-0.1", "0.1") "]}",
     true,
     ""},
    {"groups without rows to compare on",
     {.slices = {"city"}, .n_slices = 1},
     "{" ROWS ",\"slices\":[{\"column\":\"city\",\"group\":\"a\",\"rows\":120,\"scores\":["
     "{\"score\":\"auc\",\"value\":0.7,\"low\":0.6,\"high\":0.8}]}]}",
     false,
     "the groups of 'city' were not compared: there are too few rows"},
    {"one group is surely worse",
     {.slices = {"city"}, .n_slices = 1},
     "{" ROWS ",\"slices\":[" SLICE("a", "-0.1", "0.1") "," SLICE("b", "-0.1", "-0.01") "]}",
     false,
     "where city = b (120 rows)"},
    {"each group has a floor",
     {.slices = {"city"}, .n_slices = 1, .slice_floors = {{"auc", 0.75}}, .n_slice_floors = 1},
     "{" ROWS ",\"slices\":[" SLICE("a", "-0.1", "0.1") "]}",
     false,
     "where city = a on 400 rows misses the floor of 0.75"},
    {"groups that are not there",
     {.slices = {"town"}, .n_slices = 1},
     "{" ROWS ",\"slices\":[],\"errors\":{\"town\":\"no such column\"}}",
     false,
     "no such column"},
    {"calibration", {.calibration_max = 0.05}, "{" ROWS "}", true, "within 0.05"},
    {"sure calibration",
     {.calibration_max = 0.05, .is_sure = true},
     "{" ROWS "}",
     false,
     "over 0.05"},
    {"fairness",
     {.fair_group = "sex", .fair_ratio = 0.8},
     "{" ROWS "," FAIR "}",
     true,
     "'f' is called positive 0.85"},
    {"sure fairness",
     {.fair_group = "sex", .fair_ratio = 0.8, .is_sure = true},
     "{" ROWS "," FAIR "}",
     false,
     "0.7 to 1"},
    {"fairness that is not known",
     {.fair_group = "sex", .fair_ratio = 0.8},
     "{" ROWS ",\"fairness\":{}}",
     false,
     "not compared"},
    {"latency and memory",
     {.latency_us_max = 50, .memory_bytes_max = 1000},
     "{" ROWS ",\"here\":{\"latency_us\":20.5,\"bytes\":1000}}",
     true,
     "latency of 20.5"},
    {"too slow",
     {.latency_us_max = 10},
     "{" ROWS ",\"here\":{\"latency_us\":20.5}}",
     false,
     "over the 10 asked"},
    {"not measured", {.latency_us_max = 10}, "{" ROWS "}", false, "latency is not known"},
    {"a load that is kept up with",
     {.load_rate = 1000, .load_p99_us = 500},
     "{" LOAD("995", "400", "0") "}",
     true,
     "995 a second"},
    {"one that is not",
     {.load_rate = 1000, .load_p99_us = 500},
     "{" LOAD("980", "400", "0") "}",
     false,
     "980 a second"},
    {"one that is too slow",
     {.load_rate = 1000, .load_p99_us = 500},
     "{" LOAD("1000", "501", "0") "}",
     false,
     "within 501 us (at most 500 asked)"},
    {"one that asks for a rate alone",
     {.load_rate = 1000},
     "{" LOAD("1000", "501", "0") "}",
     true,
     "99 of 100 within 501 us,"},
    {"requests that it refuses",
     {.load_rate = 1000},
     "{" LOAD("1000", "400", "1") "}",
     false,
     "refused 1"},
    {"one that gave way",
     {.load_rate = 1000},
     "{\"errors\":{\"load\":\"it ended by signal 9\"}}",
     false,
     "signal 9"},
    {"groups of a version that is alone",
     {.slices = {"city"}, .n_slices = 1, .slice_floors = {{"auc", 0.65}}, .n_slice_floors = 1},
     "{" ROWS ",\"alone\":true,\"slices\":[{\"column\":\"city\",\"group\":\"a\",\"rows\":120,"
     "\"scores\":[{\"score\":\"auc\",\"value\":0.7,\"low\":0.6,\"high\":0.8}]}]}",
     true,
     "meets the floor of 0.65"},
    {"labels of enough answers",
     {.coverage_min = 0.3, .coverage_after_us = 7 * 86400e6},
     "{\"coverage\":{\"answers\":1000,\"labelled\":300}}",
     true,
     "of 1000 answers that are older than 7 days 30.0 % have a label"},
    {"labels of too few answers",
     {.coverage_min = 0.3, .coverage_after_us = 7 * 86400e6},
     "{\"coverage\":{\"answers\":1000,\"labelled\":299}}",
     false,
     "below the 30.0 % asked"},
    {"answers that owe no label yet",
     {.coverage_min = 0.3, .coverage_after_us = 1},
     "{\"coverage\":{\"answers\":0,\"labelled\":0}}",
     false,
     "is not known: none"},
    {"all that refuses is told",
     {.latency_us_max = 10, .calibration_max = 0.01},
     "{" ROWS ",\"here\":{\"latency_us\":20.5}}",
     false,
     "; latency"},
};

static void each_thing_asked_is_a_check(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_gate_verdict verdict = {.is_open = true, .checks = json_array()};
        json_error_t wrong;
        json_t *measured = json_loads(cases[i].measured, 0, &wrong);
        assert_non_null(measured);
        tm__gate_check_measured(&cases[i].gate, "auc", measured, &verdict);
        if (verdict.is_open != cases[i].is_open || strstr(verdict.reason, cases[i].says) == NULL) {
            fail_msg("%s: %d '%s'", cases[i].name, verdict.is_open, verdict.reason);
        }
        assert_true(json_array_size(verdict.checks) > 0);
        tm__gate_verdict_done(&verdict);
        json_decref(measured);
    }
}

static void without_a_measurement_nothing_opens(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_gate_verdict verdict = {.is_open = true, .checks = json_array()};
        tm__gate_check_measured(&cases[i].gate, "auc", NULL, &verdict);
        assert_false(verdict.is_open);
        tm__gate_verdict_done(&verdict);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_thing_asked_is_a_check),
        cmocka_unit_test(without_a_measurement_nothing_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
