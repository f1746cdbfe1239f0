/* SPDX-License-Identifier: Apache-2.0 */
/* A verdict on a terminal. */
#include "base/fmath.h"
#include "cli/experiment_rows.h"
#include "cli/train_words.h"

/* A number that may be null: "-". */
static void print_number(tm_cli_table *table, const json_t *value, uint32_t digits) {
    tm__cli_cell_number(table, json_is_number(value) ? json_number_value(value) : tm__nan(),
                        digits);
}

static void print_metric(tm_cli_table *table, const json_t *metric, const char *state) {
    const json_t *means = json_object_get(metric, "means");
    tm__cli_cell(table, "  %s", tm__json_text(metric, "metric", ""));
    print_number(table, json_array_get(means, 0), 4);
    print_number(table, json_array_get(means, 1), 4);
    print_number(table, json_object_get(metric, "difference"), 3);
    print_number(table, json_object_get(metric, "low"), 3);
    print_number(table, json_object_get(metric, "high"), 3);
    tm__cli_cell(table, "%s", state);
}

static void print_metrics(tm_cli *cli, const json_t *result) {
    const json_t *arms = json_object_get(result, "arms"), *one = NULL;
    const json_t *metric = json_object_get(result, "metric");
    const char *titles[] = {"  metric",
                            tm__json_text(json_array_get(arms, 0), "arm", ""),
                            tm__json_text(json_array_get(arms, 1), "arm", ""),
                            "difference",
                            "at least",
                            "at most",
                            ""};
    tm_cli_table table;
    size_t i = 0;
    tm__cli_table_init(&table, 7, titles);
    print_metric(&table, metric,
                 json_is_null(json_object_get(metric, "decided")) ? "open" : "decided");
    json_array_foreach(json_object_get(result, "guardrails"), i, one) {
        print_metric(&table, one, tm__json_text(one, "state", ""));
    }
    tm__cli_print(cli, "\n");
    tm__cli_table_print(cli, &table);
}

static void print_notes(tm_cli *cli, const json_t *result) {
    char a[32], b[32];
    const json_t *ratio = json_object_get(result, "sample_ratio");
    const json_t *coverage = json_object_get(result, "coverage");
    const int64_t n = tm__json_i64(result, "units", 0),
                  matured = tm__json_i64(result, "matured", 0);
    const int64_t in_both = tm__json_i64(result, "in_both_arms", 0);
    const int64_t after = tm__json_i64(result, "after_horizon", 0);
    tm__cli_print(cli,
                  "\n%s units, %s of them judged; shares of the arms as planned: p = %.3g for "
                  "one look, %.3g for any number\n",
                  tm__count_text(n, a), tm__count_text(tm__json_i64(result, "judged", 0), b),
                  tm__json_f64(ratio, "p_value", 1), tm__json_f64(ratio, "any_time_p_value", 1));
    if (n > matured) {
        tm__cli_print(cli, "%s units are too young to be judged\n", tm__count_text(n - matured, a));
    }
    if (after > 0) {
        tm__cli_print(cli, "%s units came after the last look and do not count\n",
                      tm__count_text(after, a));
    }
    if (in_both > 0) {
        tm__cli_warn(cli, "%s units were in both arms and are left out",
                     tm__count_text(in_both, a));
    }
    if (tm__json_bool(coverage, "differs", false)) {
        const json_t *shares = json_object_get(coverage, "shares");
        tm__cli_warn(cli,
                     "outcomes are known of %.1f %% of one arm and %.1f %% of the other: what "
                     "is missing is not missing alike",
                     100 * json_number_value(json_array_get(shares, 0)),
                     100 * json_number_value(json_array_get(shares, 1)));
    }
}

static void print_series(tm_cli *cli, const json_t *series) {
    const char *titles[] = {"  judged by", "control",  "treatment",
                            "difference",  "at least", "at most"};
    const json_t *point = NULL;
    tm_cli_table table;
    size_t i = 0;
    tm__cli_print(cli, "\nover time, as units were judged:\n");
    tm__cli_table_init(&table, 6, titles);
    json_array_foreach((json_t *)(uintptr_t)series, i, point) {
        const json_t *units = json_object_get(point, "units");
        tm__cli_cell(&table, "  %s", tm__json_text(point, "at", "-"));
        for (size_t arm = 0; arm < 2; arm++) {
            char text[32];
            const json_int_t n = json_integer_value(json_array_get(units, arm));
            tm__cli_cell(&table, "%s", tm__count_text(n, text));
        }
        print_number(&table, json_object_get(point, "difference"), 3);
        print_number(&table, json_object_get(point, "low"), 3);
        print_number(&table, json_object_get(point, "high"), 3);
    }
    tm__cli_table_print(cli, &table);
}

void tm__experiment_print(tm_cli *cli, const json_t *result) {
    tm__cli_print(cli, "%s\n", tm__json_text(result, "verdict", ""));
    print_metrics(cli, result);
    print_notes(cli, result);
    if (json_is_array(json_object_get(result, "over_time"))) {
        print_series(cli, json_object_get(result, "over_time"));
    }
}
