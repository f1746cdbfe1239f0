/* SPDX-License-Identifier: Apache-2.0 */
/* Two bundles on the same rows, and the verdict on a version that somebody trained by hand. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "loop/label_guard.h"
#include "loop/loop_priv.h"
#include "model/bundle_windows.h"

#define TM_JUDGE_ROWS_MAX 20000u
#define TM_JUDGE_ROWS_MIN 200u

tm_status tm__loop_learned(tm_registry *registry, const tm_version *version, tm_learned *out,
                           tm_err *err) {
    json_t *history = NULL, *item;
    size_t i;
    tm_learned learned = {.labels = {0, INT64_MAX, INT64_MAX}, .n_labels = -1};
    TM_TRY(tm__registry_history(registry, version->model, &history, err));
    (void)tm__str_copy(learned.source_hash, sizeof(learned.source_hash),
                       tm__str(version->snapshot));
    json_array_foreach(history, i, item) {
        if (strcmp(tm__json_text(item, "event", ""), "retrain.trained") == 0 &&
            tm__json_i64(item, "version", 0) == (int64_t)version->number) {
            const json_t *details = json_object_get(item, "details");
            learned.labels = (tm_label_cut){tm__json_i64(details, "labelled_until_us", 0),
                                            tm__json_i64(details, "labelled_known_us", INT64_MAX),
                                            tm__json_i64(details, "labelled_moment_us", INT64_MAX)};
            learned.n_labels = tm__json_i64(details, "labelled_rows", -1);
            (void)tm__str_copy(learned.source_hash, sizeof(learned.source_hash),
                               tm__str(tm__json_text(details, "source_hash", "")));
        }
    }
    json_decref(history);
    *out = learned;
    return TM_OK;
}

/* A cut is another one each time; the labels of it are the same when as many of the same are. */
static bool is_same(const tm_learned *a, const tm_learned *b) {
    return a->labels.joined_us == b->labels.joined_us &&
           (a->n_labels == b->n_labels || a->n_labels == -1) &&
           strcmp(a->source_hash, b->source_hash) == 0;
}

/* Events that leave a verdict as it is; any other one is a reason for another try. */
static bool is_verdict_kept(const char *event) {
    static const char *const kept[] = {"collected", "tagged", "noted", "shadow.ended",
                                       "split.ended"};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (strcmp(event, kept[i]) == 0) {
            return true;
        }
    }
    return strncmp(event, "retrain.", 8) == 0;
}

tm_status tm__loop_refused(tm_registry *registry, const char *model, uint32_t *out_version,
                           tm_err *err) {
    json_t *history = NULL, *item;
    size_t i;
    uint32_t trained = 0, refused = 0;
    TM_TRY(tm__registry_history(registry, model, &history, err));
    json_array_foreach(history, i, item) {
        const char *event = tm__json_text(item, "event", "");
        const uint32_t version = (uint32_t)tm__json_i64(item, "version", 0);
        if (strcmp(event, "retrain.trained") == 0) {
            trained = version;
            refused = 0;
        } else if (version == trained && (strcmp(event, "gate.refused") == 0 ||
                                          strcmp(event, "rollout.rolled_back") == 0)) {
            refused = trained;
        } else if (!is_verdict_kept(event)) {
            refused = 0; /* another recipe, gate or champion */
        }
    }
    json_decref(history);
    *out_version = refused;
    return TM_OK;
}

tm_status tm__loop_refused_before(tm_registry *registry, const char *model,
                                  const tm_learned *learned, uint32_t *out_version, tm_err *err) {
    tm_version refused = {0};
    tm_learned before = {0};
    *out_version = 0;
    (void)tm__str_copy(refused.model, sizeof(refused.model), tm__str(model));
    TM_TRY(tm__loop_refused(registry, model, &refused.number, err));
    if (refused.number > 0) {
        TM_TRY(tm__loop_learned(registry, &refused, &before, err));
        *out_version = is_same(&before, learned) ? refused.number : 0;
    }
    return TM_OK;
}

/* ---- Two bundles on the same rows ---- */

/* Each bundle has features over windows of its own. */
tm_status tm__loop_widen(tm_ctx *ctx, const tm_duel *duel, const tm_bundle *bundle, tm_table **out,
                         tm_err *err) {
    const tm_bundle_history history = {.tables = duel->history};
    if (duel->history.events == NULL || !tm__bundle_has_windows(bundle)) {
        *out = tm__table_ref(duel->rows);
        return TM_OK;
    }
    return tm__bundle_widen(ctx, bundle, duel->rows, &history, out, err);
}

static tm_status evaluate(tm_ctx *ctx, const tm_duel *duel, const tm_bundle *bundle, json_t **out,
                          tm_err *err) {
    tm_table *wide = NULL;
    TM_TRY(tm__loop_widen(ctx, duel, bundle, &wide, err));
    const tm_status st = tm__train_evaluate(ctx, bundle, wide, out, err);
    tm__table_unref(wide);
    return st;
}

tm_status tm__loop_duel(tm_ctx *ctx, const tm_duel *duel, tm_gate_scores *out_scores,
                        json_t **out_candidate, json_t **out_champion, tm_err *err) {
    json_t *candidate = NULL, *champion = NULL;
    tm_status st = evaluate(ctx, duel, duel->candidate, &candidate, err);
    if (st == TM_OK) {
        st = evaluate(ctx, duel, duel->champion, &champion, err);
    }
    if (st == TM_OK) {
        *out_scores = (tm_gate_scores){
            .has_comparison = true,
            .candidate = tm__json_f64(candidate, duel->metric, NAN),
            .champion = tm__json_f64(champion, duel->metric, NAN),
            .n_rows = tm__table_rows(duel->rows),
            .rows = duel->rows_text,
        };
        *out_candidate = candidate;
        *out_champion = champion;
        candidate = champion = NULL;
    }
    json_decref(candidate);
    json_decref(champion);
    return st;
}

/* ---- A verdict on a version ---- */

typedef struct tm_judging_of {
    const tm_home *home;
    tm_registry *registry;
    tm_monitor *monitor;
    const tm_version *version;
    const tm_load_tester *load;
    tm_version champion;
    tm_bundle *bundle, *champion_bundle;
    tm_gate gate;
    tm_label_cut matured;
    json_t *left_out; /* origins whose labels do not judge */
    tm_table *rows;   /* NULL: too few */
    char rows_text[64];
} tm_judging_of;

/* Labelled rows less those that are in the snapshot the candidate learned from. Only matured ones:
 * of a moment whose labels are still to come the quick ones alone are there, and they are not like
 * the rest. */
static tm_status unlearned(tm_ctx *ctx, tm_judging_of *j, tm_label_cut after, tm_table **out,
                           tm_err *err) {
    tm_hash hash;
    tm_table *rows = NULL, *snapshot = NULL, *fitted = NULL;
    tm_row_list list = {0};
    const tm_span span = {
        .after = after, .until = j->matured, .also = j->champion_bundle, .left_out = j->left_out};
    TM_TRY(tm__monitor_labelled_span(j->monitor, j->bundle, j->version->model, span, &rows, NULL,
                                     err));
    if (rows == NULL || !tm__hash_from_text(j->version->snapshot, &hash)) {
        *out = rows;
        return TM_OK;
    }
    tm_status st = tm__snapshot_load(ctx, tm__home_snapshots(j->home), &hash, &snapshot, err);
    if (st == TM_OK) {
        st = tm__rows_fit(snapshot, rows, NULL, &fitted, err);
    }
    if (st == TM_OK) {
        st = tm__rows_unknown(j->bundle, fitted, rows, &list, err);
    }
    if (st == TM_OK && list.n > 0) {
        st = tm__table_take_rows(rows, list.rows, list.n, out, err);
    }
    tm__table_unref(rows);
    tm__table_unref(snapshot);
    tm__table_unref(fitted);
    tm__row_list_done(&list);
    return st;
}

/* The newest rows that the candidate did not learn from; if there are enough, the champion did not
 * either, so that neither has an advantage. */
static tm_status judge_rows(tm_ctx *ctx, tm_judging_of *j, tm_err *err) {
    tm_learned mine = {0}, other = {0};
    tm_table *rows = NULL;
    TM_TRY(tm__loop_learned(j->registry, j->version, &mine, err));
    TM_TRY(tm__loop_learned(j->registry, &j->champion, &other, err));
    const bool is_later = other.labels.joined_us > mine.labels.joined_us;
    TM_TRY(unlearned(ctx, j, is_later ? other.labels : mine.labels, &rows, err));
    if (is_later && (rows == NULL || tm__table_rows(rows) < TM_JUDGE_ROWS_MIN)) {
        tm__table_unref(rows);
        rows = NULL;
        TM_TRY(unlearned(ctx, j, mine.labels, &rows, err));
    }
    const uint64_t n = rows == NULL ? 0 : tm__table_rows(rows);
    tm_status st = TM_OK;
    if (n >= TM_JUDGE_ROWS_MIN) {
        const uint64_t n_taken = n < TM_JUDGE_ROWS_MAX ? n : TM_JUDGE_ROWS_MAX;
        uint32_t *taken = tm__mem_alloc(n_taken, sizeof(*taken));
        char count[32];
        for (uint64_t i = 0; taken != NULL && i < n_taken; i++) {
            taken[i] = (uint32_t)(n - n_taken + i);
        }
        st = taken == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                           : tm__table_take_rows(rows, taken, n_taken, &j->rows, err);
        tm__loop_count_text(n_taken, count);
        snprintf(j->rows_text, sizeof(j->rows_text), "%s newest %slabelled rows", count,
                 j->matured.moment_us < INT64_MAX ? "matured " : "");
        tm__mem_free(taken);
    }
    tm__table_unref(rows);
    return st;
}

/* Before labels are read: those of who is found wrong do not judge. */
static tm_status guard_labels(tm_judging_of *j, const tm_actor *actor, tm_err *err) {
    json_t *recipe = NULL;
    TM_TRY(tm__registry_recipe(j->registry, j->version->model, &recipe, err));
    const tm_label_guard guard = {.registry = j->registry,
                                  .monitor = j->monitor,
                                  .bundle = j->champion_bundle,
                                  .model = j->version->model,
                                  .recipe = recipe,
                                  .now_us = tm__now_us()};
    j->matured = tm__loop_label_cut(recipe, INT64_MAX, guard.now_us);
    const tm_status st = tm__label_guard_act(&guard, actor, &j->left_out, NULL, err);
    json_decref(recipe);
    return st;
}

/* NULL for a champion that was retired: whoever comes is as alone as a first version. */
static tm_status open_champion(tm_judging_of *j, tm_err *err) {
    tm_err own = {0};
    const tm_status st = tm__registry_bundle(j->registry, &j->champion, &j->champion_bundle, &own);
    if (st != TM_OK && st != TM_E_NOT_FOUND && err != NULL) {
        *err = own;
    }
    return st == TM_E_NOT_FOUND ? TM_OK : st;
}

static tm_status judge_open(tm_judging_of *j, tm_err *err) {
    const tm_monitor_options reading = {.can_write = false};
    TM_TRY(tm__registry_gate(j->registry, j->version->model, &j->gate, err));
    TM_TRY(tm__registry_find(j->registry, j->version->model, &j->champion, err));
    TM_TRY(tm__registry_bundle(j->registry, j->version, &j->bundle, err));
    TM_TRY(open_champion(j, err));
    return tm__monitor_open(j->home, &reading, &j->monitor, err);
}

static void judge_done(tm_judging_of *j) {
    tm__table_unref(j->rows);
    json_decref(j->left_out);
    tm__monitor_close(j->monitor);
    tm__bundle_unref(j->bundle);
    tm__bundle_unref(j->champion_bundle);
    tm__version_done(&j->champion);
}

static tm_status judge_check(tm_ctx *ctx, tm_judging_of *j, tm_gate_verdict *out, tm_err *err) {
    tm_gate_scores scores = {0};
    char name[TM_MAX_NAME + 16];
    json_t *candidate = NULL, *champion = NULL, *measured = NULL;
    (void)snprintf(name, sizeof(name), "%s@%u", j->version->model, j->version->number);
    const tm_duel duel = {
        .candidate = j->bundle,
        .champion = j->champion_bundle,
        .rows = j->rows,
        .metric = j->gate.metric[0] != '\0' ? j->gate.metric
                                            : tm__json_text(j->version->info, "metric", ""),
        .rows_text = j->rows_text,
        .model = j->version->model,
        .version = name,
        .load = j->load,
    };
    if (j->rows != NULL) {
        TM_TRY(tm__loop_duel(ctx, &duel, &scores, &candidate, &champion, err));
    }
    const tm_status st = tm__loop_measure(ctx, j->home, &j->gate, &duel, &measured, err);
    if (st == TM_OK) {
        scores.measured = measured;
        tm__gate_check(&j->gate, j->version, &scores, out);
    }
    json_decref(candidate);
    json_decref(champion);
    json_decref(measured);
    return st == TM_OK ? tm__json_check(err) : st;
}

tm_status tm__loop_judge(tm_ctx *ctx, const tm_judging *in, tm_gate_verdict *out, bool *out_judged,
                         tm_err *err) {
    tm_judging_of j = {
        .home = in->home, .registry = in->registry, .version = in->version, .load = in->load};
    tm_gate_verdict verdict = {0};
    tm_status st = judge_open(&j, err);
    j.gate.is_refit = in->is_refit;
    bool is_asked = st == TM_OK && j.champion_bundle != NULL &&
                    j.champion.number != in->version->number && tm__gate_asks(&j.gate);
    if (st == TM_OK && is_asked && (j.gate.better_than_champion || tm__gate_needs_rows(&j.gate))) {
        st = guard_labels(&j, in->actor, err);
        st = st == TM_OK ? judge_rows(ctx, &j, err) : st;
        if (st == TM_OK && j.rows == NULL) {
            j.gate.better_than_champion = false; /* too few rows: only what is its own counts */
            is_asked = tm__gate_asks(&j.gate);
        }
    }
    if (st == TM_OK && is_asked) {
        st = judge_check(ctx, &j, &verdict, err);
    }
    if (st == TM_OK && is_asked) {
        st = tm__registry_judge(in->registry, in->version->model, in->version->number, &verdict,
                                in->actor, err);
    }
    if (st == TM_OK) {
        *out_judged = is_asked;
        if (is_asked) {
            *out = verdict;
            verdict.checks = NULL;
        }
    }
    tm__gate_verdict_done(&verdict);
    judge_done(&j);
    return st;
}

/* What a version can be asked alone. */
static tm_gate alone(const tm_gate *gate) {
    tm_gate out = *gate;
    out.better_than_champion = false;
    out.coverage_min = 0; /* nobody has asked yet */
    out.n_slices = gate->n_slice_floors > 0 ? gate->n_slices : 0;
    return out;
}

tm_status tm__loop_judge_first(tm_ctx *ctx, const tm_judging_first *in, tm_gate_verdict *out,
                               tm_err *err) {
    const tm_gate gate = alone(in->gate);
    const tm_version version = {.info = (json_t *)(uintptr_t)tm__bundle_info(in->bundle)};
    const tm_duel duel = {.candidate = in->bundle, .version = in->path, .load = in->load};
    tm_gate_scores scores = {0};
    json_t *measured = NULL;
    TM_TRY(tm__loop_measure(ctx, in->home, &gate, &duel, &measured, err));
    scores.measured = measured;
    tm__gate_check(&gate, &version, &scores, out);
    json_decref(measured);
    return tm__json_check(err);
}
