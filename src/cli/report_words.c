/* SPDX-License-Identifier: Apache-2.0 */
/* A report on a terminal: sentences, the table of scores, groups, columns. */
#include "cli/report_words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "cli/report_page_priv.h"
#include "cli/train_words.h"

#define WORTH_MAX 10u

static void print_scores(tm_cli *cli, const json_t *report) {
    const json_t *list = json_object_get(json_object_get(report, "scores"), "list"), *entry = NULL;
    const json_t *first = json_array_get(list, 0);
    const bool has_baseline = json_object_get(first, "baseline") != NULL;
    const bool has_other = json_object_get(first, "other") != NULL;
    const char *titles[6] = {"  score", "value", "low", "high"};
    uint32_t n = 4;
    char other[48];
    tm_cli_table table;
    size_t i = 0;
    if (has_baseline) {
        titles[n++] = "constant";
    }
    if (has_other) {
        (void)snprintf(other, sizeof(other), "version %lld",
                       (long long)tm__json_i64(json_object_get(report, "against"), "version", 0));
        titles[n++] = other;
    }
    tm__cli_table_init(&table, n, titles);
    json_array_foreach(list, i, entry) {
        tm__cli_cell(&table, "  %s", tm__json_text(entry, "score", ""));
        tm__cli_cell_number(&table, tm__json_f64(entry, "value", tm__nan()), 5);
        tm__cli_cell_number(&table, tm__json_f64(entry, "low", tm__nan()), 4);
        tm__cli_cell_number(&table, tm__json_f64(entry, "high", tm__nan()), 4);
        if (has_baseline) {
            tm__cli_cell_number(&table, tm__json_f64(entry, "baseline", tm__nan()), 5);
        }
        if (has_other) {
            tm__cli_cell_number(&table, tm__json_f64(entry, "other", tm__nan()), 5);
        }
    }
    tm__cli_table_print(cli, &table);
}

static void print_weak(tm_cli *cli, const json_t *report) {
    const json_t *list = json_object_get(json_object_get(report, "weak"), "list"), *group = NULL;
    const char *titles[] = {"  rows where", "rows", "", "there", "", "p"};
    tm_cli_table table;
    size_t i = 0;
    char name[400], there[40], other[40];
    if (json_array_size(list) == 0) {
        return;
    }
    tm__cli_print(cli, "\nwhere it is bad\n");
    tm__cli_table_init(&table, 6, titles);
    json_array_foreach(list, i, group) {
        const bool is_worse = strcmp(tm__json_text(group, "kind", ""), "worse") == 0;
        tm__cli_cell(&table, "  %s", tm__report_group_text(group, name, sizeof(name)));
        tm__cli_cell(&table, "%lld", (long long)tm__json_i64(group, "rows", 0));
        tm__cli_cell(&table, "%s", is_worse ? "loss" : "says");
        tm__cli_cell(&table, "%s",
                     tm__report_number_text(tm__json_f64(group, is_worse ? "loss" : "answer", 0),
                                            there, sizeof(there)));
        tm__cli_cell(
            &table, "%s %s", is_worse ? "elsewhere" : "is true",
            tm__report_number_text(tm__json_f64(group, is_worse ? "elsewhere" : "truth", 0), other,
                                   sizeof(other)));
        tm__cli_cell(&table, "%.0e", tm__json_f64(group, "p", 1));
    }
    tm__cli_table_print(cli, &table);
}

static void print_fairness(tm_cli *cli, const json_t *report) {
    const json_t *fairness = json_object_get(report, "fairness"), *group = NULL;
    const char *titles[] = {"  group",     "rows",  "called", "found",
                            "false calls", "right", "off",    ""};
    static const char *const members[] = {"selected", "true_positive_rate", "false_positive_rate",
                                          "accuracy", "off"};
    tm_cli_table table;
    size_t i = 0;
    if (!json_is_object(fairness)) {
        return;
    }
    tm__cli_print(cli, "\nhow the groups of '%s' fare\n", tm__json_text(fairness, "column", ""));
    tm__cli_table_init(&table, 8, titles);
    json_array_foreach(json_object_get(fairness, "groups"), i, group) {
        tm__cli_cell(&table, "  %s", tm__json_text(group, "group", ""));
        tm__cli_cell(&table, "%lld", (long long)tm__json_i64(group, "rows", 0));
        for (size_t k = 0; k < 5; k++) {
            tm__cli_cell_number(
                &table, tm__json_f64(json_object_get(group, members[k]), "value", tm__nan()), 3);
        }
        tm__cli_cell(&table, "%s", tm__json_bool(group, "small", false) ? "few rows" : "");
    }
    tm__cli_table_print(cli, &table);
    const json_t *rule = json_object_get(fairness, "four_fifths");
    if (json_is_object(rule)) {
        tm__cli_print(cli, "  the four-fifths rule %s: %s is called %.2f times as often as %s\n",
                      tm__json_bool(rule, "holds", false) ? "holds" : "does not hold",
                      tm__json_text(rule, "least", ""),
                      tm__json_f64(json_object_get(rule, "ratio"), "value", tm__nan()),
                      tm__json_text(rule, "most", ""));
    }
}

static void print_worth(tm_cli *cli, const json_t *report) {
    const json_t *worth = json_object_get(report, "worth"), *entry = NULL;
    const json_t *columns = json_object_get(worth, "columns");
    const char *titles[] = {"  column", "loses", "spread"};
    tm_cli_table table;
    size_t i = 0;
    tm__cli_print(cli, "\nwhat %s loses when a column is shuffled\n",
                  tm__json_text(worth, "metric", ""));
    tm__cli_table_init(&table, 3, titles);
    json_array_foreach(columns, i, entry) {
        if (i >= WORTH_MAX) {
            break;
        }
        tm__cli_cell(&table, "  %s", tm__json_text(entry, "column", ""));
        tm__cli_cell_number(&table, tm__json_f64(entry, "loses", 0), 3);
        tm__cli_cell_number(&table, tm__json_f64(entry, "spread", 0), 2);
    }
    tm__cli_table_print(cli, &table);
    if (json_array_size(columns) > WORTH_MAX) {
        tm__cli_print(cli, "  and %zu more\n", json_array_size(columns) - WORTH_MAX);
    }
}

void tm__report_words_print(tm_cli *cli, const json_t *report) {
    const json_t *rows = json_object_get(report, "rows"), *sentence = NULL;
    const json_t *latency = json_object_get(report, "latency");
    json_t *sentences = tm__report_sentences(report);
    char text[64], learned[32];
    size_t i = 0;
    tm__cli_print(cli, "%s version %lld: %s, predicts '%s': %s\n",
                  tm__json_text(report, "model", ""), (long long)tm__json_i64(report, "version", 0),
                  tm__json_text(report, "task", ""), tm__json_text(report, "target", ""),
                  tm__report_verdict(report));
    tm__cli_print(cli, "learned from %s rows; looked at on %s %s\n\n",
                  tm__count_text(tm__json_i64(rows, "learned_from", 0), learned),
                  tm__count_text(tm__json_i64(rows, "rows", 0), text),
                  strcmp(tm__json_text(rows, "from", ""), "test") == 0
                      ? "test rows that it never saw"
                      : "rows that were given");
    json_array_foreach(sentences, i, sentence) {
        tm__cli_print(cli, "- %s\n", json_string_value(sentence));
    }
    json_decref(sentences);
    tm__cli_print(cli, "\n");
    print_scores(cli, report);
    print_weak(cli, report);
    print_fairness(cli, report);
    print_worth(cli, report);
    tm__cli_print(cli, "\none row takes %.3g us (1 of 100 over %.3g); the file has %s\n",
                  tm__json_f64(latency, "p50_us", 0), tm__json_f64(latency, "p99_us", 0),
                  tm__bytes_text((uint64_t)tm__json_i64(report, "bytes", 0), text, sizeof(text)));
    tm__cli_note(cli, "next: tidemill model report %s@%lld --html report.html",
                 tm__json_text(report, "model", ""), (long long)tm__json_i64(report, "version", 0));
}
