/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk along the log: each answer counts for the coverage of its decision, each label goes to
 * a ring of the newest ones, which origin_judge.h judges by who sent them.
 */
#include "monitor/label_origins.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "monitor/explored.h"
#include "monitor/monitor_walk.h"

#define NAME_MAX 80u
#define COVERED_MAX 64u  /* classes that coverage is told of */
#define VERSIONS_MAX 64u /* that are told apart; the last one is all others */

typedef struct covered {
    uint64_t n, n_labelled;
} covered;

/* A version of before, with other decisions, may have had other labels or none: decisions are
 * compared within one. */
typedef struct covered_version {
    uint32_t version;
    covered by_decision[COVERED_MAX];
} covered_version;

/* Labels of decisions that were drawn, and of those that were made. */
typedef struct explored {
    double share;                      /* of requests that are drawn: the last that was recorded */
    uint64_t n, n_labelled, n_wrong;   /* of the labelled: what the model would have decided */
    uint64_t n_others, n_others_wrong; /* labelled ones that the model decided, and was wrong on */
} explored;

typedef struct reading {
    const tm_bundle *bundle;
    const tm_origins_ask *ask;
    char (*names)[NAME_MAX]; /* [TM_ORIGINS_MAX] */
    uint32_t n_names;
    tm_origin_label *labels; /* [n_max], a ring once it is full */
    uint64_t n, n_max, n_seen;
    covered_version *versions; /* [VERSIONS_MAX] */
    uint32_t n_versions;
    explored explored;
} reading;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the origins of labels");
}

/* ---- reading ---- */

static uint32_t find_origin(reading *r, const char *name) {
    for (uint32_t i = 0; i < r->n_names; i++) {
        if (strcmp(r->names[i], name) == 0) {
            return i;
        }
    }
    if (r->n_names < TM_ORIGINS_MAX) {
        const bool is_last = r->n_names + 1 == TM_ORIGINS_MAX;
        (void)tm__str_copy(r->names[r->n_names], NAME_MAX, tm__str(is_last ? "others" : name));
        return r->n_names++;
    }
    return TM_ORIGINS_MAX - 1;
}

static tm_status add(reading *r, const tm_origin_label *label, tm_err *err) {
    if (r->n == r->n_max && r->n_max < TM_ORIGIN_ROWS_MAX) {
        const uint64_t doubled = r->n_max == 0 ? 1024 : 2 * r->n_max;
        const uint64_t n_max = doubled < TM_ORIGIN_ROWS_MAX ? doubled : TM_ORIGIN_ROWS_MAX;
        tm_origin_label *const grown = tm__mem_realloc(r->labels, n_max, sizeof(*grown));
        if (grown == NULL) {
            return no_memory(err);
        }
        r->labels = grown;
        r->n_max = n_max;
    }
    r->labels[r->n_seen++ % r->n_max] = *label;
    r->n = r->n_seen < r->n_max ? r->n_seen : r->n_max;
    return TM_OK;
}

static bool is_same_number(double a, double b) {
    return fabs(a - b) <= 5e-7 * fmax(fabs(a), fabs(b));
}

bool tm__origin_label(const tm_bundle *bundle, const double *outputs, uint32_t n_outputs, double y,
                      tm_origin_label *out) {
    const double *const p = outputs;
    if (tm__bundle_task(bundle) == TM_TASK_REGRESSION) {
        *out = (tm_origin_label){.is_copy = is_same_number(y, p[0]), .score = p[0], .claim = y};
        return isfinite(p[0]) && isfinite(y);
    }
    const uint32_t decision = tm__bundle_decide(bundle, p);
    *out = (tm_origin_label){.is_copy = y == (double)decision};
    if (n_outputs == 1) {
        out->hits = y == 1;
        out->score = p[0];
        out->claim = decision == 1 ? p[0] : 1 - p[0];
    } else {
        out->hits = out->is_copy;
        out->score = out->claim = p[decision];
    }
    return isfinite(out->score) && y < (double)tm__bundle_classes(bundle);
}

/* What is none of its classes, or no number, cannot be compared. */
static bool fill(const reading *r, const tm_walk_row *row, tm_origin_label *out) {
    double y = 0;
    return tm__label_number(r->bundle, tm__str(row->label), &y) &&
           tm__origin_label(r->bundle, row->outputs, row->n_outputs, y, out);
}

/* Where labels follow what was decided, those of drawn decisions alone are a sample of all rows. */
static void count_explored(explored *e, const tm_walk_row *row, const tm_bundle *bundle,
                           uint32_t made, double share) {
    double y = 0;
    const bool has_label = row->label != NULL && tm__label_number(bundle, tm__str(row->label), &y);
    const bool is_wrong = has_label && y != (double)made;
    if (share > 0) {
        e->share = share;
        e->n++;
        e->n_labelled += has_label;
        e->n_wrong += is_wrong;
    } else {
        e->n_others += has_label;
        e->n_others_wrong += is_wrong;
    }
}

static covered *find_covered(reading *r, uint32_t version, uint32_t decision) {
    uint32_t i = 0;
    while (i < r->n_versions && r->versions[i].version != version) {
        i++;
    }
    if (i == r->n_versions && i < VERSIONS_MAX) {
        r->versions[r->n_versions++].version = version;
    }
    return &r->versions[i < VERSIONS_MAX ? i : VERSIONS_MAX - 1].by_decision[decision];
}

static tm_status look(void *arg, const tm_walk_row *row, tm_err *err) {
    reading *const r = arg;
    tm_origin_label label;
    if (row->n_outputs != tm__bundle_outputs(r->bundle)) {
        return TM_OK; /* of a version with other classes */
    }
    if (tm__bundle_task(r->bundle) != TM_TASK_REGRESSION &&
        (r->ask->owed_until_us == 0 || row->at_us <= r->ask->owed_until_us)) {
        const double share = tm__explored_share(row->arm);
        const uint32_t made = tm__bundle_decide(r->bundle, row->outputs);
        const uint32_t k =
            share > 0 ? tm__explored_class(row->id, tm__bundle_classes(r->bundle)) : made;
        count_explored(&r->explored, row, r->bundle, made, share);
        if (k < COVERED_MAX) {
            covered *const c = find_covered(r, row->version, k);
            c->n++;
            c->n_labelled += row->label != NULL;
        }
    }
    if (row->label == NULL || !fill(r, row, &label)) {
        return TM_OK;
    }
    label.at_us = row->at_us;
    label.origin = find_origin(r, row->origin);
    return add(r, &label, err);
}

/* ---- what it says ---- */

static json_t *flips_to_json(const tm_flips *f) {
    return json_pack("{s:o, s:o, s:o}", "share", tm__json_number(f->share), "low",
                     tm__json_number(f->low), "high", tm__json_number(f->high));
}

static json_t *origins_to_json(const char *const *names, uint32_t n_names,
                               const tm_origin_found *found) {
    json_t *list = json_array();
    bool is_told[TM_ORIGINS_MAX] = {false};
    for (uint32_t place = 0; place < n_names; place++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < n_names; i++) {
            best = !is_told[i] && (best == UINT32_MAX || found[i].n > found[best].n) ? i : best;
        }
        const tm_origin_found *const f = &found[best];
        is_told[best] = true;
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:I, s:o, s:o, s:s}", "origin", names[best], "labels",
                            (json_int_t)f->n, "others", (json_int_t)f->n_others, "wrong",
                            flips_to_json(&f->wrong), "copied", flips_to_json(&f->copied),
                            "verdict", tm__origin_verdict_names[f->verdict]));
    }
    return list;
}

static json_t *rate_to_json(uint64_t n, uint64_t of) {
    return of > 0 ? tm__json_number((double)n / (double)of) : json_null();
}

static covered all_of(const covered_version *version) {
    covered all = {0};
    for (uint32_t k = 0; k < COVERED_MAX; k++) {
        all.n += version->by_decision[k].n;
        all.n_labelled += version->by_decision[k].n_labelled;
    }
    return all;
}

/* Answers of versions that decided otherwise, too, and the share of labels that they would have if
 * each was labelled as often as the other decisions of its version. */
static json_t *beside_to_json(const reading *r, uint32_t decision) {
    covered own = {0};
    uint64_t n_others = 0;
    double expected = 0;
    for (uint32_t i = 0; i < r->n_versions; i++) {
        const covered all = all_of(&r->versions[i]), *const c =
                                                         &r->versions[i].by_decision[decision];
        const uint64_t n = all.n - c->n;
        if (n > 0 && c->n > 0) {
            own.n += c->n;
            own.n_labelled += c->n_labelled;
            n_others += n;
            expected += (double)c->n * (double)(all.n_labelled - c->n_labelled) / (double)n;
        }
    }
    return own.n == 0 ? json_null()
                      : json_pack("{s:I, s:o, s:I, s:o}", "answers", (json_int_t)own.n, "share",
                                  rate_to_json(own.n_labelled, own.n), "other_answers",
                                  (json_int_t)n_others, "others",
                                  tm__json_number(expected / (double)own.n));
}

static json_t *coverage_to_json(const reading *r) {
    json_t *list = json_array();
    const uint32_t n_classes = tm__bundle_classes(r->bundle);
    for (uint32_t k = 0; k < n_classes && k < COVERED_MAX; k++) {
        covered c = {0};
        for (uint32_t i = 0; i < r->n_versions; i++) {
            c.n += r->versions[i].by_decision[k].n;
            c.n_labelled += r->versions[i].by_decision[k].n_labelled;
        }
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:o, s:o}", "decision",
                                              tm__bundle_class(r->bundle, k), "answers",
                                              (json_int_t)c.n, "labelled", (json_int_t)c.n_labelled,
                                              "share", rate_to_json(c.n_labelled, c.n), "beside",
                                              beside_to_json(r, k)));
    }
    return list;
}

/* A draw is wrong for all but one of n_classes, whatever is right. */
static json_t *explored_to_json(const explored *e, uint32_t n_classes) {
    if (e->n == 0) {
        return json_null();
    }
    const double wrong = (double)e->n_wrong / (double)e->n_labelled; /* NaN: no label */
    return json_pack(
        "{s:o, s:I, s:I, s:o, s:o, s:I, s:o}", "share", tm__json_number(e->share), "answers",
        (json_int_t)e->n, "labelled", (json_int_t)e->n_labelled, "wrong", tm__json_number(wrong),
        "costs", tm__json_number(e->share * (1 - 1.0 / n_classes - wrong)), "others",
        (json_int_t)e->n_others, "others_wrong", rate_to_json(e->n_others_wrong, e->n_others));
}

static double error_rate(const tm_bundle *bundle) {
    const json_t *const test = json_object_get(tm__bundle_info(bundle), "test");
    return 1 - tm__json_f64(test, "accuracy", NAN);
}

tm_status tm__origins_tell(const tm_origin_labels *all, json_t **out, tm_err *err) {
    const tm_task task = tm__bundle_task(all->bundle);
    const tm_origin_input in = {
        .task = task == TM_TASK_REGRESSION ? TM_ORIGIN_NUMBERS
                : task == TM_TASK_BINARY   ? TM_ORIGIN_TWO
                                           : TM_ORIGIN_CLASSES,
        .n_classes = task == TM_TASK_REGRESSION ? 2 : tm__bundle_classes(all->bundle),
        .n_origins = all->n_names,
        .labels = all->labels,
        .n = all->n,
        .error_rate = error_rate(all->bundle)};
    tm_origin_found *const found = tm__mem_zalloc(TM_ORIGINS_MAX, sizeof(*found));
    if (found == NULL) {
        return no_memory(err);
    }
    json_t *told = NULL;
    tm_status st = tm__origins_judge(&in, found, err);
    if (st == TM_OK) {
        told = origins_to_json(all->names, all->n_names, found);
        st = tm__json_check(err);
    }
    tm__mem_free(found);
    return tm__json_give(st, told, out, err);
}

static tm_status judge(const reading *r, json_t **out, tm_err *err) {
    const char *names[TM_ORIGINS_MAX];
    json_t *list = NULL;
    for (uint32_t i = 0; i < r->n_names; i++) {
        names[i] = r->names[i];
    }
    const tm_origin_labels all = {
        .bundle = r->bundle, .names = names, .n_names = r->n_names, .labels = r->labels, .n = r->n};
    TM_TRY(tm__origins_tell(&all, &list, err));
    json_t *const told =
        json_pack("{s:s, s:I, s:o, s:o, s:o}", "model", r->ask->model, "labels", (json_int_t)r->n,
                  "origins", list, "coverage", coverage_to_json(r), "explored",
                  explored_to_json(&r->explored, tm__bundle_classes(r->bundle)));
    return tm__json_give(TM_OK, told, out, err);
}

tm_status tm__label_origins(tm_monitor *monitor, const tm_bundle *bundle, const tm_origins_ask *ask,
                            json_t **out, tm_err *err) {
    reading r = {.bundle = bundle, .ask = ask};
    const tm_walk_options walk = {
        .model = ask->model, .from_us = ask->from_us, .until_us = ask->until_us};
    *out = NULL;
    r.names = tm__mem_zalloc(TM_ORIGINS_MAX, sizeof(*r.names));
    r.versions = tm__mem_zalloc(VERSIONS_MAX, sizeof(*r.versions));
    tm_status st = r.names == NULL || r.versions == NULL ? no_memory(err)
                   : tm__bundle_task(bundle) == TM_TASK_RANKING
                       ? TM_OK
                       : tm__monitor_walk(monitor, &walk, look, &r, err);
    st = st == TM_OK ? judge(&r, out, err) : st;
    tm__mem_free(r.labels);
    tm__mem_free(r.names);
    tm__mem_free(r.versions);
    return st;
}
