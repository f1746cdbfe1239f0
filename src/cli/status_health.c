/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model's figures mean to who is on call, in a word each:
 *
 *     bad    broken    its file cannot be loaded: requests get an error
 *            old       another version is served than the one that was promoted
 *            worse     the live score is worse than the test's, far beyond its interval
 *            drift...  an open critical alert, by its kind
 *     warn   drift...  an open alert
 *            retrain   the last retraining failed, or several in a row came to nothing
 *            overdue   the next one was due, and nobody began it
 *            labels    none came for longer than they are declared to take, or too few for the
 *                      gate
 *            data      its source has stopped or fails
 *            columns   rows come without a column that came with the version
 *            retiring  it learned from somebody who was erased, and goes at a date
 *            told      who is told of its moves does not take them
 *     ok     rollout   a version comes in steps
 *            shadow    one sees requests, and how often it answers otherwise
 *     idle   quiet     no answer in a week, or none yet
 *
 * Nothing here is a test of its own but `worse`, and that one is held to twice the 95 % interval:
 * by chance some once in ten thousand looks, for alarms that may wake someone have a budget
 * (docs/drift.md).
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "cli/report_page_priv.h"
#include "cli/status_read.h"
#include "cli/train_words.h"
#include "loop/loop_trigger.h"
#include "metric/metric.h"

#define SCORED_MIN 30
#define WIDER 2.0
#define HOUR_S 3600.0
#define QUIET_S (7 * 86400.0)
#define TRIES_MIN 3

static const char *const levels[] = {"bad", "warn", "ok", "idle"};
/* What weighs more comes first; a kind of alert that is not here comes behind them. */
static const char *const words[] = {
    "broken",  "old",     "worse",   "performance", "drift", "traffic", "data",   "labels",
    "retrain", "overdue", "columns", "retiring",    "told",  "rollout", "shadow", "quiet"};

static void say(json_t *m, const char *level, const char *word, const char *fmt, ...)
    TM_PRINTF(4, 5);
static void say(json_t *m, const char *level, const char *word, const char *fmt, ...) {
    char text[768];
    va_list args;
    va_start(args, fmt);
    tm__report_format(text, sizeof(text), fmt, args);
    va_end(args);
    json_array_append_new(json_object_get(m, "reasons"),
                          json_pack("{s:s, s:s, s:s}", "level", level, "word", word, "text", text));
}

static double number(const json_t *m, const char *name) {
    return tm__json_f64(m, name, tm__nan());
}

/* ---- reasons ---- */

static void judge_serving(json_t *m) {
    const json_t *const is_loaded = json_object_get(m, "is_loaded");
    const char *const problem = tm__json_text(m, "problem", NULL);
    if (json_is_false(is_loaded)) {
        say(m, "bad", "broken", "version %lld cannot be loaded: %s",
            (long long)tm__json_i64(m, "champion", 0), problem != NULL ? problem : "see the log");
    } else if (problem != NULL) {
        say(m, "bad", "old", "version %lld is served, for version %lld cannot be: %s",
            (long long)tm__json_i64(m, "serving", 0), (long long)tm__json_i64(m, "champion", 0),
            problem);
    } else if (tm__json_bool(m, "is_removed", false)) {
        say(m, "bad", "broken",
            "version %lld was removed, and nothing answers: train and promote another",
            (long long)tm__json_i64(m, "champion", 0));
    }
}

static void judge_score(json_t *m) {
    const char *const name = tm__json_text(m, "metric", "");
    const tm_metric_ops *const metric = tm__metric_find(name);
    const double value = number(m, "value"), test = number(json_object_get(m, "test"), name);
    if (metric == NULL || isnan(value) || isnan(test) ||
        tm__json_i64(m, "scored", 0) < SCORED_MIN) {
        return;
    }
    const double far = metric->is_loss ? value - WIDER * (value - number(m, "low"))
                                       : value + WIDER * (number(m, "high") - value);
    if (tm__metric_gain(metric, far, test) < 0) { /* false for an interval that is not known */
        say(m, "bad", "worse", "%s is %.4g, the test's was %.4g: tidemill monitor report %s", name,
            value, test, tm__json_text(m, "model", ""));
    }
}

static void judge_alerts(json_t *m) {
    size_t i = 0;
    const json_t *alert = NULL;
    json_array_foreach(json_object_get(m, "alerts"), i, alert) {
        const bool is_critical = strcmp(tm__json_text(alert, "severity", ""), "critical") == 0;
        say(m, is_critical ? "bad" : "warn", tm__json_text(alert, "kind", "alert"), "%s (%lld)",
            tm__json_text(alert, "summary", ""), (long long)tm__json_i64(alert, "id", 0));
    }
}

static void judge_learning(json_t *m) {
    const double left = number(m, "next_retrain_seconds");
    const double every = number(m, "retrain_every_seconds");
    const char *const last = tm__json_text(m, "last_retrain", "");
    const char *const status = tm__json_text(m, "source_status", "");
    char span[32];
    const char *const waits = tm__json_text(m, "retrain_waits", NULL);
    if (waits != NULL) {
        say(m, "warn", "retrain", "a retraining waits: %s", waits);
    } else if (strcmp(last, "failed") == 0) {
        say(m, "warn", "retrain", "the last retraining failed: %.300s: tidemill job ls %s",
            tm__json_text(m, "last_retrain_why", "nothing is known of why"),
            tm__json_text(m, "model", ""));
    } else if (number(m, "retrains_fruitless") >= TM_TRIGGER_FRUITLESS) {
        say(m, "warn", "retrain",
            "the last %.0f retrainings came to nothing, so each waits longer: tidemill retrain %s"
            " --turns",
            number(m, "retrains_fruitless"), tm__json_text(m, "model", ""));
    } else if (strcmp(last, "running") != 0 && -left > fmax(0.1 * every, HOUR_S)) {
        say(m, "warn", "overdue", "a retraining has been due for %s; %s",
            tm__span_text(-left, span),
            tm__json_bool(m, "retrain_day_spent", false)
                ? "the day's time for training is spent (retrain.per_day)"
                : "'tidemill run' does it");
    }
    if (strcmp(status, "stopped") == 0 || strcmp(status, "retrying") == 0) {
        say(m, "warn", "data", "source '%s' is %s: tidemill data show %s",
            tm__json_text(m, "source", ""), status, tm__json_text(m, "source", ""));
    }
}

/* Clients of before are answered all the same; what that costs is told as long as they come. */
static void judge_columns(json_t *m) {
    size_t i = 0;
    const json_t *field = NULL;
    json_array_foreach(json_object_get(m, "columns_absent"), i, field) {
        const json_t *const worth = json_object_get(field, "worth");
        const double share = number(field, "is");
        char cost[80] = "";
        if (!(share > 0)) {
            continue;
        }
        if (worth != NULL) {
            (void)snprintf(cost, sizeof(cost), ", each answer %.2g %.20s worse",
                           number(worth, "value"), tm__json_text(worth, "loss", ""));
        }
        say(m, "warn", "columns", "%.0f %% of the rows come without '%s', new in version %lld%s",
            100 * fmin(share, 1), tm__json_text(field, "field", ""),
            (long long)tm__json_i64(m, "champion", 0), cost);
    }
}

static void judge_retirement(json_t *m) {
    const char *const by = tm__json_text(m, "retire_by", NULL);
    if (by != NULL) {
        say(m, "warn", "retiring",
            "version %lld learned from a subject who was erased, and answers until %s: train and "
            "promote another",
            (long long)tm__json_i64(m, "champion", 0), by);
    }
}

/* One try that failed is the network's; several are somebody's. */
static void judge_receivers(json_t *m) {
    const json_t *receiver = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(m, "receivers"), i, receiver) {
        if (tm__json_i64(receiver, "tries", 0) >= TRIES_MIN) {
            say(m, "warn", "told", "receiver '%s' is %lld records behind: %s",
                tm__json_text(receiver, "receiver", ""),
                (long long)tm__json_i64(receiver, "behind", 0),
                tm__json_text(receiver, "error", ""));
        }
    }
}

/* ", and gate.coverage and retrain.new_labels wait for them"; empty when nothing does. */
static const char *waiting_text(const json_t *m, char out[160]) {
    const json_t *const list = json_object_get(m, "labels_awaited");
    const size_t n = json_array_size(list);
    size_t i = 0, len = 0;
    const json_t *what = NULL;
    out[0] = '\0';
    json_array_foreach((json_t *)(uintptr_t)list, i, what) {
        len += (size_t)snprintf(out + len, len < 160 ? 160 - len : 0, "%s%.60s",
                                i == 0       ? "; "
                                : i + 1 == n ? " and "
                                             : ", ",
                                json_string_value(what));
        len = len < 159 ? len : 159;
    }
    if (n > 0) {
        (void)snprintf(out + len, 160 - len, " wait%s for them", n == 1 ? "s" : "");
    }
    return out;
}

static void judge_coverage(json_t *m) {
    const json_t *const few = json_object_get(m, "labels_too_few");
    const char *const since = tm__json_text(few, "since", NULL);
    if (since != NULL) {
        say(m, "warn", "labels", "label coverage too low, nothing is promoted since %.19s: %s",
            since, tm__json_text(few, "reason", ""));
    } else if (json_is_object(few)) {
        say(m, "warn", "labels", "label coverage too low, the next version would be refused: %s",
            tm__json_text(few, "reason", ""));
    }
}

/* Answers that are old enough to have labels, and no label in twice the time that they take. Where
 * nobody declared it: none for a week, of a model that had some and goes on answering. */
static void judge_labels(json_t *m) {
    const double delay = number(m, "label_waited_seconds");
    const double late = isnan(delay) ? QUIET_S : 2 * delay + HOUR_S;
    const double age = number(m, "label_age_seconds");
    const double answered = number(m, "answer_age_seconds");
    char span[32], told[32], waiting[160];
    judge_coverage(m);
    if (isnan(delay) && age > late && answered < age - late) {
        say(m, "warn", "labels", "no label came for %s, though answers were given%s",
            tm__span_text(age, told), waiting_text(m, waiting));
    }
    if (isnan(delay) || !(number(m, "first_answer_age_seconds") > late)) {
        return;
    }
    if (isnan(age)) {
        say(m, "warn", "labels", "no label came yet, and they are declared to take %s%s",
            tm__span_text(delay, span), waiting_text(m, waiting));
    } else if (age > late) {
        say(m, "warn", "labels", "no label came for %s, and they are declared to take %s%s",
            tm__span_text(age, told), tm__span_text(delay, span), waiting_text(m, waiting));
    }
}

/* Nothing is wrong: whoever looks may want to know. */
static void tell_moves(json_t *m) {
    const json_t *const rollout = json_object_get(m, "rollout"), *const shadow =
                                                                     json_object_get(m, "shadow");
    const double compared = number(shadow, "compared"), differed = number(shadow, "differed");
    char rows[32];
    if (json_is_object(rollout) && tm__json_i64(rollout, "step", 0) > 0) {
        say(m, "ok", "rollout", "version %lld has %g %% of the requests (step %lld of %zu), %s",
            (long long)tm__json_i64(rollout, "version", 0), number(rollout, "percent"),
            (long long)tm__json_i64(rollout, "step", 0),
            json_array_size(json_object_get(rollout, "steps")),
            tm__json_text(rollout, "state", ""));
    }
    if (json_is_object(shadow) && compared > 0) {
        say(m, "ok", "shadow", "version %lld answers otherwise for %.2g %% of %s rows",
            (long long)tm__json_i64(shadow, "version", 0), 100 * differed / compared,
            tm__count_text((int64_t)compared, rows));
    } else if (json_is_object(shadow)) {
        say(m, "ok", "shadow", "version %lld sees %g %% of the requests",
            (long long)tm__json_i64(shadow, "version", 0), number(shadow, "share"));
    }
}

static void judge_traffic(json_t *m) {
    const double age = number(m, "answer_age_seconds");
    char span[32];
    if (isnan(age)) {
        say(m, "idle", "quiet", "no answer yet");
    } else if (age > QUIET_S) {
        say(m, "idle", "quiet", "no answer for %s", tm__span_text(age, span));
    }
}

/* ---- order ---- */

static size_t place_in(const char *const *list, size_t n, const char *word) {
    size_t i = 0;
    while (i < n && strcmp(list[i], word) != 0) {
        i++;
    }
    return i;
}

#define PLACE_IN(list, word) place_in((list), sizeof(list) / sizeof((list)[0]), (word))

/* Of level and word: what is less comes first. */
static size_t weight_of(const char *level, const char *word) {
    return PLACE_IN(levels, level) * 100 + PLACE_IN(words, word);
}

static size_t reason_weight(const json_t *reason) {
    return weight_of(tm__json_text(reason, "level", ""), tm__json_text(reason, "word", ""));
}

/* A few entries, put in order one by one; equal ones stay as they came. */
static json_t *sort_by(const json_t *list, bool (*is_before)(const json_t *a, const json_t *b)) {
    json_t *const out = json_array();
    size_t i = 0;
    json_t *item = NULL;
    json_array_foreach((json_t *)(uintptr_t)list, i, item) {
        size_t at = json_array_size(out);
        while (at > 0 && is_before(item, json_array_get(out, at - 1))) {
            at--;
        }
        json_array_insert(out, at, item);
    }
    return out;
}

static bool reason_is_before(const json_t *a, const json_t *b) {
    return reason_weight(a) < reason_weight(b);
}

void tm__status_judge(json_t *model) {
    json_object_set_new(model, "reasons", json_array());
    judge_serving(model);
    judge_score(model);
    judge_alerts(model);
    judge_learning(model);
    judge_labels(model);
    judge_receivers(model);
    judge_columns(model);
    judge_retirement(model);
    tell_moves(model);
    judge_traffic(model);
    json_t *const reasons = sort_by(json_object_get(model, "reasons"), reason_is_before);
    const json_t *const first = json_array_get(reasons, 0);
    json_object_set_new(model, "health", json_string(tm__json_text(first, "level", "ok")));
    json_object_set_new(model, "why", json_string(tm__json_text(first, "word", "")));
    json_object_set_new(model, "reasons", reasons);
}

static size_t model_weight(const json_t *m) {
    return weight_of(tm__json_text(m, "health", ""), tm__json_text(m, "why", ""));
}

static bool model_is_before(const json_t *a, const json_t *b) {
    const size_t x = model_weight(a), y = model_weight(b);
    return x != y ? x < y
                  : strcmp(tm__json_text(a, "model", ""), tm__json_text(b, "model", "")) < 0;
}

json_t *tm__status_sort(const json_t *models) {
    return sort_by(models, model_is_before);
}
