/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A version's report: what its record says, and what train_look.h measures on rows.
 *
 *     snapshots ──> test rows ──> answers ──> scores, curves, groups, columns ──┐
 *     the champion, or the one before ──> its answers for the same rows ────────┼──> one object
 *     the record of the run (info), the file ───────────────────────────────────┘
 */
#include "cli/report_make.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "train/train_look.h"

typedef struct making {
    tm_ctx *ctx;
    const tm_place *place;
    const tm_report_options *options;
    const json_t *info;
    tm_look look;
    bool is_test; /* the rows are those it was tested on */
    tm_version other;
    tm_bundle *other_bundle;
    double *other_pred; /* NULL: nothing is compared */
    json_t *against;
    json_t *report;
} making;

/* --- the rows --- */

tm_status tm__report_test_rows(tm_ctx *ctx, const tm_place *place, tm_table **out, tm_err *err) {
    const json_t *info = tm__bundle_info(place->bundle);
    const char *snapshot = tm__json_text(info, "snapshot", "");
    const char *test_snapshot = tm__json_text(info, "test_snapshot", "");
    const json_t *event_snapshots = json_object_get(info, "event_snapshots");
    const char *name = place->version.model;
    tm_table *table = NULL, *test = NULL;
    tm_train_events events = {0};
    tm_status st = TM_OK;
    if (snapshot[0] == '\0') {
        st =
            TM_FAIL(err, TM_E_DATA, "the record of '%s' names no rows that it was tested on", name);
        tm_err_hint(err, "Give rows that have the target: tidemill model report %s DATA", name);
        return st;
    }
    st = tm__cli_read_snapshot(ctx, place, snapshot, &table, err);
    if (st == TM_OK && test_snapshot[0] != '\0') {
        st = tm__cli_read_snapshot(ctx, place, test_snapshot, &test, err);
    }
    if (st == TM_OK && event_snapshots != NULL) {
        st = tm__train_events_load(ctx, place->home, event_snapshots, &events, err);
    }
    if (st == TM_OK) {
        st = tm__look_test_rows(ctx, info, table, test, event_snapshots != NULL ? &events : NULL,
                                out, err);
    }
    tm__train_events_done(&events);
    tm__table_unref(table);
    tm__table_unref(test);
    return st;
}

/* --- the other version --- */

/* The version that stood before this one became the champion; 0: none. */
static tm_status find_before(const making *m, uint32_t *out, tm_err *err) {
    const tm_version *own = &m->place->version;
    json_t *history = NULL;
    size_t i = 0;
    const json_t *event = NULL;
    *out = 0;
    TM_TRY(tm__registry_history(m->place->registry, own->model, &history, err));
    json_array_foreach(history, i, event) {
        const int64_t from = tm__json_i64(event, "from", 0);
        if (tm__json_i64(event, "version", 0) == own->number && from > 0 && from != own->number) {
            *out = (uint32_t)from;
        }
    }
    json_decref(history);
    return TM_OK;
}

/* *out_is_there: there is one. */
static tm_status find_other(making *m, bool *out_is_there, tm_err *err) {
    const tm_version *own = &m->place->version;
    char name[sizeof(own->model) + 16];
    uint32_t before = 0;
    *out_is_there = true;
    if (m->options->against != NULL) {
        return tm__registry_find(m->place->registry, m->options->against, &m->other, err);
    }
    TM_TRY(tm__registry_find(m->place->registry, own->model, &m->other, err));
    if (m->other.number != own->number) {
        return TM_OK;
    }
    tm__version_done(&m->other);
    TM_TRY(find_before(m, &before, err));
    *out_is_there = before > 0;
    if (before == 0) {
        return TM_OK;
    }
    (void)snprintf(name, sizeof(name), "%s@%u", own->model, before);
    return tm__registry_find(m->place->registry, name, &m->other, err);
}

static tm_status check_alike(const making *m, tm_err *err) {
    const tm_bundle *own = m->place->bundle, *other = m->other_bundle;
    bool is_alike = tm__bundle_task(own) == tm__bundle_task(other) &&
                    tm__bundle_outputs(own) == tm__bundle_outputs(other) &&
                    strcmp(tm__bundle_target(own), tm__bundle_target(other)) == 0;
    for (uint32_t k = 0; is_alike && k < tm__bundle_classes(own); k++) {
        is_alike = strcmp(tm__bundle_class(own, k), tm__bundle_class(other, k)) == 0;
    }
    return is_alike ? TM_OK : TM_FAIL(err, TM_E_USAGE, "it predicts something else");
}

static tm_status ask_other(making *m, tm_err *err) {
    TM_TRY(tm__registry_bundle(m->place->registry, &m->other, &m->other_bundle, err));
    TM_TRY(check_alike(m, err));
    double *pred = tm__mem_alloc(m->look.n * m->look.n_outputs, sizeof(double));
    if (pred == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the answers of another version");
    }
    const tm_status st = tm__bundle_predict(m->ctx, m->other_bundle, m->look.table, m->look.rows,
                                            m->look.n, pred, err);
    if (st != TM_OK) {
        tm__mem_free(pred);
        return st;
    }
    m->other_pred = pred;
    return TM_OK;
}

/* With the same rows and split it saw none of the test rows either. */
static bool may_have_seen(const making *m) {
    const json_t *own = m->info, *other = m->other.info;
    const json_t *own_recipe = json_object_get(own, "recipe");
    const json_t *other_recipe = json_object_get(other, "recipe");
    return !m->is_test ||
           strcmp(tm__json_text(own, "snapshot", ""), tm__json_text(other, "snapshot", "-")) != 0 ||
           !json_equal(json_object_get(own_recipe, "split"),
                       json_object_get(other_recipe, "split")) ||
           tm__json_i64(own_recipe, "seed", 0) != tm__json_i64(other_recipe, "seed", 0);
}

/* What cannot be compared is said, unless a person asked for it. */
static tm_status compare(making *m, tm_err *err) {
    tm_err own = {0};
    bool is_there = false;
    m->against = json_null();
    TM_TRY(find_other(m, &is_there, err));
    if (!is_there) {
        return TM_OK;
    }
    m->against = json_pack("{s:s, s:I, s:s, s:b}", "model", m->other.model, "version",
                           (json_int_t)m->other.number, "aliases", m->other.aliases,
                           "may_have_seen", may_have_seen(m));
    const tm_status st = ask_other(m, &own);
    if (st == TM_OK) {
        return TM_OK;
    }
    if (m->options->against != NULL || st == TM_E_NOMEM || st == TM_E_CANCELLED) {
        if (err != NULL) {
            *err = own;
        }
        return st;
    }
    json_object_set_new(m->against, "error", json_string(own.message));
    return TM_OK;
}

/* --- what the record says --- */

static void copy(making *m, const char *name) {
    json_t *value = json_object_get(m->info, name);
    if (value != NULL) {
        json_object_set(m->report, name, value);
    }
}

/* No ends of their values: those are single rows'. */
static json_t *say_inputs(const tm_schema *schema) {
    json_t *list = json_array();
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        json_array_append_new(list, json_pack("{s:s, s:s}", "column", schema->cols[c].name, "type",
                                              tm__type_text(schema->cols[c].type)));
    }
    return list;
}

static void say_record(making *m) {
    static const char *const names[] = {
        "task",      "target",      "target_type", "positive",    "classes",       "metric",
        "learner",   "params",      "threshold",   "leaderboard", "left_out",      "windows",
        "program",   "columns",     "leaks",       "time",        "entity",        "group",
        "split",     "recipe",      "snapshot",    "seed",        "test_snapshot", "work_used",
        "continues", "calibration", "intervals",   "selection"};
    const tm_version *version = &m->place->version;
    char hash[TM_HASH_TEXT], created[48];
    tm__hash_to_text(&version->bundle_hash, hash);
    (void)tm__time_to_text(version->created_us, created);
    m->report = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:I}", "model", version->model, "version",
                          (json_int_t)version->number, "aliases", version->aliases, "state",
                          version->state, "created", created, "bundle_hash", hash, "bytes",
                          (json_int_t)tm__registry_bundle_bytes(m->place->registry, version));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        copy(m, names[i]);
    }
    json_object_set_new(m->report, "smaller_is_better", json_boolean(m->look.metric->is_loss));
    json_object_set_new(m->report, "inputs", say_inputs(tm__bundle_schema(m->place->bundle)));
    json_object_set_new(
        m->report, "rows",
        json_pack("{s:s, s:I, s:I, s:b}", "from", m->is_test ? "test" : "given", "rows",
                  (json_int_t)m->look.n, "learned_from",
                  (json_int_t)tm__json_i64(json_object_get(m->info, "split"), "train_rows",
                                           tm__json_i64(m->info, "rows", 0)),
                  "weighted", m->look.weights != NULL));
    json_object_set(m->report, "against", m->against);
}

/* --- what is measured --- */

/* A constant answer's scores were kept by training, of the test rows alone. */
static void add_baseline(const making *m, json_t *scores) {
    const json_t *baseline = json_object_get(m->info, "baseline");
    size_t i = 0;
    json_t *entry = NULL;
    json_array_foreach(json_object_get(scores, "list"), i, entry) {
        json_t *value = json_object_get(baseline, tm__json_text(entry, "score", ""));
        if (m->is_test && json_is_number(value)) {
            json_object_set(entry, "baseline", value);
        }
    }
}

static tm_status measure_task(making *m, tm_err *err) {
    json_t *part = NULL;
    const tm_task task = m->look.task;
    const char *name = task == TM_TASK_BINARY       ? "curves"
                       : task == TM_TASK_MULTICLASS ? "confusion"
                       : task == TM_TASK_REGRESSION ? "errors"
                                                    : "ranks";
    TM_TRY(task == TM_TASK_BINARY       ? tm__look_curves(&m->look, &part, err)
           : task == TM_TASK_MULTICLASS ? tm__look_classes(&m->look, &part, err)
           : task == TM_TASK_REGRESSION ? tm__look_errors(&m->look, &part, err)
                                        : tm__look_ranks(&m->look, &part, err));
    json_object_set_new(m->report, name, part);
    return TM_OK;
}

/* What each column is worth to the rows that have a target. */
static tm_status measure_worth(making *m, tm_err *err) {
    const tm_columns_options options = {.seed = m->options->seed};
    json_t *worth = NULL;
    TM_TRY(tm__train_columns(m->ctx, m->place->bundle, m->look.table, &options, &worth, err));
    json_object_set_new(m->report, "worth", worth);
    return TM_OK;
}

static tm_status measure(making *m, tm_err *err) {
    json_t *part = NULL;
    TM_TRY(tm__look_scores(&m->look, m->other_pred, &part, err));
    add_baseline(m, part);
    json_object_set_new(m->report, "scores", part);
    TM_TRY(measure_task(m, err));
    TM_TRY(measure_worth(m, err));
    const json_t *worth = json_object_get(m->report, "worth");
    TM_TRY(tm__look_weak(&m->look, worth, &part, err));
    json_object_set_new(m->report, "weak", part);
    if (m->options->group != NULL) {
        TM_TRY(tm__look_fairness(&m->look, m->options->group, &part, err));
        json_object_set_new(m->report, "fairness", part);
    }
    TM_TRY(tm__look_dependence(&m->look, worth, &part, err));
    json_object_set_new(m->report, "dependence", part);
    TM_TRY(tm__look_rounds(&m->look, &part, err));
    json_object_set_new(m->report, "rounds", part);
    TM_TRY(tm__look_latency(&m->look, &part, err));
    json_object_set_new(m->report, "latency", part);
    return tm__json_check(err);
}

static tm_status make(making *m, tm_table *rows, tm_err *err) {
    tm_table *own = NULL;
    m->is_test = rows == NULL;
    if (m->is_test) {
        TM_TRY(tm__report_test_rows(m->ctx, m->place, &own, err));
    }
    const tm_status st = tm__look_init(m->ctx, m->place->bundle, m->is_test ? own : rows,
                                       m->options->seed, &m->look, err);
    tm__table_unref(own);
    TM_TRY(st);
    TM_TRY(compare(m, err));
    say_record(m);
    return measure(m, err);
}

tm_status tm__report_make(tm_ctx *ctx, const tm_place *place, tm_table *rows,
                          const tm_report_options *options, json_t **out, tm_err *err) {
    making m = {
        .ctx = ctx, .place = place, .options = options, .info = tm__bundle_info(place->bundle)};
    const tm_status st = make(&m, rows, err);
    tm__look_done(&m.look);
    tm__version_done(&m.other);
    tm__bundle_unref(m.other_bundle);
    tm__mem_free(m.other_pred);
    json_decref(m.against);
    if (st != TM_OK) {
        json_decref(m.report);
        return st;
    }
    *out = m.report;
    return TM_OK;
}
