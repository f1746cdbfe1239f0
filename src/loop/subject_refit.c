/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   snapshot ──> rows that are left ──> snapshot of their own, durable ──> read back ──> training
 * by the record of the version ──> bundle, durable ──> version ──> gate ──> champion
 *
 * The rows are read back before they are learned from, so that no dictionary still has the id, and
 * a repetition sees what this training saw.
 */
#include "loop/subject_refit.h"

#include <string.h>

#include "base/mem.h"
#include "loop/loop.h"
#include "source/consent.h"
#include "source/purpose.h"
#include "source/source.h"
#include "table/whose.h"
#include "train/train.h"

static tm_status refuse(const tm_version *version, const char *why, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "'%s@%u' cannot be fitted anew: %s",
                                 version->model, version->number, why);
    tm_err_hint(err, "Train and promote a version on rows without the subject first, or leave the "
                     "models as they are with --models list.");
    return st;
}

/* As of any training: what its rows are for is asked now. */
static tm_status check_purpose(const tm_home *home, const tm_version *version, tm_err *err) {
    const json_t *const recipe = json_object_get(version->info, "recipe");
    const char *const purpose = tm__json_text(recipe, "purpose", NULL);
    tm_err own = {0};
    tm_status st = tm__purpose_check(home, json_object_get(recipe, "source"), purpose, &own);
    st = st == TM_OK ? tm__purpose_check_all(home, json_object_get(recipe, "events"), purpose, &own)
                     : st;
    if (st == TM_E_NOT_ALLOWED) {
        return refuse(version, own.message, err);
    }
    return st == TM_OK ? TM_OK : TM_FAIL(err, st, "%s", own.message);
}

tm_status tm__subject_can_refit(const tm_home *home, const tm_version *version, tm_err *err) {
    tm_recipe recipe;
    if (json_object_get(version->info, "continues") != NULL) {
        return refuse(version, "it went on from another model", err);
    }
    const tm_status st = tm__recipe_init_repeat(&recipe, version->info, err);
    if (st == TM_E_NOT_FOUND) {
        return refuse(version, "its record does not say how it was trained", err);
    }
    TM_TRY(st);
    const bool has_events = recipe.options.events_snapshots != NULL;
    tm__recipe_done(&recipe);
    return has_events ? refuse(version, "it learned from events of other sources", err)
                      : check_purpose(home, version, err);
}

/* Those of who agrees now, of a version that learned from a source. */
static tm_status keep_agreed(tm_ctx *ctx, const tm_refit_order *order, tm_learning *learning,
                             tm_table **table, tm_err *err) {
    const json_t *const recipe = json_object_get(order->version->info, "recipe");
    const char *const source = tm__json_text(json_object_get(recipe, "source"), "source", NULL);
    if (source == NULL) {
        return TM_OK;
    }
    learning->purpose = tm__json_text(recipe, "purpose", NULL);
    TM_TRY(tm__learning_keep(ctx, order->home, source, learning, table, err));
    return tm__table_rows(*table) > 0
               ? TM_OK
               : refuse(order->version, "nobody whose rows it learned from agrees any more", err);
}

static tm_status without_theirs(tm_table *table, const tm_refit_order *order, tm_table **out,
                                tm_err *err) {
    uint64_t n = 0;
    if (order->erasure->ids == NULL) {
        *out = tm__table_ref(table);
        return TM_OK;
    }
    uint8_t *is_theirs = tm__mem_alloc(tm__table_rows(table) + 1, 1);
    tm_status st = is_theirs == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                     : tm__whose_rows(table, order->columns, order->erasure->ids,
                                                      is_theirs, &n, NULL, err);
    st = st == TM_OK ? tm__whose_others(table, is_theirs, out, err) : st;
    tm__mem_free(is_theirs);
    return st;
}

/* Rows of a snapshot without the subject's, as a snapshot. name: in and out; empty stays. */
static tm_status rows_left(tm_ctx *ctx, const tm_refit_order *order, tm_learning *learning,
                           char name[TM_HASH_TEXT], tm_table **out, tm_err *err) {
    const char *const dir = tm__home_snapshots(order->home);
    tm_table *table = NULL, *left = NULL;
    tm_hash hash;
    if (name[0] == '\0') {
        return TM_OK;
    }
    if (!tm__hash_from_text(name, &hash)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the record names no snapshot");
    }
    TM_TRY(tm__snapshot_load(ctx, dir, &hash, &table, err));
    tm_status st = without_theirs(table, order, &left, err);
    st = st == TM_OK ? keep_agreed(ctx, order, learning, &left, err) : st;
    st = st == TM_OK ? tm__snapshot_save(ctx, dir, left, &hash, err) : st;
    tm__table_unref(left);
    tm__table_unref(table);
    TM_TRY(st);
    tm__hash_to_text(&hash, name);
    return tm__snapshot_load(ctx, dir, &hash, out, err);
}

typedef struct publishing {
    tm_ctx *ctx;
    const tm_refit_order *order;
    tm_actor actor;
    tm_learning learning;
    tm_version version;
    json_t *refused; /* owned; NULL: not */
} publishing;

static tm_status add_version(publishing *p, const char *model, const tm_train_result *result,
                             tm_err *err) {
    tm_bundle *bundle = NULL;
    TM_TRY(tm__home_bundle_save(p->order->home, &result->bundle_hash, result->bundle.data,
                                result->bundle.len, err));
    TM_TRY(tm__bundle_load(result->bundle.data, result->bundle.len, &bundle, err));
    const tm_status st =
        tm__registry_add(p->order->registry, model, bundle, NULL, &p->actor, &p->version, err);
    tm__bundle_unref(bundle);
    return st;
}

static tm_status judge(publishing *p, tm_err *err) {
    tm_gate_verdict verdict = {0};
    bool is_judged = false;
    const tm_judging judging = {.home = p->order->home,
                                .registry = p->order->registry,
                                .version = &p->version,
                                .actor = &p->actor,
                                .load = p->order->erasure->load,
                                .is_refit = true};
    TM_TRY(tm__loop_judge(p->ctx, &judging, &verdict, &is_judged, err));
    if (is_judged && !verdict.is_open) {
        p->refused = json_pack("{s:s, s:I, s:s}", "model", p->version.model, "version",
                               (json_int_t)p->version.number, "reason", verdict.reason);
    }
    tm__gate_verdict_done(&verdict);
    return tm__json_check(err);
}

static tm_status publish(publishing *p, const char *model, const tm_train_result *result,
                         tm_err *err) {
    uint32_t from = 0;
    TM_TRY(add_version(p, model, result, err));
    if (p->learning.left_out != NULL) {
        TM_TRY(tm__registry_note(p->order->registry, model, "consent.left_out", p->version.number,
                                 &p->actor, p->learning.left_out, err));
    }
    TM_TRY(judge(p, err));
    if (p->refused != NULL && p->order->erasure->if_refused == TM_SUBJECT_KEEP) {
        return TM_OK;
    }
    json_decref(p->refused);
    p->refused = NULL;
    const tm_promotion promotion = {.version = p->version.number, .force = true};
    return tm__registry_promote(p->order->registry, model, &promotion, &p->actor, &from, err);
}

tm_status tm__subject_refit(tm_ctx *ctx, const tm_refit_order *order, json_t **out_refused,
                            tm_err *err) {
    const tm_subject_erasure *const erasure = order->erasure;
    publishing p = {.ctx = ctx,
                    .order = order,
                    .actor = {.name = erasure->actor->name,
                              .reason = erasure->ids == NULL
                                            ? "consent was taken back: fitted anew on the "
                                              "rows that are left"
                                            : "a subject was erased: fitted anew on the "
                                              "rows that are left"}};
    tm_recipe recipe;
    tm_table *table = NULL, *test = NULL;
    tm_train_result result = {0};
    TM_TRY(tm__recipe_init_repeat(&recipe, order->version->info, err));
    tm_train_options *const o = &recipe.options;
    tm_status st = rows_left(ctx, order, &p.learning, o->snapshot, &table, err);
    st = st == TM_OK ? rows_left(ctx, order, &p.learning, o->test_snapshot, &test, err) : st;
    st = st == TM_OK ? tm__train_run(ctx, table, test, o, &result, err) : st;
    st = st == TM_OK ? publish(&p, order->version->model, &result, err) : st;
    tm__train_result_done(&result);
    tm__table_unref(test);
    tm__table_unref(table);
    tm__recipe_done(&recipe);
    json_decref(p.learning.left_out);
    tm__version_done(&p.version);
    if (st == TM_OK) {
        *out_refused = p.refused;
    } else {
        json_decref(p.refused);
    }
    return st;
}
