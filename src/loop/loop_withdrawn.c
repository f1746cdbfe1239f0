/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_withdrawn.h"

#include <string.h>

#include "base/clock.h"
#include "loop/subject_refit.h"
#include "source/consent.h"
#include "source/intake.h"
#include "source/sinks.h"
#include "source/source.h"

/* ---- Who took it back ---- */

static const char *source_of(const tm_version *version) {
    const json_t *const recipe = json_object_get(version->info, "recipe");
    return tm__json_text(json_object_get(recipe, "source"), "source", NULL);
}

static const char *purpose_of(const tm_version *version) {
    return tm__json_text(json_object_get(version->info, "recipe"), "purpose", NULL);
}

/* What the answer follows from, but for the version: how far the rows are in which it is said, and
 * how it is asked for. *out NULL: nobody is asked, or the source is gone. */
static tm_status mark_of(const tm_home *home, const char *source, json_t **out, tm_err *err) {
    json_t *shown = NULL;
    tm_source_rows *rows = NULL;
    tm_source_extent extent = {0};
    tm_err own = {0};
    *out = NULL;
    tm_status st = tm__intake_show(home, source, &shown, &own);
    const json_t *const consent = json_object_get(json_object_get(shown, "spec"), "consent");
    if (st == TM_OK && consent != NULL) {
        const char *const where = tm__json_text(consent, "source", source);
        st = tm__source_rows_open(home, where, &rows, &own);
        st = st == TM_OK ? tm__source_rows_extent(rows, &extent, &own) : st;
        tm__source_rows_close(rows);
    }
    if (st == TM_OK && consent != NULL) {
        *out = json_pack("{s:O, s:I, s:I}", "consent", consent, "end", (json_int_t)extent.end,
                         "created", (json_int_t)extent.created_us);
    }
    json_decref(shown);
    if (st != TM_OK && st != TM_E_NOT_FOUND) {
        return TM_FAIL(err, st, "%s", own.message);
    }
    return tm__json_check(err);
}

static tm_status count_in(tm_ctx *ctx, const tm_home *home, const tm_consent *consent,
                          const char *name, uint64_t *n, tm_err *err) {
    tm_table *table = NULL;
    tm_hash hash;
    tm_err own = {0};
    if (!tm__hash_from_text(name, &hash)) {
        return TM_OK;
    }
    tm_status st = tm__snapshot_load(ctx, tm__home_snapshots(home), &hash, &table, &own);
    if (st == TM_OK) {
        st = tm__consent_keep(consent, &table, n, &own);
    }
    tm__table_unref(table);
    return st == TM_OK || st == TM_E_NOT_FOUND ? TM_OK : TM_FAIL(err, st, "%s", own.message);
}

static tm_status count(tm_ctx *ctx, const tm_home *home, const tm_version *version, uint64_t *out,
                       tm_err *err) {
    tm_consent *consent = NULL;
    *out = 0;
    TM_TRY(tm__consent_open(ctx, home, source_of(version), purpose_of(version), &consent, err));
    tm_status st = TM_OK;
    if (consent != NULL) {
        st = count_in(ctx, home, consent, version->snapshot, out, err);
        st = st == TM_OK ? count_in(ctx, home, consent,
                                    tm__json_text(version->info, "test_snapshot", ""), out, err)
                         : st;
    }
    tm__consent_free(consent);
    return st;
}

tm_status tm__withdrawn_count(tm_ctx *ctx, const tm_home *home, const tm_version *version,
                              json_t *memo, uint64_t *out, tm_err *err) {
    json_t *mark = NULL;
    *out = 0;
    if (source_of(version) == NULL || strcmp(version->state, "collected") == 0) {
        return TM_OK;
    }
    TM_TRY(mark_of(home, source_of(version), &mark, err));
    if (mark == NULL) {
        return TM_OK;
    }
    json_object_set_new(mark, "version", json_integer((json_int_t)version->number));
    const json_t *const known = json_object_get(memo, version->model);
    tm_status st = tm__json_check(err);
    if (st == TM_OK && json_equal(json_object_get(known, "mark"), mark) == 1) {
        *out = (uint64_t)tm__json_i64(known, "n", 0);
    } else if (st == TM_OK) {
        st = count(ctx, home, version, out, err);
        if (st == TM_OK && memo != NULL) {
            json_object_set_new(memo, version->model,
                                json_pack("{s:O, s:I}", "mark", mark, "n", (json_int_t)*out));
            st = tm__json_check(err);
        }
    }
    json_decref(mark);
    return st;
}

/* ---- Without them ---- */

static tm_status refit(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                       const tm_version *version, const tm_withdrawn_order *order, json_t **refused,
                       tm_err *err) {
    const tm_subject_erasure terms = {.actor = order->actor, .load = order->load};
    const tm_refit_order anew = {
        .home = home, .registry = registry, .version = version, .erasure = &terms};
    TM_TRY(tm__subject_can_refit(home, version, err));
    return tm__subject_refit(ctx, &anew, refused, err);
}

static tm_status nobody(const tm_version *version, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_REFUSED,
                "everybody whose rows '%s@%u' learned from agrees still, or it was "
                "not asked for",
                version->model, version->number);
    tm_err_hint(err, "Train anew with 'tidemill retrain %.80s'.", version->model);
    return st;
}

tm_status tm__withdrawn_refit(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                              const tm_withdrawn_order *order, json_t **out, tm_err *err) {
    tm_version before = {0}, now = {0};
    json_t *refused = NULL;
    uint64_t n = 0;
    tm__registry_learns_since(registry, tm__now_us());
    TM_TRY(tm__registry_find(registry, order->model, &before, err));
    tm_status st = tm__withdrawn_count(ctx, home, &before, NULL, &n, err);
    st = st == TM_OK && n == 0 ? nobody(&before, err) : st;
    st = st == TM_OK ? refit(ctx, home, registry, &before, order, &refused, err) : st;
    st = st == TM_OK ? tm__registry_find(registry, order->model, &now, err) : st;
    if (st == TM_OK) {
        *out = json_pack("{s:s, s:I, s:I, s:I, s:O?}", "model", order->model, "from",
                         (json_int_t)before.number, "version", (json_int_t)now.number, "rows",
                         (json_int_t)n, "refused", refused);
        st = tm__json_check(err);
    }
    json_decref(refused);
    tm__version_done(&now);
    tm__version_done(&before);
    return st;
}
