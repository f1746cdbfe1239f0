/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands out in a report of live scores, what matters most first:
 *
 *   bad   the score of labelled answers is worse than in the test, beyond its interval
 *         labels are overdue, or stand still; answers were not logged
 *   warn  groups where it is bad; the estimate is worse than the test; labels disagree
 *   note  how far labels cover it, what may still come, what is not known
 *
 * A 95 % interval is beside the truth once in twenty looks: this tells what to look at; alarms have
 * a budget of their own.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "cli/monitor_report.h"
#include "cli/report_page_priv.h"
#include "cli/train_words.h"

#define GROUPS_TOLD 3u

static void say(json_t *list, const char *level, const char *fmt, ...) TM_PRINTF(3, 4);
static void say(json_t *list, const char *level, const char *fmt, ...) {
    char text[768];
    va_list args;
    va_start(args, fmt);
    tm__report_format(text, sizeof(text), fmt, args);
    va_end(args);
    json_array_append_new(list, json_pack("{s:s, s:s}", "level", level, "text", text));
}

const json_t *tm__monitor_score(const json_t *scores, const char *name) {
    for (size_t i = 0; i < json_array_size(scores); i++) {
        const json_t *entry = json_array_get(scores, i);
        if (strcmp(tm__json_text(entry, "score", ""), name) == 0) {
            return entry;
        }
    }
    return NULL;
}

/* Over 0: worse than another beyond the interval; below 0: better; else 0, also for NaN. */
static int compare(const json_t *entry, double low, double high, double other) {
    const bool is_loss = tm__json_bool(entry, "smaller_is_better", false);
    const bool is_above = low > other, is_below = high < other;
    return is_above ? (is_loss ? 1 : -1) : is_below ? (is_loss ? -1 : 1) : 0;
}

/* A score held against another of the same rows. */
static int beside(const json_t *entry, double other) {
    return compare(entry, tm__json_f64(entry, "low", tm__nan()),
                   tm__json_f64(entry, "high", tm__nan()), other);
}

static double test_of(const json_t *report) {
    return tm__json_f64(json_object_get(report, "test"), tm__json_text(report, "metric", ""),
                        tm__nan());
}

/* A score of n rows held against that of the test, which its own rows leave in doubt, too: as many
 * have the doubt of the n, the fewer the more. */
static int beside_test(const json_t *report, const json_t *entry, int64_t n) {
    const json_t *const test = json_object_get(report, "test");
    const double n_test = tm__json_f64(test, "n_rows", INFINITY);
    const double value = tm__json_f64(entry, "value", tm__nan()),
                 doubt = sqrt(1 + (double)n / n_test);
    const double low = value - doubt * (value - tm__json_f64(entry, "low", tm__nan()));
    const double high = value + doubt * (tm__json_f64(entry, "high", tm__nan()) - value);
    return compare(entry, low, high, test_of(report));
}

/* ---- scores ---- */

/* The first of the windows at the end that are all worse than the test; "" when the last is not. */
static const char *worse_since(const json_t *report) {
    const json_t *windows = json_object_get(json_object_get(report, "live"), "windows");
    const char *metric = tm__json_text(report, "metric", ""), *since = "";
    for (size_t i = json_array_size(windows); i-- > 0;) {
        const json_t *window = json_array_get(windows, i);
        const json_t *entry = tm__monitor_score(json_object_get(window, "scores"), metric);
        if (!json_is_number(json_object_get(entry, "low"))) {
            continue; /* too few labels to tell */
        }
        if (beside_test(report, entry, tm__json_i64(window, "labelled", 0)) <= 0) {
            break;
        }
        since = tm__json_text(window, "from", "");
    }
    return since;
}

static void say_score(json_t *list, const json_t *report) {
    const json_t *live = json_object_get(report, "live");
    const char *metric = tm__json_text(report, "metric", ""), *since = worse_since(report);
    const json_t *entry = tm__monitor_score(json_object_get(live, "scores"), metric);
    const double test = test_of(report);
    char sure[160], told[40];
    if (!json_is_number(json_object_get(entry, "value"))) {
        return;
    }
    tm__report_interval_text(entry, sure, sizeof(sure));
    tm__report_number_text(test, told, sizeof(told));
    const json_t *const coverage = json_object_get(report, "coverage");
    const int is_worse = beside_test(report, entry, tm__json_i64(coverage, "labelled", 0));
    if (since[0] != '\0') {
        say(list, "bad",
            "%s is worse than in the test (%s) in each window since %.16s; over all "
            "labelled answers it is %s.",
            metric, told, since, sure);
    } else if (is_worse > 0) {
        say(list, "bad", "%s of the labelled answers is %s, in the test it was %s: it got worse.",
            metric, sure, told);
    } else {
        say(list, "note", "%s of the labelled answers is %s, in the test it was %s%s.", metric,
            sure, told, is_worse < 0 ? ": it got better" : ": no clear difference");
    }
}

static void say_estimate(json_t *list, const json_t *report) {
    const json_t *estimated = json_object_get(report, "estimated");
    const json_t *const coverage = json_object_get(report, "coverage");
    const char *metric = tm__json_text(report, "metric", "");
    const json_t *entry = tm__monitor_score(json_object_get(estimated, "scores"), metric);
    const json_t *live =
        tm__monitor_score(json_object_get(json_object_get(report, "live"), "scores"), metric);
    char sure[160], told[40], other[40];
    if (!json_is_number(json_object_get(entry, "value"))) {
        return;
    }
    tm__report_interval_text(entry, sure, sizeof(sure));
    tm__report_number_text(test_of(report), told, sizeof(told));
    const double of_labelled = tm__json_f64(entry, "of_labelled", tm__nan());
    if (isfinite(of_labelled) && beside(live, of_labelled) != 0) {
        tm__report_number_text(of_labelled, other, sizeof(other));
        say(list, "warn",
            "The estimate without labels cannot be trusted here: for the answers "
            "with a label it is %s, and theirs is %s.",
            other, tm__report_number_text(tm__json_f64(live, "value", 0), told, sizeof(told)));
    } else if (beside_test(report, entry, tm__json_i64(coverage, "answers", 0)) > 0) {
        say(list, "warn",
            "By the answers alone %s is expected to be %s, worse than in the test "
            "(%s): rows have moved to where the model is less sure.",
            metric, sure, told);
    } else {
        say(list, "note", "By the answers alone %s is expected to be %s.", metric, sure);
    }
}

static void say_bounds(json_t *list, const json_t *report) {
    const json_t *live = json_object_get(report, "live");
    const char *metric = tm__json_text(report, "metric", "");
    const json_t *entry = tm__monitor_score(json_object_get(live, "scores"), metric);
    const double share = tm__json_f64(json_object_get(report, "coverage"), "share", tm__nan());
    char worst[40], best[40];
    if (!(share < 1) || !json_is_number(json_object_get(entry, "worst"))) {
        return;
    }
    say(list, "note",
        "%.3g %% of the answers have a label; when the others come, %s lies between "
        "%s and %s.",
        100 * share, metric,
        tm__report_number_text(tm__json_f64(entry, "worst", 0), worst, sizeof(worst)),
        tm__report_number_text(tm__json_f64(entry, "best", 0), best, sizeof(best)));
}

/* ---- labels, the log, groups ---- */

static void say_labels(json_t *list, const json_t *report) {
    const json_t *coverage = json_object_get(report, "coverage");
    const json_t *labels = json_object_get(json_object_get(coverage, "log"), "labels");
    const int64_t overdue = tm__json_i64(coverage, "overdue", 0);
    char a[32], b[32];
    if (tm__json_i64(coverage, "answers", 0) == 0) {
        say(list, "warn", "There is no answer in this time.");
        return;
    }
    if (tm__json_i64(coverage, "labelled", 0) == 0) {
        say(list, "note",
            "No answer has a label yet: send them to POST /v1/labels, or give a file "
            "to 'tidemill monitor labels'.");
    }
    if (overdue > 0) {
        say(list, "bad", "%s labels are overdue: they were declared to come within %s.",
            tm__count_text(overdue, a),
            tm__span_text(tm__json_f64(coverage, "declared_delay_seconds", 0), b));
    }
    const int64_t conflicts = tm__json_i64(labels, "conflict", 0);
    if (conflicts > 0) {
        say(list, "warn",
            "%s label%s disagreed with one that stands, and %s kept out (of all models).",
            tm__count_text(conflicts, a), conflicts == 1 ? "" : "s",
            conflicts == 1 ? "was" : "were");
    }
    const int64_t other = tm__json_i64(coverage, "other_class", 0);
    if (other > 0) {
        say(list, "warn",
            "%s label%s no class that the model knows: each counts as a wrong answer.",
            tm__count_text(other, a), other == 1 ? " is" : "s are");
    }
    const int64_t unknown =
        tm__json_i64(coverage, "unmatched", 0) + tm__json_i64(coverage, "unmatched_ids", 0);
    if (unknown > 0) {
        say(list, "note", "%s label%s for an answer that is not in the log.",
            tm__count_text(unknown, a), unknown == 1 ? " waits" : "s wait");
    }
}

/* Labels that come as rows of a source. */
static void say_followed(json_t *list, const json_t *report) {
    const json_t *const followed = json_object_get(json_object_get(report, "coverage"), "followed");
    const char *const source = tm__json_text(followed, "source", "");
    const char *const problem = tm__json_text(followed, "problem", "");
    const int64_t n_bad = tm__json_i64(followed, "bad", 0);
    const int64_t n_missed = tm__json_i64(followed, "missed", 0);
    char a[32];
    if (problem[0] != '\0') {
        say(list, "bad", "Labels of the source '%s' stand still: %s.", source, problem);
    }
    if (n_missed > 0) {
        say(list, "warn", "%s rows of the source '%s' were removed before their label was read.",
            tm__count_text(n_missed, a), source);
    }
    if (n_bad > 0) {
        say(list, "warn",
            "%s rows of the source '%s' are no label: they name no answer, or are no number.",
            tm__count_text(n_bad, a), source);
    }
}

static void say_log(json_t *list, const json_t *report) {
    const json_t *coverage = json_object_get(report, "coverage");
    const int64_t dropped = tm__json_i64(coverage, "dropped", 0);
    const int64_t left_out = tm__json_i64(coverage, "left_out", 0);
    char a[32];
    if (dropped > 0) {
        say(list, "bad",
            "%s answers were given and not logged, since the log began: it could not "
            "keep up.",
            tm__count_text(dropped, a));
    }
    if (left_out > 0) {
        say(list, "note",
            left_out == 1 ? "%s answer is left out: it is of a version with other classes, or its "
                            "label is no number."
                          : "%s answers are left out: they are of a version with other classes, or "
                            "their label is no number.",
            tm__count_text(left_out, a));
    }
}

static void say_groups(json_t *list, const json_t *report) {
    const json_t *slices = json_object_get(json_object_get(report, "live"), "slices");
    const json_t *groups = json_object_get(slices, "list");
    char name[400], there[40], other[40], rows[32];
    for (size_t i = 0; i < json_array_size(groups) && i < GROUPS_TOLD; i++) {
        const json_t *group = json_array_get(groups, i);
        const bool is_worse = strcmp(tm__json_text(group, "kind", ""), "worse") == 0;
        tm__report_group_text(group, name, sizeof(name));
        tm__report_number_text(tm__json_f64(group, is_worse ? "loss" : "answer", 0), there,
                               sizeof(there));
        tm__report_number_text(tm__json_f64(group, is_worse ? "elsewhere" : "truth", 0), other,
                               sizeof(other));
        say(list, "warn",
            is_worse ? "Where %s (%s labelled rows) the loss is %s, elsewhere %s."
                     : "Where %s (%s labelled rows) it says %s, and %s is true.",
            name, tm__count_text(tm__json_i64(group, "rows", 0), rows), there, other);
    }
}

/* ---- what moved, what was told ---- */

static void say_drift(json_t *list, const json_t *report) {
    const json_t *columns = json_object_get(report, "drift"), *column = NULL;
    size_t i = 0;
    json_array_foreach(columns, i, column) {
        if (tm__json_bool(column, "moved", false)) {
            say(list, "warn", "%s moved since %.16s: %s. %s",
                tm__json_text(column, "column", "the answers"), tm__json_text(column, "since", "?"),
                tm__json_text(column, "what", ""), tm__json_text(column, "next", ""));
        }
    }
}

/* The newest change, when it was one for the worse: what came before it is over. */
static void say_errors(json_t *list, const json_t *report) {
    const json_t *errors = json_object_get(report, "errors");
    const json_t *change = json_array_get(json_object_get(errors, "changes"), 0);
    if (tm__json_bool(change, "rose", false)) {
        say(list, "warn",
            "The %s error rose with the labels that came from %.16s on: %.4g -> %.4g.",
            tm__json_text(errors, "error", ""), tm__json_text(change, "since", "?"),
            tm__json_f64(change, "was", 0), tm__json_f64(change, "is", 0));
    }
}

static void say_alerts(json_t *list, const json_t *report) {
    const json_t *alerts = json_object_get(report, "alerts"), *alert = NULL;
    size_t i = 0;
    json_array_foreach(alerts, i, alert) {
        const bool is_critical = strcmp(tm__json_text(alert, "severity", ""), "critical") == 0;
        say(list, is_critical ? "bad" : "warn", "Alert %lld (%s, %s): %s",
            (long long)tm__json_i64(alert, "id", 0), tm__json_text(alert, "kind", ""),
            tm__json_text(alert, "state", ""), tm__json_text(alert, "summary", ""));
    }
}

static int level_rank(const json_t *finding) {
    const char *level = tm__json_text(finding, "level", "");
    return strcmp(level, "bad") == 0 ? 0 : strcmp(level, "warn") == 0 ? 1 : 2;
}

json_t *tm__monitor_findings(const json_t *report) {
    json_t *all = json_array(), *sorted = json_array();
    say_score(all, report);
    say_alerts(all, report);
    say_labels(all, report);
    say_followed(all, report);
    say_log(all, report);
    say_groups(all, report);
    say_errors(all, report);
    say_drift(all, report);
    say_estimate(all, report);
    say_bounds(all, report);
    for (int level = 0; level < 3; level++) {
        for (size_t i = 0; i < json_array_size(all); i++) {
            if (level_rank(json_array_get(all, i)) == level) {
                json_array_append(sorted, json_array_get(all, i));
            }
        }
    }
    json_decref(all);
    return sorted;
}
