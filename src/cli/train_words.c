/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run in words, from its report alone: what train --json prints holds all that is said here.
 */
#include "cli/train_words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/net.h"
#include "base/str.h"
#include "cli/meaning_words.h"
#include "feature/window_text.h"

#define BOARD_MAX 5u

const char *tm__count_text(int64_t count, char *out) {
    char digits[32];
    const int n = snprintf(digits, sizeof(digits), "%lld", (long long)count);
    int at = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0 && digits[i - 1] != '-' && (n - i) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

typedef struct trial_word {
    const char *learner, *param, *before, *behind;
    double otherwise; /* a value that is not worth a word */
} trial_word;

const char *tm__trial_text(const char *learner, const json_t *params, uint32_t rounds, char *out,
                           size_t size) {
    static const trial_word words[] = {{"gbdt", "max_leaves", ", ", " leaves", 0},
                                       {"gbdt", "learning_rate", ", rate ", "", 0},
                                       {"gbdt", "row_sample", ", ", " of rows", 1},
                                       {"gbdt", "column_sample", ", ", " of columns", 1},
                                       {"gbdt", "l2", ", l2 ", "", 0},
                                       {"forest", "n_trees", ", ", " trees", 0},
                                       {"linear", "strength", ", penalty ", "", 0}};
    const char *name = strcmp(learner, "gbdt") == 0     ? "boosted trees"
                       : strcmp(learner, "forest") == 0 ? "random forest"
                       : strcmp(learner, "mlp") == 0    ? "neural network"
                       : strcmp(learner, "blend") == 0  ? "the best together"
                       : strcmp(learner, "stack") == 0  ? "the best, weighed by a second layer"
                                                        : learner;
    size_t at = (size_t)snprintf(out, size, "%s", name);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && at < size; i++) {
        const double value = tm__json_f64(params, words[i].param, tm__nan());
        if (strcmp(words[i].learner, learner) == 0 && isfinite(value) &&
            value != words[i].otherwise) {
            at += (size_t)snprintf(out + at, size - at, "%s%.4g%s", words[i].before, value,
                                   words[i].behind);
        }
    }
    if (rounds > 1 && at < size && strcmp(learner, "gbdt") == 0) {
        (void)snprintf(out + at, size - at, ", %u rounds", rounds);
    }
    return out;
}

const char *tm__score_word(const char *task, const json_t *test, const json_t *baseline) {
    /* A share of the way from the constant answer to a perfect one, whatever the task. */
    double way;
    if (strcmp(task, "binary") == 0) {
        way = 2.0 * tm__json_f64(test, "auc", 0.5) - 1.0;
    } else if (strcmp(task, "multiclass") == 0) {
        const double floor_loss = tm__json_f64(baseline, "logloss", 1.0);
        way = 1.0 - tm__json_f64(test, "logloss", floor_loss) / floor_loss;
    } else if (strcmp(task, "ranking") == 0) {
        const double by_chance = tm__json_f64(baseline, "ndcg@10", 0.5);
        way =
            by_chance < 1 ? (tm__json_f64(test, "ndcg@10", 0.0) - by_chance) / (1 - by_chance) : 0;
    } else {
        way = tm__json_f64(test, "r2", 0.0);
    }
    return way < 0.1   ? "hardly better than guessing"
           : way < 0.3 ? "weak, but better than guessing"
           : way < 0.5 ? "fair"
           : way < 0.8 ? "good"
                       : "strong";
}

void tm__scores_print(tm_cli *cli, const json_t *scores, const json_t *other, const char *title,
                      const char *other_title) {
    tm_cli_table table;
    const char *titles[] = {"  score", title, other_title};
    tm__cli_table_init(&table, other != NULL ? 3 : 2, titles);
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)scores, name, value) {
        if (!json_is_number(value) || strcmp(name, "n_rows") == 0) {
            continue;
        }
        tm__cli_cell(&table, "  %s", name);
        tm__cli_cell_number(&table, json_number_value(value), 5);
        if (other != NULL) {
            tm__cli_cell_number(&table, tm__json_f64(other, name, tm__nan()), 5);
        }
    }
    tm__cli_table_print(cli, &table);
}

static void print_head(tm_cli *cli, const json_t *report) {
    char train[32];
    char test[32];
    const json_t *split = json_object_get(report, "split");
    tm__cli_print(cli, "%s version %lld%s%s: %s, predicts '%s'\n",
                  tm__json_text(report, "model", ""), (long long)tm__json_i64(report, "version", 0),
                  tm__json_text(report, "aliases", "")[0] != '\0' ? ", " : "",
                  tm__json_text(report, "aliases", ""), tm__json_text(report, "task", ""),
                  tm__json_text(report, "target", ""));
    tm__cli_print(cli, "learned from %s rows; tested on %s that it never saw (%s)\n\n",
                  tm__count_text(tm__json_i64(split, "train_rows", 0), train),
                  tm__count_text(tm__json_i64(split, "test_rows", 0), test),
                  tm__json_text(split, "reason", ""));
}

static void print_board(tm_cli *cli, const json_t *report) {
    const json_t *board = json_object_get(report, "leaderboard");
    const char *metric = tm__json_text(report, "metric", "score");
    char title[64], rows[32], text[120];
    (void)snprintf(title, sizeof(title), "%s", metric);
    const char *titles[] = {"  trial", title, "rows", ""};
    tm_cli_table table;
    size_t i = 0;
    json_t *entry = NULL;
    if (json_array_size(board) < 2) {
        return;
    }
    tm__cli_print(cli, "leaderboard (validation rows)\n");
    tm__cli_table_init(&table, 4, titles);
    json_array_foreach((json_t *)(uintptr_t)board, i, entry) {
        const double share = tm__json_f64(entry, "share", 0.0);
        if (i >= BOARD_MAX) {
            break;
        }
        (void)tm__trial_text(tm__json_text(entry, "learner", ""), json_object_get(entry, "params"),
                             (uint32_t)tm__json_i64(entry, "rounds", 0), text, sizeof(text));
        tm__cli_cell(&table, "  %s", text);
        tm__cli_cell_number(&table, tm__json_f64(entry, "score", tm__nan()), 5);
        tm__cli_cell(&table, "%s", tm__count_text(tm__json_i64(entry, "rows", 0), rows));
        if (share > 0.0) {
            tm__cli_cell(&table, "%.0f %% of the answer", 100.0 * share);
        } else {
            tm__cli_cell(&table, "%s",
                         tm__json_bool(entry, "chosen", false)     ? "<- chosen"
                         : tm__json_bool(entry, "given_up", false) ? "given up after some rows"
                         : tm__json_bool(entry, "cut", false)      ? "cut by the budget"
                                                                   : "");
        }
    }
    tm__cli_table_print(cli, &table);
    if (json_array_size(board) > BOARD_MAX) {
        tm__cli_print(cli, "  and %zu more\n", json_array_size(board) - BOARD_MAX);
    }
    const json_t *stacking = json_object_get(report, "stacking");
    if (stacking != NULL && !tm__json_bool(stacking, "used", false)) {
        tm__cli_print(cli, "  a second layer was tried and left: %s\n",
                      tm__json_text(stacking, "reason", ""));
    }
    tm__cli_print(cli, "\n");
}

/* Counts of one hundred say more than a rate. */
static void print_verdict(tm_cli *cli, const json_t *report) {
    const json_t *test = json_object_get(report, "test");
    const json_t *threshold = json_object_get(report, "threshold");
    const char *task = tm__json_text(report, "task", "");
    if (!json_is_object(test)) {
        return;
    }
    tm__cli_print(cli, "verdict: %s\n",
                  tm__score_word(task, test, json_object_get(report, "baseline")));
    if (strcmp(task, "binary") == 0) {
        tm__cli_print(
            cli,
            "  called %s from a probability of %.3g on (%s):\n"
            "  of 100 rows that are %s it finds %.0f; of 100 that it calls %s, %.0f are\n",
            tm__json_text(report, "positive", ""), tm__json_f64(threshold, "value", 0.5),
            tm__json_text(threshold, "reason", ""), tm__json_text(report, "positive", ""),
            100.0 * tm__json_f64(test, "recall", 0.0), tm__json_text(report, "positive", ""),
            100.0 * tm__json_f64(test, "precision", 0.0));
    } else if (strcmp(task, "multiclass") == 0) {
        tm__cli_print(cli, "  of 100 rows it names the right class for %.0f\n",
                      100.0 * tm__json_f64(test, "accuracy", 0.0));
    } else if (strcmp(task, "ranking") == 0) {
        tm__cli_print(cli, "  ndcg@10 is %.3f on test queries; rows in any order have %.3f\n",
                      tm__json_f64(test, "ndcg@10", 0.0),
                      tm__json_f64(json_object_get(report, "baseline"), "ndcg@10", 0.0));
    } else {
        tm__cli_print(cli, "  it is off by %.4g on average, a constant answer by %.4g\n",
                      tm__json_f64(test, "mae", 0.0),
                      tm__json_f64(json_object_get(report, "baseline"), "mae", 0.0));
    }
}

/* A line that is broken between words where the terminal ends; what follows stands under `first`.
 */
static void print_wrapped(tm_cli *cli, const char *first, const char *text) {
    const size_t indent = strlen(first), room = tm__tty_is(1) ? tm__tty_width(1) : 100;
    const size_t most = room > indent + 20 ? room - indent - 1 : 20;
    tm__cli_print(cli, "%s", first);
    while (strlen(text) > most) {
        size_t n = most;
        while (n > 0 && text[n] != ' ') {
            n--;
        }
        n = n > 0 ? n : strcspn(text, " ");
        tm__cli_print(cli, "%.*s\n%*s", (int)n, text, (int)indent, "");
        text += n + (text[n] == ' ' ? 1 : 0);
    }
    tm__cli_print(cli, "%s\n", text);
}

static void print_worth(tm_cli *cli, const json_t *importance) {
    char text[1024] = "";
    size_t i = 0, at = 0;
    json_t *entry = NULL;
    json_array_foreach((json_t *)(uintptr_t)importance, i, entry) {
        const double share = tm__json_f64(entry, "share", 0.0);
        const char *name = tm__json_text(entry, "column", "");
        if (i >= 12 || share < 0.005 || at + strlen(name) + 16 > sizeof(text)) {
            break;
        }
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s %.0f %%", i > 0 ? ", " : "",
                               name, 100.0 * share);
    }
    print_wrapped(cli, "what matters: ", text);
}

/* "linear on the newest 700 rows 70 %, gbdt on 1,200 rows before the newest 400 30 %" */
static void print_parts(tm_cli *cli, const json_t *parts) {
    char text[2048] = "", rows[32], passed[32];
    const json_t *part = NULL;
    size_t i = 0, at = 0;
    json_array_foreach((json_t *)(uintptr_t)parts, i, part) {
        const int64_t n = tm__json_i64(part, "rows", 0), before = tm__json_i64(part, "passed", 0);
        const char *const head = before > 0 || n == 0 ? "" : "the newest ";
        if (at + 160 > sizeof(text)) {
            break;
        }
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s on %s%s rows", i > 0 ? ", " : "",
                               tm__json_text(part, "learner", ""), head,
                               n > 0 ? tm__count_text(n, rows) : "all");
        if (before > 0) {
            at += (size_t)snprintf(text + at, sizeof(text) - at, " before the newest %s",
                                   tm__count_text(before, passed));
        }
        at += (size_t)snprintf(text + at, sizeof(text) - at, " %.0f %%",
                               100.0 * tm__json_f64(part, "share", 0.0));
    }
    print_wrapped(cli, "together: ", text);
}

static void print_columns(tm_cli *cli, const json_t *report) {
    size_t i = 0;
    json_t *entry = NULL;
    char meanings[2048];
    print_worth(cli, json_object_get(report, "importance"));
    tm__meaning_words_fill(json_object_get(report, "program"), meanings, sizeof(meanings));
    if (meanings[0] != '\0') {
        print_wrapped(cli, "taken for: ", meanings);
    }
    const json_t *left_out = json_object_get(report, "left_out");
    json_array_foreach((json_t *)(uintptr_t)left_out, i, entry) {
        if (i >= 8) {
            tm__cli_print(cli, "  and %zu more\n", json_array_size(left_out) - i);
            break;
        }
        char text[600];
        (void)snprintf(text, sizeof(text), "%s: %s", tm__json_text(entry, "column", ""),
                       tm__json_text(entry, "reason", ""));
        print_wrapped(cli, i == 0 ? "left out: " : "          ", text);
    }
    const json_t *leaks = json_object_get(report, "leaks");
    json_array_foreach((json_t *)(uintptr_t)leaks, i, entry) {
        tm__cli_warn(cli,
                     "column '%s' alone gives the target away (score %.3f): is it known when the "
                     "prediction is made? If not: --drop %s",
                     tm__json_text(entry, "column", ""), tm__json_f64(entry, "score", 0.0),
                     tm__json_text(entry, "column", ""));
    }
    const json_t *findings = json_object_get(report, "findings");
    json_array_foreach((json_t *)(uintptr_t)findings, i, entry) {
        const char *const text = tm__json_text(entry, "text", "");
        const bool is_named = strncmp(text, "is ", 3) != 0; /* else its column is the subject */
        tm__cli_warn(cli, "%s%s%s%s. %s", is_named ? "" : "'",
                     is_named ? "" : tm__json_text(entry, "column", ""), is_named ? "" : "' ", text,
                     tm__json_text(entry, "hint", ""));
    }
}

static double share_of(const json_t *importance, tm_str column) {
    size_t i = 0;
    const json_t *entry = NULL;
    json_array_foreach((json_t *)(uintptr_t)importance, i, entry) {
        if (tm__str_is(column, tm__json_text(entry, "column", ""))) {
            return tm__json_f64(entry, "share", 0.0);
        }
    }
    return 0.0;
}

/* Share of the column that a feature's words name. */
static double share_of_words(const json_t *importance, const char *words) {
    tm_window_text feature;
    const bool is_read = tm__window_text_read(words, &feature, NULL) == TM_OK;
    const double share = is_read ? share_of(importance, tm__str(feature.name)) : 0.0;
    tm__window_text_done(&feature);
    return share;
}

/* The features over windows of a run or a model's record, in words, with their share of what was
 * learned; nothing when there are none. */
static void print_windows(tm_cli *cli, const json_t *info) {
    const json_t *features = json_object_get(json_object_get(info, "windows"), "features");
    const json_t *importance = json_object_get(info, "importance");
    const char *titles[] = {"  share", "as known at the row's moment"};
    tm_cli_table table;
    size_t i = 0;
    const json_t *entry = NULL;
    if (json_array_size(features) == 0) {
        return;
    }
    tm__cli_print(cli, "features over windows\n");
    tm__cli_table_init(&table, 2, titles);
    json_array_foreach((json_t *)(uintptr_t)features, i, entry) {
        const char *const words = tm__json_text(entry, "feature", "");
        if (i >= 20) {
            break;
        }
        tm__cli_cell(&table, "  %4.1f %%", 100.0 * share_of_words(importance, words));
        tm__cli_cell(&table, "%s", words);
    }
    tm__cli_table_print(cli, &table);
    if (json_array_size(features) > 20) {
        tm__cli_print(cli, "  and %zu more\n", json_array_size(features) - 20);
    }
}

/* What a training took, or what a version's file holds. */
static void print_origin(tm_cli *cli, const json_t *report) {
    const char *hash = tm__json_text(report, "bundle_hash", "");
    const json_t *seconds = json_object_get(report, "seconds");
    char size[48];
    if (seconds != NULL) {
        tm__cli_print(cli, "bundle %.16s, %.1f s\n", hash, tm__json_f64(seconds, "total", 0.0));
        return;
    }
    tm__cli_print(cli, "%s, %lld columns, %s; created %.19s; bundle %.16s\n",
                  tm__json_text(report, "learner", ""),
                  (long long)tm__json_i64(report, "columns", 0),
                  tm__bytes_text((uint64_t)tm__json_i64(report, "bytes", 0), size, sizeof(size)),
                  tm__json_text(report, "created", ""), hash);
}

static void print_ranks(tm_cli *cli, const json_t *ranks) {
    char sent[48], tree[48];
    if (ranks == NULL) {
        return;
    }
    tm__cli_print(
        cli, "%lld ranks; the first sent %s, %s a tree, and waited %.1f s\n",
        (long long)tm__json_i64(ranks, "n", 0),
        tm__bytes_text((uint64_t)tm__json_i64(ranks, "bytes_sent", 0), sent, sizeof(sent)),
        tm__bytes_text((uint64_t)tm__json_f64(ranks, "bytes_per_tree", 0), tree, sizeof(tree)),
        tm__json_f64(ranks, "seconds_waited", 0));
}

void tm__train_words_print(tm_cli *cli, const json_t *report) {
    const json_t *test = json_object_get(report, "test");
    const json_t *gate = json_object_get(report, "gate");
    const char *model = tm__json_text(report, "model", "");
    const long long version = (long long)tm__json_i64(report, "version", 0);
    print_head(cli, report);
    print_board(cli, report);
    if (json_is_object(test)) {
        tm__scores_print(cli, test, json_object_get(report, "baseline"), "test", "constant answer");
        tm__cli_print(cli, "\n");
    }
    print_verdict(cli, report);
    if (json_object_get(report, "mixture") != NULL) {
        print_parts(cli, json_object_get(json_object_get(report, "mixture"), "parts"));
    }
    print_columns(cli, report);
    print_windows(cli, report);
    print_ranks(cli, json_object_get(report, "ranks"));
    print_origin(cli, report);
    if (gate != NULL) {
        tm__cli_print(cli, "gate: %s: %s\n",
                      tm__json_bool(gate, "open", false) ? "open" : "refused",
                      tm__json_text(gate, "reason", ""));
    }
    if (version == 1 || strstr(tm__json_text(report, "aliases", ""), "champion") != NULL) {
        tm__cli_note(cli, "next: tidemill serve");
    } else if (gate == NULL || tm__json_bool(gate, "open", false)) {
        tm__cli_note(cli, "next: tidemill model promote %s@%lld", model, version);
    }
}

const char *tm__span_text(double s, char *out) {
    if (fabs(s) < 2) {
        (void)snprintf(out, 32, "%.2g s", s);
    } else if (s < 120) {
        (void)snprintf(out, 32, "%.0f s", s);
    } else if (s < 7200) {
        (void)snprintf(out, 32, "%.0f min", s / 60);
    } else if (s < 172800) {
        (void)snprintf(out, 32, "%.0f h", s / 3600);
    } else {
        (void)snprintf(out, 32, "%.0f d", s / 86400);
    }
    return out;
}
