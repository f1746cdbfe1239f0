/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the groups of a column fare under a model's decisions, whether or not the column is an input.
 * Shares have Wilson's intervals; the ratio of two groups' shares of rows that are called positive
 * has that of Katz et al. (1978, doi:10.2307/2530610). The four-fifths rule is that of the Uniform
 * Guidelines on Employee Selection Procedures (29 CFR 1607.4 D): it holds a group's share against
 * the largest one. A group of few rows is marked and takes no part in the rule.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "metric/metric_sure.h"
#include "train/train_look_priv.h"

enum { LEVELS = 12, BINS = 4, NAMED_LEAST = 10, SMALL = 100, SMALL_POSITIVES = 10 };

#define Z 1.959963984540054

typedef struct fared {
    uint64_t n, positives, called, right, caught; /* caught: called and positive */
    double answer, truth, off, off2, absolute;    /* sums */
} fared;

static double share(uint64_t part, uint64_t whole) {
    return whole > 0 ? (double)part / (double)whole : tm__nan();
}

static json_t *say_share(uint64_t part, uint64_t whole) {
    double low = 0, high = 1;
    tm__share_interval(share(part, whole), (double)whole, &low, &high);
    return tm__look_interval(share(part, whole), low, high);
}

/* Truth less answer on average. */
static json_t *say_off(const fared *f) {
    const double n = (double)f->n, mean = f->off / n;
    const double half =
        f->n > 1 ? Z * tm__sqrt(fmax(f->off2 - n * mean * mean, 0) / (n - 1) / n) : INFINITY;
    return tm__look_interval(mean, mean - half, mean + half);
}

static fared *count(const tm_look *look, const tm_row_groups *groups) {
    fared *fares = tm__mem_zalloc(groups->n, sizeof(*fares));
    for (uint64_t i = 0; fares != NULL && i < look->n; i++) {
        fared *f = &fares[groups->of_row[i]];
        const double truth = tm__look_truth(look, i), answer = tm__look_answer(look, i);
        const bool is_positive = look->task == TM_TASK_BINARY && truth > 0;
        const bool is_called = look->task == TM_TASK_BINARY && answer >= look->threshold;
        f->n++;
        f->positives += is_positive;
        f->called += is_called;
        f->caught += is_positive && is_called;
        f->right += look->task == TM_TASK_BINARY ? is_positive == is_called : truth > 0;
        f->answer += answer;
        f->truth += truth;
        f->off += truth - answer;
        f->off2 += (truth - answer) * (truth - answer);
        f->absolute += fabs(truth - answer);
    }
    return fares;
}

static bool is_small(const tm_look *look, const fared *f) {
    return f->n < SMALL ||
           (look->task == TM_TASK_BINARY &&
            (f->positives < SMALL_POSITIVES || f->n - f->positives < SMALL_POSITIVES));
}

static json_t *say_group(const tm_look *look, const char *name, const fared *f) {
    const double n = (double)f->n;
    json_t *entry =
        json_pack("{s:s, s:I, s:b, s:o, s:o}", "group", name, "rows", (json_int_t)f->n, "small",
                  is_small(look, f), "answer", tm__json_number(f->answer / n), "off", say_off(f));
    if (look->task == TM_TASK_REGRESSION) {
        json_object_set_new(entry, "truth", tm__json_number(f->truth / n));
        json_object_set_new(entry, "absolute_error", tm__json_number(f->absolute / n));
        return entry;
    }
    json_object_set_new(entry, "accuracy", say_share(f->right, f->n));
    if (look->task == TM_TASK_BINARY) {
        json_object_set_new(entry, "positives", json_integer((json_int_t)f->positives));
        json_object_set_new(entry, "share_of_positives", say_share(f->positives, f->n));
        json_object_set_new(entry, "selected", say_share(f->called, f->n));
        json_object_set_new(entry, "true_positive_rate", say_share(f->caught, f->positives));
        json_object_set_new(entry, "false_positive_rate",
                            say_share(f->called - f->caught, f->n - f->positives));
        json_object_set_new(entry, "precision", say_share(f->caught, f->called));
    }
    return entry;
}

/* A group's share of called rows over another's. */
static json_t *say_ratio(const fared *f, const fared *of) {
    const double ratio = share(f->called, f->n) / share(of->called, of->n);
    double half = INFINITY;
    if (f->called > 0 && of->called > 0) {
        half = Z * tm__sqrt(1 / (double)f->called - 1 / (double)f->n + 1 / (double)of->called -
                            1 / (double)of->n);
    }
    return isfinite(half) ? tm__look_interval(ratio, ratio * tm__exp(-half), ratio * tm__exp(half))
                          : tm__look_interval(ratio, ratio, 1);
}

/* Ratios to the group with the largest share of called rows, and the least of them. */
static json_t *say_four_fifths(const tm_look *look, const tm_row_groups *groups, const fared *fares,
                               json_t *list) {
    uint32_t most = UINT32_MAX, least = UINT32_MAX;
    for (uint32_t g = 0; g < groups->n; g++) {
        if (is_small(look, &fares[g])) {
            continue;
        }
        const double own = share(fares[g].called, fares[g].n);
        most = most == UINT32_MAX || own > share(fares[most].called, fares[most].n) ? g : most;
        least = least == UINT32_MAX || own < share(fares[least].called, fares[least].n) ? g : least;
    }
    if (most == least || fares[most].called == 0) {
        return json_null();
    }
    for (uint32_t g = 0; g < groups->n; g++) {
        if (fares[g].n > 0) {
            json_object_set_new(json_array_get(list, g), "ratio",
                                g == most ? json_null() : say_ratio(&fares[g], &fares[most]));
        }
    }
    const double ratio =
        share(fares[least].called, fares[least].n) / share(fares[most].called, fares[most].n);
    return json_pack("{s:s, s:s, s:o, s:b}", "most", groups->names[most], "least",
                     groups->names[least], "ratio", say_ratio(&fares[least], &fares[most]), "holds",
                     ratio >= 0.8);
}

static json_t *say_groups(const tm_look *look, uint32_t col, const tm_row_groups *groups,
                          const fared *fares) {
    const char *name = tm__table_column(look->table, col)->name;
    json_t *list = json_array();
    for (uint32_t g = 0; g < groups->n; g++) {
        json_array_append_new(list, say_group(look, groups->names[g], &fares[g]));
    }
    json_t *out =
        json_pack("{s:s, s:b, s:I}", "column", name, "is_input",
                  tm__schema_find(tm__bundle_schema(look->bundle), tm__str(name)) != UINT32_MAX,
                  "small_below", (json_int_t)SMALL);
    if (look->task == TM_TASK_BINARY) {
        json_object_set_new(out, "positive", json_string(tm__bundle_class(look->bundle, 1)));
        json_object_set_new(out, "threshold", tm__json_number(look->threshold));
        json_object_set_new(out, "four_fifths", say_four_fifths(look, groups, fares, list));
    }
    json_object_set_new(out, "groups", list);
    return out;
}

tm_status tm__look_fairness(const tm_look *look, const char *column, json_t **out, tm_err *err) {
    const tm_row_groups_options options = {
        .n_levels = LEVELS, .n_bins = BINS, .rows_min = NAMED_LEAST};
    const uint32_t col = tm__table_find(look->table, column);
    tm_row_groups groups;
    if (col == UINT32_MAX) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "there is no column '%s' of groups", column);
        tm__table_hint_column(look->table, column, err);
        return st;
    }
    TM_TRY(tm__row_groups_init(look, col, &options, &groups, err));
    tm_status st = TM_OK;
    fared *fares = NULL;
    if (groups.n < 2) {
        st = TM_FAIL(err, TM_E_USAGE, "column '%s' parts the rows into no groups", column);
        tm_err_hint(err, "A group has at least %d rows with the same value, or near it.",
                    NAMED_LEAST);
    }
    if (st == TM_OK) {
        fares = count(look, &groups);
        st = fares == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for groups of rows") : TM_OK;
    }
    if (st == TM_OK) {
        json_t *fairness = say_groups(look, col, &groups, fares);
        st = tm__json_check(err);
        if (st == TM_OK) {
            *out = fairness;
        } else {
            json_decref(fairness);
        }
    }
    tm__mem_free(fares);
    tm__row_groups_done(&groups);
    return st;
}
