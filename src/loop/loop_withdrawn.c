/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   of a source ──────────────────────────> rows of its snapshot that do not agree ──> fitted anew
 *   of a query, of events, continued ─────> people who agreed when it was made, and do not now:
 *                                           told, as nobody knows which rows are theirs
 */
#include "loop/loop_withdrawn.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "loop/subject_refit.h"
#include "source/consent.h"
#include "source/intake.h"
#include "source/sinks.h"
#include "source/source.h"
#include "source/sql_sources.h"

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

/* ---- Who is left to people ---- */

typedef struct leaving {
    tm_ctx *ctx;
    const tm_home *home;
    const tm_version *version;
    json_t *sources; /* of the entry */
} leaving;

static tm_status left_in(const leaving *l, const char *source, tm_err *err) {
    uint64_t n = 0;
    tm_err own = {0};
    const tm_status st = tm__consent_taken_back(l->ctx, l->home, source, purpose_of(l->version),
                                                l->version->created_us, &n, &own);
    if (st != TM_OK && st != TM_E_NOT_FOUND) {
        return TM_FAIL(err, st, "%s", own.message);
    }
    if (n > 0) {
        json_array_append_new(l->sources,
                              json_pack("{s:s, s:I}", "source", source, "people", (json_int_t)n));
    }
    return tm__json_check(err);
}

/* from: as a recipe has it. */
static tm_status left_from(const leaving *l, const json_t *from, tm_err *err) {
    const char *const source = tm__json_text(from, "source", NULL);
    const char *const sql = tm__json_text(from, "sql", NULL);
    json_t *names = NULL;
    const json_t *name = NULL;
    size_t i = 0;
    if (source != NULL || sql == NULL) {
        return source != NULL ? left_in(l, source, err) : TM_OK;
    }
    TM_TRY(tm__sql_source_names(l->home, sql, &names, err));
    tm_status st = TM_OK;
    json_array_foreach(names, i, name) {
        st = st == TM_OK ? left_in(l, json_string_value(name), err) : st;
    }
    json_decref(names);
    return st;
}

/* What tm__withdrawn_left() lists, of one version: an object, or NULL where nothing is left. */
static tm_status left_of(tm_ctx *ctx, const tm_home *home, const tm_version *version, json_t **out,
                         tm_err *err) {
    const json_t *const recipe = json_object_get(version->info, "recipe");
    const json_t *const events = json_object_get(recipe, "events");
    const bool goes_on = json_object_get(version->info, "continues") != NULL;
    const char *name = NULL;
    json_t *from = NULL;
    *out = NULL;
    if ((source_of(version) != NULL && json_object_size(events) == 0 && !goes_on) ||
        tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    const leaving l = {ctx, home, version, json_array()};
    tm_status st = left_from(&l, json_object_get(recipe, "source"), err);
    json_object_foreach((json_t *)(uintptr_t)events, name, from) {
        st = st == TM_OK ? left_from(&l, from, err) : st;
    }
    if (st == TM_OK && json_array_size(l.sources) > 0) {
        *out = json_pack("{s:s, s:I, s:s, s:O}", "model", version->model, "version",
                         (json_int_t)version->number, "why",
                         goes_on                        ? "it went on from another model"
                         : json_object_size(events) > 0 ? "it learned from events of other sources"
                                                        : "it learned from a query",
                         "sources", l.sources);
        st = tm__json_check(err);
    }
    json_decref(l.sources);
    return st;
}

typedef struct leaving_all {
    tm_ctx *ctx;
    const tm_home *home;
    json_t *list;
} leaving_all;

static tm_status add_champion(tm_registry *registry, const char *model, void *arg, tm_err *err) {
    const leaving_all *const l = arg;
    tm_version champion = {0};
    json_t *entry = NULL;
    tm_status st = TM_OK;
    if (tm__registry_find(registry, model, &champion, NULL) == TM_OK) {
        st = left_of(l->ctx, l->home, &champion, &entry, err);
    }
    if (entry != NULL) {
        json_array_append_new(l->list, entry);
    }
    tm__version_done(&champion);
    return st;
}

tm_status tm__withdrawn_left(tm_ctx *ctx, const tm_home *home, tm_registry *registry, json_t **out,
                             tm_err *err) {
    leaving_all l = {ctx, home, json_array()};
    const tm_status st = tm__registry_each_model(registry, add_champion, &l, err);
    return tm__json_give(st, l.list, out, err);
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

/* It is not asked for by itself: that would be silence where somebody said no. */
static tm_status check_left(tm_ctx *ctx, const tm_home *home, const tm_version *version,
                            tm_err *err) {
    json_t *left = NULL;
    TM_TRY(left_of(ctx, home, version, &left, err));
    if (left == NULL) {
        return TM_OK;
    }
    const tm_status st =
        TM_FAIL(err, TM_E_CONFLICT, "'%s@%u' cannot be fitted anew without them: %s",
                version->model, version->number, tm__json_text(left, "why", ""));
    tm_err_hint(err, "Run 'tidemill retrain %.80s': it reads without these people.",
                version->model);
    json_decref(left);
    return st;
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
    st = st == TM_OK ? check_left(ctx, home, &before, err) : st;
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
