/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the page, the card and the words on a terminal say alike: verdict, sentences, limits. Each
 * sentence is put together from figures of the report, and left out where they are missing: nothing
 * is claimed that was not measured.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "cli/report_page_priv.h"
#include "cli/train_words.h"

const json_t *tm__report_score(const json_t *report, const char *name) {
    const char *wanted = name != NULL ? name : tm__json_text(report, "metric", "");
    const json_t *list = json_object_get(json_object_get(report, "scores"), "list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        if (strcmp(tm__json_text(entry, "score", ""), wanted) == 0) {
            return entry;
        }
    }
    return NULL;
}

static double score_of(const json_t *report, const char *name) {
    return tm__json_f64(tm__report_score(report, name), "value", tm__nan());
}

const char *tm__report_verdict(const json_t *report) {
    json_t *test = json_object(), *baseline = json_object();
    const json_t *list = json_object_get(json_object_get(report, "scores"), "list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const char *name = tm__json_text(entry, "score", "");
        json_object_set(test, name, json_object_get(entry, "value"));
        json_object_set(baseline, name, json_object_get(entry, "baseline"));
    }
    const char *word = tm__score_word(tm__json_text(report, "task", ""), test, baseline);
    json_decref(test);
    json_decref(baseline);
    return word;
}

const char *tm__report_group_text(const json_t *group, char *out, size_t size) {
    const json_t *columns = json_object_get(group, "columns");
    const json_t *groups = json_object_get(group, "groups");
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(columns) && at < size; i++) {
        const char *name = json_string_value(json_array_get(groups, i));
        const bool is_range =
            name != NULL && (strncmp(name, "below ", 6) == 0 || strncmp(name, "before ", 7) == 0 ||
                             strncmp(name, "from ", 5) == 0);
        const int n = snprintf(out + at, size - at, "%s%s%s%s", i > 0 ? " and " : "",
                               json_string_value(json_array_get(columns, i)),
                               is_range ? " " : " = ", name != NULL ? name : "");
        at += n > 0 ? (size_t)n : 0;
    }
    return out;
}

const char *tm__report_number_text(double value, char *out, size_t size) {
    if (!isfinite(value)) {
        (void)snprintf(out, size, "-");
    } else if (fabs(value) >= 1000 && fabs(value) < 1e15) {
        (void)snprintf(out, size, "%.0f", value);
    } else {
        (void)snprintf(out, size, "%.4g", value);
    }
    return out;
}

const char *tm__report_interval_text(const json_t *interval, char *out, size_t size) {
    char value[40], low[40], high[40];
    tm__report_number_text(tm__json_f64(interval, "value", tm__nan()), value, sizeof(value));
    if (!json_is_number(json_object_get(interval, "low"))) {
        (void)snprintf(out, size, "%s", value);
        return out;
    }
    tm__report_number_text(tm__json_f64(interval, "low", 0), low, sizeof(low));
    tm__report_number_text(tm__json_f64(interval, "high", 0), high, sizeof(high));
    (void)snprintf(out, size, "%s (%s to %s)", value, low, high);
    return out;
}

const char *tm__report_trial_text(const json_t *trial, char *out, size_t size) {
    return tm__trial_text(tm__json_text(trial, "learner", ""), json_object_get(trial, "params"),
                          (uint32_t)tm__json_i64(trial, "rounds", 0), out, size);
}

/* --- sentences --- */

void tm__report_format(char *out, size_t size, const char *fmt, va_list args) {
    const int n = vsnprintf(out, size, fmt, args);
    if (n > 0 && (size_t)n >= size) {
        size_t end = size - 1;
        while (end > 0 && ((unsigned char)out[end - 1] & 0xC0) == 0x80) {
            end--;
        }
        out[end > 0 ? end - 1 : 0] = '\0';
    }
}

static void say(json_t *list, const char *fmt, ...) TM_PRINTF(2, 3);
static void say(json_t *list, const char *fmt, ...) {
    char text[768];
    va_list args;
    va_start(args, fmt);
    tm__report_format(text, sizeof(text), fmt, args);
    va_end(args);
    json_array_append_new(list, json_string(text));
}

static void say_score(json_t *list, const json_t *report) {
    const json_t *entry = tm__report_score(report, NULL);
    char sure[128], base[40];
    if (entry == NULL) {
        return;
    }
    tm__report_interval_text(entry, sure, sizeof(sure));
    if (json_is_number(json_object_get(entry, "baseline"))) {
        say(list, "Its %s is %s; a constant answer has %s. %s is better.",
            tm__json_text(entry, "score", ""), sure,
            tm__report_number_text(tm__json_f64(entry, "baseline", 0), base, sizeof(base)),
            tm__json_bool(entry, "smaller_is_better", false) ? "Less" : "More");
    } else {
        say(list, "Its %s is %s. %s is better.", tm__json_text(entry, "score", ""), sure,
            tm__json_bool(entry, "smaller_is_better", false) ? "Less" : "More");
    }
}

static void say_use(json_t *list, const json_t *report) {
    const char *task = tm__json_text(report, "task", "");
    if (strcmp(task, "binary") == 0 && isfinite(score_of(report, "recall")) &&
        isfinite(score_of(report, "precision"))) {
        const char *positive = tm__json_text(report, "positive", "");
        say(list,
            "At its threshold of %.3g it finds %.0f of 100 rows that are '%s'; of 100 rows that it "
            "calls '%s', %.0f are.",
            tm__json_f64(json_object_get(report, "threshold"), "value", 0.5),
            100 * score_of(report, "recall"), positive, positive,
            100 * score_of(report, "precision"));
    } else if (strcmp(task, "multiclass") == 0 && isfinite(score_of(report, "accuracy"))) {
        say(list, "Of 100 rows it names the right class for %.0f.",
            100 * score_of(report, "accuracy"));
    } else if (strcmp(task, "regression") == 0) {
        const json_t *off = json_object_get(json_object_get(report, "errors"), "absolute");
        char half[40], most[40];
        if (off == NULL) {
            return;
        }
        say(list, "Half of its answers are off by at most %s, nine of ten by at most %s.",
            tm__report_number_text(tm__json_f64(off, "p50", tm__nan()), half, sizeof(half)),
            tm__report_number_text(tm__json_f64(off, "p90", tm__nan()), most, sizeof(most)));
    }
}

/* What intervals or sets of the level that is asked for most reach. */
static void say_intervals(json_t *list, const json_t *report) {
    const json_t *levels = json_object_get(json_object_get(report, "intervals"), "test");
    for (size_t i = 0; i < json_array_size(levels); i++) {
        const json_t *entry = json_array_get(levels, i);
        const double level = tm__json_f64(entry, "level", 0);
        char size[40];
        if (fabs(level - 0.9) > 1e-9) {
            continue;
        }
        const bool is_set = json_object_get(entry, "classes") != NULL;
        const double covered = 100 * tm__json_f64(entry, "covered", 0);
        tm__report_number_text(tm__json_f64(entry, is_set ? "classes" : "width", tm__nan()), size,
                               sizeof(size));
        if (is_set) {
            say(list,
                "Sets of classes for 90 %% held the truth for %.1f %% of the test rows, with "
                "%s classes on average.",
                covered, size);
        } else {
            say(list,
                "Intervals for 90 %% held the truth for %.1f %% of the test rows; on average "
                "they are %s wide.",
                covered, size);
        }
        return;
    }
}

static void say_against(json_t *list, const json_t *report) {
    const json_t *against = json_object_get(report, "against");
    const json_t *entry = tm__report_score(report, NULL), *gain = json_object_get(entry, "gain");
    char sure[128];
    if (!json_is_object(against) || !json_is_object(gain)) {
        return;
    }
    const double low = tm__json_f64(gain, "low", 0), high = tm__json_f64(gain, "high", 0);
    say(list, "It is %s version %lld of '%s' on the same rows: a gain in %s of %s.%s",
        low > 0    ? "better than"
        : high < 0 ? "worse than"
                   : "not clearly better or worse than",
        (long long)tm__json_i64(against, "version", 0), tm__json_text(against, "model", ""),
        tm__json_text(entry, "score", ""), tm__report_interval_text(gain, sure, sizeof(sure)),
        tm__json_bool(against, "may_have_seen", false)
            ? " That version may have learned from some of these rows, which flatters it."
            : "");
}

static void say_worth(json_t *list, const json_t *report) {
    const json_t *columns = json_object_get(json_object_get(report, "worth"), "columns");
    char names[400] = "";
    size_t at = 0, n = 0;
    for (size_t i = 0; i < json_array_size(columns) && n < 3; i++) {
        const json_t *entry = json_array_get(columns, i);
        const double loses = tm__json_f64(entry, "loses", 0);
        const char *name = tm__json_text(entry, "column", "");
        if (!(loses > 2 * tm__json_f64(entry, "spread", 0)) || at + strlen(name) > 300) {
            break;
        }
        at += (size_t)snprintf(names + at, sizeof(names) - at, "%s'%s'", n > 0 ? ", " : "", name);
        n++;
    }
    if (n > 0) {
        say(list, "It relies most on %s: its score is worst without them.", names);
    } else if (json_array_size(columns) > 0) {
        say(list, "No column alone is clearly worth something to it on these rows.");
    }
}

static void say_weak(json_t *list, const json_t *report) {
    const json_t *weak = json_object_get(report, "weak");
    const json_t *groups = json_object_get(weak, "list");
    char name[400];
    if (!json_is_object(weak)) {
        return;
    }
    if (tm__json_i64(weak, "looked_at", 0) == 0) {
        say(list, "No column parts the rows into groups of enough rows to look at.");
        return;
    }
    if (json_array_size(groups) == 0) {
        say(list, "No group of rows was found where it is clearly worse (%lld looks).",
            (long long)tm__json_i64(weak, "looked_at", 0));
        return;
    }
    const json_t *first = json_array_get(groups, 0);
    const bool is_worse = strcmp(tm__json_text(first, "kind", ""), "worse") == 0;
    char there[40], other[40];
    tm__report_number_text(tm__json_f64(first, is_worse ? "loss" : "answer", 0), there,
                           sizeof(there));
    tm__report_number_text(tm__json_f64(first, is_worse ? "elsewhere" : "truth", 0), other,
                           sizeof(other));
    tm__report_group_text(first, name, sizeof(name));
    if (is_worse) {
        say(list, "It is worst, by what it costs, where %s: its %s there is %s, elsewhere %s.",
            name, tm__json_text(weak, "of", ""), there, other);
    } else {
        say(list, "Its answers are off where %s: %s on average, where %s is true.", name, there,
            other);
    }
}

json_t *tm__report_sentences(const json_t *report) {
    json_t *list = json_array();
    say_score(list, report);
    say_use(list, report);
    say_intervals(list, report);
    say_against(list, report);
    say_worth(list, report);
    say_weak(list, report);
    return list;
}

/* --- limits --- */

static void limit_groups(json_t *list, const json_t *report) {
    const json_t *groups = json_object_get(json_object_get(report, "weak"), "list");
    char name[400], there[40], other[40];
    for (size_t i = 0; i < json_array_size(groups) && i < 5; i++) {
        const json_t *group = json_array_get(groups, i);
        const bool is_worse = strcmp(tm__json_text(group, "kind", ""), "worse") == 0;
        const long long rows = (long long)tm__json_i64(group, "rows", 0);
        tm__report_group_text(group, name, sizeof(name));
        tm__report_number_text(tm__json_f64(group, is_worse ? "loss" : "answer", 0), there,
                               sizeof(there));
        tm__report_number_text(tm__json_f64(group, is_worse ? "elsewhere" : "truth", 0), other,
                               sizeof(other));
        if (is_worse) {
            say(list, "Where %s (%lld test rows) it is less sure: loss %s, elsewhere %s.", name,
                rows, there, other);
        } else {
            say(list, "Where %s (%lld test rows) it says %s on average, and %s is true.", name,
                rows, there, other);
        }
    }
}

json_t *tm__report_limits(const json_t *report) {
    json_t *list = json_array();
    const json_t *rows = json_object_get(report, "rows"), *split = json_object_get(report, "split");
    const json_t *leaks = json_object_get(report, "leaks"), *leak = NULL;
    const bool is_test = strcmp(tm__json_text(rows, "from", ""), "test") == 0;
    size_t i = 0;
    say(list, "Scores are of %lld rows%s%s%s. Rows from elsewhere or later may be answered worse.",
        (long long)tm__json_i64(rows, "rows", 0),
        is_test ? " that it never learned from (" : " that were given",
        is_test ? tm__json_text(split, "reason", "") : "", is_test ? ")" : "");
    if (is_test && !tm__json_bool(split, "time_ordered", false)) {
        say(list, "Test rows are from the same time as those it learned from: how scores hold "
                  "later was not measured.");
    }
    limit_groups(list, report);
    json_array_foreach(leaks, i, leak) {
        say(list,
            "Column '%s' alone gives the target away (score %.3g): where it is not known "
            "when the answer is needed, the scores here do not hold.",
            tm__json_text(leak, "column", ""), tm__json_f64(leak, "score", 0));
    }
    if (json_object_get(report, "fairness") == NULL) {
        say(list, "How groups of people fare was not measured; --group COL does.");
    }
    say(list, "What goes along with an answer is not what causes it.");
    return list;
}
