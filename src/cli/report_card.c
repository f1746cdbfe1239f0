/* SPDX-License-Identifier: Apache-2.0 */
/* The card: what a model is for, what it learned from, how good it is, for whom worse, what it must
 * not be trusted in, how to ask it, where it is from. */
#include "cli/report_card.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/str.h"
#include "cli/report_page_priv.h"

/* What Markdown and the HTML within it could take for markup is escaped; a line stays one. */
static void put_text(tm_buf *out, const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            (void)tm__buf_byte(out, ' ');
        } else if (*c == '<') {
            (void)tm__buf_text(out, "&lt;");
        } else if (*c == '&') {
            (void)tm__buf_text(out, "&amp;");
        } else {
            if (strchr("\\`*_{}[]()#+!|>~", *c) != NULL) {
                (void)tm__buf_byte(out, '\\');
            }
            (void)tm__buf_byte(out, (uint8_t)*c);
        }
    }
}

static void put_item(tm_buf *out, const char *name, const char *text) {
    if (text != NULL && text[0] != '\0') {
        (void)tm__buf_printf(out, "- %s: ", name);
        put_text(out, text);
        (void)tm__buf_text(out, "\n");
    }
}

static void put_list(tm_buf *out, json_t *list) {
    const json_t *text = NULL;
    size_t i = 0;
    json_array_foreach(list, i, text) {
        (void)tm__buf_text(out, "- ");
        put_text(out, json_string_value(text));
        (void)tm__buf_text(out, "\n");
    }
    json_decref(list);
}

static void put_model(tm_buf *out, const json_t *report) {
    char text[96];
    (void)tm__buf_text(out, "# ");
    put_text(out, tm__json_text(report, "model", ""));
    (void)tm__buf_printf(out, ", version %lld\n\n## Model\n\n",
                         (long long)tm__json_i64(report, "version", 0));
    put_item(out, "Predicts", tm__json_text(report, "target", ""));
    put_item(out, "Kind of answer",
             strcmp(tm__json_text(report, "task", ""), "binary") == 0
                 ? "the probability of one of two classes"
             : strcmp(tm__json_text(report, "task", ""), "multiclass") == 0
                 ? "a probability for each class"
             : strcmp(tm__json_text(report, "task", ""), "ranking") == 0
                 ? "a score to order the rows of a query by"
                 : "a number");
    put_item(out, "Positive class", tm__json_text(report, "positive", ""));
    put_item(out, "Learner", tm__json_text(report, "learner", ""));
    put_item(out, "Created", tm__json_text(report, "created", ""));
    put_item(out, "State", tm__json_text(report, "state", ""));
    put_item(out, "Size",
             tm__bytes_text((uint64_t)tm__json_i64(report, "bytes", 0), text, sizeof(text)));
    (void)snprintf(text, sizeof(text),
                   "%.3g microseconds (1 of 100 takes over %.3g), measured "
                   "where this card was made",
                   tm__json_f64(json_object_get(report, "latency"), "p50_us", 0),
                   tm__json_f64(json_object_get(report, "latency"), "p99_us", 0));
    put_item(out, "One row takes", text);
}

static void put_use(tm_buf *out, const json_t *report) {
    (void)tm__buf_text(out, "\n## Intended use\n\nTo predict ");
    put_text(out, tm__json_text(report, "target", ""));
    (void)tm__buf_text(out, " for rows that come about as those below did. No other use was "
                            "measured, and what people do with an answer was not either.\n");
}

static void put_data(tm_buf *out, const json_t *report) {
    const json_t *rows = json_object_get(report, "rows"), *split = json_object_get(report, "split");
    const json_t *columns = json_object_get(report, "inputs"), *column = NULL;
    const bool is_test = strcmp(tm__json_text(rows, "from", ""), "test") == 0;
    size_t i = 0;
    (void)tm__buf_printf(out, "\n## Data\n\n- Learned from: %lld rows\n- Evaluated on: %lld rows",
                         (long long)tm__json_i64(rows, "learned_from", 0),
                         (long long)tm__json_i64(rows, "rows", 0));
    if (is_test) {
        (void)tm__buf_text(out, " that it never learned from: ");
        put_text(out, tm__json_text(split, "reason", ""));
    } else {
        (void)tm__buf_text(out, " that were given for it");
    }
    if (tm__json_bool(rows, "weighted", false)) {
        (void)tm__buf_text(out, ", weighted");
    }
    (void)tm__buf_printf(out, "\n- Columns it reads (%zu): ", json_array_size(columns));
    json_array_foreach(columns, i, column) {
        if (i >= 50) {
            (void)tm__buf_printf(out, " and %zu more", json_array_size(columns) - i);
            break;
        }
        (void)tm__buf_text(out, i > 0 ? ", " : "");
        put_text(out, tm__json_text(column, "column", ""));
        (void)tm__buf_printf(out, " \\(%s\\)", tm__json_text(column, "type", ""));
    }
    (void)tm__buf_text(out, "\n");
    column = NULL;
    json_array_foreach(json_object_get(report, "left_out"), i, column) {
        if (i >= 20) {
            break;
        }
        (void)tm__buf_text(out, "- Left out: ");
        put_text(out, tm__json_text(column, "column", ""));
        (void)tm__buf_text(out, ", ");
        put_text(out, tm__json_text(column, "reason", ""));
        (void)tm__buf_text(out, "\n");
    }
}

static void put_cell(tm_buf *out, const json_t *value) {
    char text[48];
    (void)tm__buf_printf(
        out, " %s |",
        tm__report_number_text(json_is_number(value) ? json_number_value(value) : tm__nan(), text,
                               sizeof(text)));
}

static void put_metrics(tm_buf *out, const json_t *report) {
    const json_t *list = json_object_get(json_object_get(report, "scores"), "list"), *entry = NULL;
    size_t i = 0;
    (void)tm__buf_text(out, "\n## How good it is\n\n");
    put_list(out, tm__report_sentences(report));
    (void)tm__buf_text(out, "\n| score | value | from | to | constant answer |\n"
                            "|---|---|---|---|---|\n");
    json_array_foreach(list, i, entry) {
        (void)tm__buf_text(out, "| ");
        put_text(out, tm__json_text(entry, "score", ""));
        (void)tm__buf_text(
            out, tm__json_bool(entry, "smaller_is_better", false) ? " (less is better) |" : " |");
        put_cell(out, json_object_get(entry, "value"));
        put_cell(out, json_object_get(entry, "low"));
        put_cell(out, json_object_get(entry, "high"));
        put_cell(out, json_object_get(entry, "baseline"));
        (void)tm__buf_text(out, "\n");
    }
    (void)tm__buf_text(out, "\nIntervals are 95 %, from drawing the rows again.\n");
}

static void put_share_cell(tm_buf *out, const json_t *group, const char *member) {
    char text[128];
    const json_t *value = json_object_get(group, member);
    (void)tm__buf_text(out, " ");
    put_text(out,
             json_is_object(value) ? tm__report_interval_text(value, text, sizeof(text)) : "-");
    (void)tm__buf_text(out, " |");
}

static void put_fairness(tm_buf *out, const json_t *report) {
    static const char *const binary[] = {"selected", "true_positive_rate", "false_positive_rate",
                                         "off"};
    static const char *const other[] = {"accuracy", "off"};
    const json_t *fairness = json_object_get(report, "fairness"), *group = NULL;
    const bool is_binary = json_object_get(fairness, "four_fifths") != NULL;
    size_t i = 0;
    (void)tm__buf_text(out, "\nGroups of ");
    put_text(out, tm__json_text(fairness, "column", ""));
    (void)tm__buf_text(out, is_binary
                                ? ":\n\n| group | rows | called positive | positive, found | "
                                  "negative, called | truth less answer |\n|---|---|---|---|"
                                  "---|---|\n"
                                : ":\n\n| group | rows | right answers | truth less answer |\n"
                                  "|---|---|---|---|\n");
    json_array_foreach(json_object_get(fairness, "groups"), i, group) {
        (void)tm__buf_text(out, "| ");
        put_text(out, tm__json_text(group, "group", ""));
        (void)tm__buf_printf(out, "%s | %lld |",
                             tm__json_bool(group, "small", false) ? " (few rows)" : "",
                             (long long)tm__json_i64(group, "rows", 0));
        for (size_t k = 0; k < (is_binary ? 4u : 2u); k++) {
            put_share_cell(out, group, is_binary ? binary[k] : other[k]);
        }
        (void)tm__buf_text(out, "\n");
    }
    const json_t *rule = json_object_get(fairness, "four_fifths");
    if (json_is_object(rule)) {
        (void)tm__buf_printf(out, "\nThe four-fifths rule %s: ",
                             tm__json_bool(rule, "holds", false) ? "holds" : "does not hold");
        put_text(out, tm__json_text(rule, "least", ""));
        (void)tm__buf_text(out, " against ");
        put_text(out, tm__json_text(rule, "most", ""));
        (void)tm__buf_text(out, ".\n");
    }
}

static void put_whom(tm_buf *out, const json_t *report) {
    const json_t *weak = json_object_get(report, "weak"), *group = NULL;
    const json_t *list = json_object_get(weak, "list");
    char name[400], text[160];
    size_t i = 0;
    (void)tm__buf_text(out, "\n## For whom it is worse\n\n");
    if (!json_is_object(weak)) {
        (void)tm__buf_text(out, "Not measured for rankings.\n");
    } else if (json_array_size(list) == 0) {
        (void)tm__buf_printf(out,
                             "No group of rows was found where it is clearly worse, in %lld "
                             "looks.\n",
                             (long long)tm__json_i64(weak, "looked_at", 0));
    }
    json_array_foreach(list, i, group) {
        const bool is_worse = strcmp(tm__json_text(group, "kind", ""), "worse") == 0;
        (void)snprintf(text, sizeof(text),
                       is_worse ? "loss %.3g, elsewhere %.3g (%lld rows, p %.1e)"
                                : "it says %.3g on average, %.3g is true (%lld rows, p %.1e)",
                       tm__json_f64(group, is_worse ? "loss" : "answer", 0),
                       tm__json_f64(group, is_worse ? "elsewhere" : "truth", 0),
                       (long long)tm__json_i64(group, "rows", 0), tm__json_f64(group, "p", 1));
        (void)tm__buf_text(out, "- ");
        put_text(out, tm__report_group_text(group, name, sizeof(name)));
        (void)tm__buf_text(out, ": ");
        put_text(out, text);
        (void)tm__buf_text(out, "\n");
    }
    if (json_is_object(json_object_get(report, "fairness"))) {
        put_fairness(out, report);
    }
}

static void put_ask(tm_buf *out, const json_t *report) {
    const char *model = tm__json_text(report, "model", "");
    const long long version = (long long)tm__json_i64(report, "version", 0);
    (void)tm__buf_printf(
        out,
        "\n## How to use it\n\n    tidemill predict %s@%lld ROWS.csv\n    tidemill "
        "explain %s@%lld ROW\n    tidemill serve\n",
        model, version, model, version);
}

static void put_origin(tm_buf *out, const json_t *report) {
    const json_t *recipe = json_object_get(report, "recipe");
    const json_t *source = json_object_get(recipe, "source");
    char text[32];
    (void)tm__buf_text(out, "\n## Provenance\n\n");
    put_item(out, "Bundle", tm__json_text(report, "bundle_hash", ""));
    put_item(out, "Snapshot of the rows it learned from", tm__json_text(report, "snapshot", ""));
    put_item(out, "Snapshot of its test rows", tm__json_text(report, "test_snapshot", ""));
    put_item(out, "File", tm__json_text(source, "path", ""));
    put_item(out, "Source", tm__json_text(source, "source", ""));
    put_item(out, "Query", tm__json_text(source, "sql", ""));
    put_item(out, "Split", tm__json_text(recipe, "split", ""));
    (void)snprintf(text, sizeof(text), "%lld", (long long)tm__json_i64(report, "seed", 0));
    put_item(out, "Seed", text);
    (void)tm__buf_printf(out, "\nThe same bytes again: `tidemill train --repeat %s@%lld`\n",
                         tm__json_text(report, "model", ""),
                         (long long)tm__json_i64(report, "version", 0));
}

void tm__report_card(const json_t *report, tm_buf *out) {
    put_model(out, report);
    put_use(out, report);
    put_data(out, report);
    put_metrics(out, report);
    put_whom(out, report);
    (void)tm__buf_text(out, "\n## Limits\n\n");
    put_list(out, tm__report_limits(report));
    put_ask(out, report);
    put_origin(out, report);
}
