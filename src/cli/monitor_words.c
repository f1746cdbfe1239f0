/* SPDX-License-Identifier: Apache-2.0 */
/* A report of live scores on a terminal: findings, scores, windows, groups. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "cli/monitor_report.h"
#include "cli/report_page_priv.h"
#include "cli/train_words.h"

#define WINDOWS_TOLD 20u

static void print_scores(tm_cli *cli, const json_t *report) {
    const char *titles[] = {"  score", "test", "live",     "low",        "high",
                            "worst",   "best", "expected", "of labelled"};
    const json_t *list = json_object_get(json_object_get(report, "live"), "scores"), *entry = NULL;
    const json_t *estimates = json_object_get(json_object_get(report, "estimated"), "scores");
    tm_cli_table table;
    size_t i = 0;
    tm__cli_print(cli, "\n");
    tm__cli_table_init(&table, 9, titles);
    json_array_foreach(list, i, entry) {
        const char *name = tm__json_text(entry, "score", "");
        const json_t *estimate = tm__monitor_score(estimates, name);
        tm__cli_cell(&table, "  %s", name);
        tm__cli_cell_number(&table, tm__json_f64(json_object_get(report, "test"), name, tm__nan()),
                            4);
        tm__cli_cell_number(&table, tm__json_f64(entry, "value", tm__nan()), 4);
        tm__cli_cell_number(&table, tm__json_f64(entry, "low", tm__nan()), 4);
        tm__cli_cell_number(&table, tm__json_f64(entry, "high", tm__nan()), 4);
        tm__cli_cell_number(&table, tm__json_f64(entry, "worst", tm__nan()), 4);
        tm__cli_cell_number(&table, tm__json_f64(entry, "best", tm__nan()), 4);
        tm__cli_cell_number(&table, tm__json_f64(estimate, "value", tm__nan()), 4);
        tm__cli_cell_number(&table, tm__json_f64(estimate, "of_labelled", tm__nan()), 4);
    }
    tm__cli_table_print(cli, &table);
}

static void print_window(tm_cli_table *table, const json_t *report, size_t i) {
    const char *metric = tm__json_text(report, "metric", "");
    const json_t *window =
        json_array_get(json_object_get(json_object_get(report, "live"), "windows"), i);
    const json_t *other =
        json_array_get(json_object_get(json_object_get(report, "estimated"), "windows"), i);
    const json_t *entry = tm__monitor_score(json_object_get(window, "scores"), metric);
    const json_t *estimate = tm__monitor_score(json_object_get(other, "scores"), metric);
    char count[32];
    tm__cli_cell(table, "  %.16s", tm__json_text(window, "from", ""));
    tm__cli_cell(table, "%s", tm__count_text(tm__json_i64(window, "answers", 0), count));
    if (json_is_number(json_object_get(window, "coverage"))) {
        tm__cli_cell(table, "%.0f %%", 100 * tm__json_f64(window, "coverage", 0));
    } else {
        tm__cli_cell(table, "-");
    }
    tm__cli_cell_number(table, tm__json_f64(entry, "value", tm__nan()), 4);
    tm__cli_cell_number(table, tm__json_f64(entry, "low", tm__nan()), 4);
    tm__cli_cell_number(table, tm__json_f64(entry, "high", tm__nan()), 4);
    tm__cli_cell_number(table, tm__json_f64(entry, "worst", tm__nan()), 4);
    tm__cli_cell_number(table, tm__json_f64(entry, "best", tm__nan()), 4);
    tm__cli_cell_number(table, tm__json_f64(estimate, "value", tm__nan()), 4);
}

static void print_windows(tm_cli *cli, const json_t *report) {
    const json_t *windows = json_object_get(json_object_get(report, "live"), "windows");
    const char *titles[] = {"  from", "answers", "labelled", "live",    "low",
                            "high",   "worst",   "best",     "expected"};
    const size_t n = json_array_size(windows), first = n > WINDOWS_TOLD ? n - WINDOWS_TOLD : 0;
    tm_cli_table table;
    char width[32];
    if (n == 0) {
        return;
    }
    tm__cli_print(cli, "\n%s by windows of %s, by %s%s\n", tm__json_text(report, "metric", ""),
                  tm__span_text(tm__json_f64(report, "window_seconds", 0), width),
                  strcmp(tm__json_text(report, "clock", ""), "row") == 0
                      ? "the times of the rows"
                      : "when they were answered",
                  first > 0 ? "; the newest" : "");
    tm__cli_table_init(&table, 9, titles);
    for (size_t i = first; i < n; i++) {
        print_window(&table, report, i);
    }
    tm__cli_table_print(cli, &table);
}

void tm__monitor_words_print(tm_cli *cli, const json_t *report) {
    const json_t *findings = json_object_get(report, "findings"), *entry = NULL;
    const json_t *coverage = json_object_get(report, "coverage");
    const json_t *assumes = json_object_get(json_object_get(report, "estimated"), "assumes");
    char a[32], b[32];
    size_t i = 0;
    tm__cli_print(cli, "%s", tm__json_text(report, "model", ""));
    if (json_is_integer(json_object_get(report, "version"))) {
        tm__cli_print(cli, " version %lld", (long long)tm__json_i64(report, "version", 0));
    }
    tm__cli_print(cli, " (%s): %s answers, %s of them with a label\n\n",
                  tm__json_text(report, "task", ""),
                  tm__count_text(tm__json_i64(coverage, "answers", 0), a),
                  tm__count_text(tm__json_i64(coverage, "labelled", 0), b));
    json_array_foreach(findings, i, entry) {
        const char *level = tm__json_text(entry, "level", "");
        tm__cli_print(cli, "%s %s\n",
                      strcmp(level, "bad") == 0    ? "!"
                      : strcmp(level, "warn") == 0 ? "?"
                                                   : "-",
                      tm__json_text(entry, "text", ""));
    }
    if (json_array_size(json_object_get(json_object_get(report, "live"), "scores")) > 0) {
        print_scores(cli, report);
    }
    print_windows(cli, report);
    if (json_array_size(assumes) > 0) {
        tm__cli_print(cli, "\nwhat is expected holds when\n");
    }
    json_array_foreach(assumes, i, entry) {
        tm__cli_print(cli, "  %s\n", json_string_value(entry));
    }
    tm__cli_note(cli, "next: tidemill monitor report %s -o report.html",
                 tm__json_text(report, "model", ""));
}
