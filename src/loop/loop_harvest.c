/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows a retraining learns from and which judge it.
 *
 *   source read again ─┬─ known to the champion's snapshot ──────────┐
 *                      └─ new ───────────────┐                       ├─> train
 *   labelled answers ──┬─ learned before ────┼───────────────────────┘
 *                      └─ new since then ────┴─ older 80 % ─> train, newest 20 % ─> held out
 *
 * 1. Labelled answers are what the world said, so they judge when there are enough of them;
 *    otherwise the newest new rows of the source do.
 * 2. An answer that has reached the source too is not learned twice.
 * 3. Every labelled answer that is on record is learned again, not only the new ones: the model
 *    starts anew and would forget the rest.
 * 4. Labels that have not matured at the cut take no part: of a moment whose labels are still to
 *    come the quick ones alone are there. They are new in a later retraining, whenever they joined.
 *    An answer without a label is never learned from, whether its delay is over or not.
 * 5. Labels of who is quarantined (label_guard.h), and rows (row_guard.h), take no part in either.
 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "loop/loop_priv.h"
#include "loop/row_guard.h"
#include "source/intake.h"
#include "source/purpose.h"
#include "source/sql_sources.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* What was read, before it is cut. */
typedef struct tm_crop {
    tm_table *source, *before, *fresh; /* labelled answers: learned before, new; may be NULL */
    tm_row_list news;                  /* new rows of the source */
    tm_renames *names;                 /* that the recipe's rules have now; NULL: no rules */
} tm_crop;

/* ---- The source ---- */

/* A query that the champion did not learn from may look at the future; one that cannot be checked
 * is its owner's to know. */
static tm_status query_check(tm_ctx *ctx, const tm_harvest_input *in, const char *sql,
                             const char *dir, tm_table *table, tm_err *err) {
    const json_t *const source = json_object_get(in->recipe, "source");
    const json_t *const learned = json_object_get(tm__bundle_info(in->bundle), "recipe");
    const char *const before = tm__json_text(json_object_get(learned, "source"), "sql", "");
    tm_recipe recipe;
    tm_err own = {0};
    if (strcmp(tm__json_text(source, "sql", ""), before) == 0) {
        return TM_OK;
    }
    TM_TRY(tm__recipe_init(&recipe, in->recipe, err));
    const tm_query_check check = {
        .sql = sql, .dir = dir, .table = table, .options = &recipe.options};
    const tm_status st = tm__train_query_check(ctx, &check, &own);
    tm__recipe_done(&recipe);
    if (st != TM_OK && st != TM_E_UNSUPPORTED && err != NULL) {
        *err = own;
    }
    return st == TM_E_UNSUPPORTED ? TM_OK : st;
}

/* A query, with the sources that it names as they are now. */
static tm_status query_read(tm_ctx *ctx, const tm_harvest_input *in, const tm_source_spec *spec,
                            const char *dir, tm_table **out, json_t **out_snapshots, tm_err *err) {
    const tm_sql_ask ask = {.sql = spec->sql, .as_of_us = INT64_MAX, .learning = in->learning};
    tm_sql_sources sources = {0};
    tm_source_spec with = *spec;
    tm_table *table = NULL;
    TM_TRY(tm__sql_sources_open(ctx, in->home, &ask, &sources, err));
    with.sql = sources.sql;
    tm_status st = tm__source_read_in(ctx, &with, dir, &table, err);
    tm__sql_sources_place(&sources, err);
    if (st == TM_OK) {
        st = query_check(ctx, in, sources.sql, dir, table, err);
    }
    if (st == TM_OK) {
        *out_snapshots = json_incref(sources.snapshots);
        *out = table;
        table = NULL;
    }
    tm__table_unref(table);
    tm__sql_sources_done(&sources);
    return st;
}

/* What the champion's columns of whole numbers are now: the others have the types that it knows. */
static tm_status read_wider(tm_ctx *ctx, const tm_source_spec *spec, const char *dir,
                            tm_table **out, tm_err *err) {
    tm_source_spec with = *spec;
    tm_schema known = {.cols = tm__mem_alloc(spec->schema->n_cols, sizeof(*known.cols))};
    tm_table *table = NULL;
    if (known.cols == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < spec->schema->n_cols; i++) {
        if (spec->schema->cols[i].type != TM_TYPE_INT) {
            known.cols[known.n_cols++] = spec->schema->cols[i];
        }
    }
    with.schema = &known;
    tm_status st = tm__source_read_in(ctx, &with, dir, &table, err);
    for (uint32_t i = 0; st == TM_OK && i < spec->schema->n_cols; i++) {
        const uint32_t col = tm__table_find(table, spec->schema->cols[i].name);
        const bool was_whole = spec->schema->cols[i].type == TM_TYPE_INT;
        const tm_type is =
            was_whole && col != UINT32_MAX ? tm__table_column(table, col)->type : TM_TYPE_INT;
        st = is == TM_TYPE_INT || is == TM_TYPE_FLOAT || is == TM_TYPE_NONE ? TM_OK : TM_E_DATA;
    }
    tm__mem_free(known.cols);
    if (st == TM_OK) {
        *out = table;
        table = NULL;
    }
    tm__table_unref(table);
    return st;
}

/* The rows of a file; where they do not fit the champion's types, with fractions in its columns of
 * whole numbers. */
static tm_status file_read(tm_ctx *ctx, const tm_source_spec *spec, const char *dir, tm_table **out,
                           tm_err *err) {
    tm_err own = {0};
    tm_status st = tm__source_read_in(ctx, spec, dir, out, &own);
    if (st == TM_E_DATA && read_wider(ctx, spec, dir, out, NULL) == TM_OK) {
        return TM_OK;
    }
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}

static tm_status source_read(tm_ctx *ctx, const tm_harvest_input *in, tm_table **out,
                             json_t **out_snapshots, tm_err *err) {
    const json_t *source = json_object_get(in->recipe, "source");
    const char *dir = tm__json_text(in->recipe, "dir", tm__json_text(source, "dir", NULL));
    const tm_source_spec spec = {
        .path = tm__json_text(source, "path", NULL),
        .sql = tm__json_text(source, "sql", NULL),
        .no_header = tm__json_bool(source, "no_header", false),
        .schema = tm__bundle_schema(in->bundle),
        .temp_dir = tm__home_temp(in->home),
    };
    const char *name = tm__json_text(source, "source", NULL);
    const char *const purpose = tm__json_text(in->recipe, "purpose", NULL);
    TM_TRY(tm__purpose_check(in->home, source, purpose, err));
    TM_TRY(tm__purpose_check_all(in->home, json_object_get(in->recipe, "events"), purpose, err));
    if (name != NULL) {
        return tm__learning_table(ctx, in->home, name, INT64_MAX, in->learning, out, err);
    }
    if ((spec.path == NULL) == (spec.sql == NULL)) {
        const tm_status st = TM_FAIL(err, TM_E_REFUSED, "model '%s' has no source to learn from",
                                     in->champion->model);
        tm_err_hint(err, "Train it from a file or a query with 'tidemill train --name %.60s'.",
                    in->champion->model);
        return st;
    }
    return spec.sql != NULL ? query_read(ctx, in, &spec, dir, out, out_snapshots, err)
                            : file_read(ctx, &spec, dir, out, err);
}

/* Rows of the source that the champion has not seen. Without its snapshot nobody can tell, and then
 * none is taken for new. */
static tm_status source_news(tm_ctx *ctx, const tm_harvest_input *in, const tm_learned *learned,
                             const tm_crop *crop, tm_harvest *harvest, tm_row_list *out,
                             tm_err *err) {
    const tm_table *const source = crop->source;
    tm_hash hash, snapshot_hash;
    tm_table *snapshot = NULL, *fitted = NULL;
    tm_err own = {0};
    tm__table_hash(source, &hash);
    tm__hash_to_text(&hash, harvest->source_hash);
    if (strcmp(harvest->source_hash, learned->source_hash) == 0 ||
        !tm__hash_from_text(in->champion->snapshot, &snapshot_hash)) {
        return TM_OK;
    }
    tm_status st =
        tm__snapshot_load(ctx, tm__home_snapshots(in->home), &snapshot_hash, &snapshot, &own);
    if (st == TM_E_NOT_FOUND) {
        return TM_OK;
    }
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    if (st == TM_OK) {
        st = tm__renames_replace(crop->names, &snapshot, err);
    }
    if (st == TM_OK) {
        st = tm__rows_fit(snapshot, source, NULL, &fitted, err);
    }
    if (st == TM_OK) {
        st = tm__rows_unknown(in->bundle, fitted, source, out, err);
    }
    tm__table_unref(snapshot);
    tm__table_unref(fitted);
    return st;
}

/* Of new rows those whose target was known at the cut: the newest ones are not, and they would
 * judge. Training leaves them out by itself. */
static tm_status keep_matured(const tm_harvest_input *in, const tm_table *source, tm_row_list *news,
                              tm_err *err) {
    tm_recipe recipe;
    int64_t *known_us = NULL;
    uint64_t n = 0;
    TM_TRY(tm__recipe_init(&recipe, in->recipe, err));
    recipe.options.target = tm__bundle_target(in->bundle);
    const tm_status st = tm__train_label_known(source, &recipe.options, &known_us, err);
    for (uint64_t i = 0; known_us != NULL && i < news->n; i++) {
        if (known_us[news->rows[i]] <= in->now_us) {
            news->rows[n++] = news->rows[i];
        }
    }
    news->n = known_us != NULL ? n : news->n;
    tm__mem_free(known_us);
    tm__recipe_done(&recipe);
    return st;
}

/* Rows of who is found wrong, now or before, go; the champion may have learned some of them. */
static tm_status guard_rows(tm_ctx *ctx, const tm_harvest_input *in, tm_crop *crop,
                            tm_harvest *harvest, tm_err *err) {
    const tm_row_guard guard = {.home = in->home,
                                .registry = in->registry,
                                .bundle = in->bundle,
                                .model = in->champion->model,
                                .recipe = in->recipe,
                                .actor = in->actor};
    TM_TRY(tm__row_guard_act(ctx, &guard, crop->source, &crop->news, in->left_out, err));
    TM_TRY(tm__row_guard_leave_out(in->recipe, in->left_out, &crop->source, &crop->news,
                                   &harvest->n_quarantined, err));
    if (harvest->n_quarantined > 0) { /* who is let in again brings new rows */
        tm_hash hash;
        tm__table_hash(crop->source, &hash);
        tm__hash_to_text(&hash, harvest->source_hash);
    }
    return TM_OK;
}

/* ---- Labelled answers ---- */

/* Labelled answers of a span in the source's columns, less those that are in the source; NULL when
 * there are none. */
static tm_status labelled_rows(tm_ctx *ctx, const tm_harvest_input *in, const tm_crop *crop,
                               tm_span span, tm_table **out, uint64_t *out_unmatured, tm_err *err) {
    const tm_table *const source = crop->source;
    tm_table *raw = NULL, *fitted = NULL;
    tm_row_list unknown = {0};
    const char *weight = tm__json_text(in->recipe, "weight", NULL);
    const char *const name = tm__json_text(json_object_get(in->recipe, "source"), "source", NULL);
    tm_status st = tm__monitor_labelled_span(in->monitor, in->bundle, in->champion->model, span,
                                             &raw, out_unmatured, err);
    if (st != TM_OK || raw == NULL) {
        return st;
    }
    st = tm__renames_replace(crop->names, &raw, err);
    if (st == TM_OK) {
        st = tm__rows_fit(raw, source, weight, &fitted, err);
    }
    if (st == TM_OK && name != NULL) { /* an answer is about somebody, too */
        st = tm__learning_keep(ctx, in->home, name, in->learning, &fitted, err);
    }
    if (st == TM_OK) {
        st = tm__rows_unknown(in->bundle, source, fitted, &unknown, err);
    }
    if (st == TM_OK && unknown.n > 0) {
        st = tm__table_take_rows(fitted, unknown.rows, unknown.n, out, err);
    }
    tm__table_unref(raw);
    tm__table_unref(fitted);
    tm__row_list_done(&unknown);
    return st;
}

/* ---- Putting together ---- */

uint64_t tm__loop_held_count(uint64_t n_new) {
    const uint64_t least = n_new / 2 < TM_LOOP_HELD_MIN ? n_new / 2 : TM_LOOP_HELD_MIN;
    return n_new / TM_LOOP_HELD_SHARE > least ? n_new / TM_LOOP_HELD_SHARE : least;
}

/* Rows first .. end of a table; NULL for none. */
static tm_status rows_between(tm_table *table, uint64_t first, uint64_t end, tm_table **out,
                              tm_err *err) {
    if (first == end) {
        return TM_OK;
    }
    uint32_t *rows = tm__mem_alloc(end - first, sizeof(*rows));
    if (rows == NULL) {
        return no_memory(err);
    }
    for (uint64_t i = first; i < end; i++) {
        rows[i - first] = (uint32_t)i;
    }
    const tm_status st = tm__table_take_rows(table, rows, end - first, out, err);
    tm__mem_free(rows);
    return st;
}

/* Rows of the source without those held out of it, which are ascending. */
static tm_status source_without(tm_table *source, const uint32_t *held, uint64_t n_held,
                                tm_table **out, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(source);
    uint32_t *rows = tm__mem_alloc(n_rows, sizeof(*rows));
    if (rows == NULL) {
        return no_memory(err);
    }
    uint64_t n = 0, next = 0;
    for (uint64_t i = 0; i < n_rows; i++) {
        if (next < n_held && held[next] == i) {
            next++;
        } else {
            rows[n++] = (uint32_t)i;
        }
    }
    const tm_status st = tm__table_take_rows(source, rows, n, out, err);
    tm__mem_free(rows);
    return st;
}

/* Append rows to a table that the caller owns; NULL rows add nothing. */
static tm_status append(tm_table **table, tm_table *rows, tm_err *err) {
    if (rows == NULL) {
        return TM_OK;
    }
    tm_table *both = NULL;
    TM_TRY(tm__table_concat(*table, rows, &both, err));
    tm__table_unref(*table);
    *table = both;
    return TM_OK;
}

static void rows_text(tm_harvest *harvest, uint64_t n, const char *what) {
    char count[32];
    tm__loop_count_text(n, count);
    snprintf(harvest->rows_text, sizeof(harvest->rows_text), "%s newest %s", count, what);
}

static tm_status cut_labelled(tm_crop *crop, tm_harvest *harvest, tm_err *err) {
    const uint64_t n = tm__table_rows(crop->fresh);
    const uint64_t n_held = tm__loop_held_count(n);
    tm_table *older = NULL;
    harvest->train = tm__table_ref(crop->source);
    TM_TRY(rows_between(crop->fresh, n - n_held, n, &harvest->held, err));
    TM_TRY(rows_between(crop->fresh, 0, n - n_held, &older, err));
    tm_status st = append(&harvest->train, crop->before, err);
    if (st == TM_OK) {
        st = append(&harvest->train, older, err);
    }
    tm__table_unref(older);
    rows_text(harvest, n_held,
              harvest->labels.moment_us < INT64_MAX ? "matured labelled rows" : "labelled rows");
    return st;
}

static tm_status cut_source(tm_crop *crop, tm_harvest *harvest, tm_err *err) {
    const uint64_t n_held = tm__loop_held_count(crop->news.n);
    const uint32_t *held = crop->news.rows + (crop->news.n - n_held);
    TM_TRY(tm__table_take_rows(crop->source, held, n_held, &harvest->held, err));
    TM_TRY(source_without(crop->source, held, n_held, &harvest->train, err));
    TM_TRY(append(&harvest->train, crop->before, err));
    TM_TRY(append(&harvest->train, crop->fresh, err));
    rows_text(harvest, n_held, "rows of the source");
    return TM_OK;
}

static tm_status cut(const tm_harvest_input *in, tm_crop *crop, tm_harvest *harvest, tm_err *err) {
    const uint64_t n_fresh = crop->fresh == NULL ? 0 : tm__table_rows(crop->fresh);
    harvest->n_new = n_fresh + crop->news.n;
    if (harvest->n_new == 0) {
        const tm_status st = TM_FAIL(err, TM_E_REFUSED, "nothing is new since version %u of '%s'",
                                     in->champion->number, in->champion->model);
        if (harvest->n_unmatured > 0) {
            tm_err_hint(err, "%llu labels have not matured yet.",
                        (unsigned long long)harvest->n_unmatured);
        } else {
            tm_err_hint(err,
                        "Send labels to the server or add rows to the source, then try again.");
        }
        return st;
    }
    if (n_fresh >= TM_LOOP_ROWS_MIN) {
        return cut_labelled(crop, harvest, err);
    }
    if (crop->news.n >= TM_LOOP_ROWS_MIN) {
        return cut_source(crop, harvest, err);
    }
    const tm_status st =
        TM_FAIL(err, TM_E_REFUSED, "only %llu rows are new since version %u of '%s'",
                (unsigned long long)harvest->n_new, in->champion->number, in->champion->model);
    tm_err_hint(err, "Wait until there are %u new rows.", TM_LOOP_ROWS_MIN);
    return st;
}

static int64_t lesser(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* What is of both: a delay that grew since takes back what had matured by the earlier one. */
static tm_label_cut both_cuts(const tm_label_cut *a, const tm_label_cut *b) {
    return (tm_label_cut){lesser(a->joined_us, b->joined_us), lesser(a->known_us, b->known_us),
                          lesser(a->moment_us, b->moment_us)};
}

tm_label_cut tm__loop_label_cut(const json_t *recipe, int64_t joined_us, int64_t now_us) {
    const int64_t delay_us = tm__json_i64(json_object_get(recipe, "labels"), "delay_us", 0);
    return (tm_label_cut){joined_us, now_us, delay_us > 0 ? now_us - delay_us : INT64_MAX};
}

tm_status tm__loop_harvest(tm_ctx *ctx, const tm_harvest_input *in, tm_harvest *out, tm_err *err) {
    tm_learned learned = {0};
    tm_harvest harvest = {0};
    tm_crop crop = {0};
    TM_TRY(tm__loop_learned(in->registry, in->champion, &learned, err));
    int64_t joined_us = 0;
    TM_TRY(tm__monitor_labelled_until(in->monitor, in->champion->model, &joined_us, err));
    harvest.labels = tm__loop_label_cut(in->recipe, joined_us, in->now_us);
    TM_TRY(tm__renames_create(json_object_get(in->recipe, "columns"), NULL, &crop.names, err));
    tm_status st = source_read(ctx, in, &crop.source, &harvest.snapshots, err);
    st = st == TM_OK ? tm__renames_replace(crop.names, &crop.source, err) : st;
    const tm_span before = {.after = tm__label_cut_none,
                            .until = both_cuts(&learned.labels, &harvest.labels),
                            .left_out = in->left_out};
    const tm_span fresh = {
        .after = learned.labels, .until = harvest.labels, .left_out = in->left_out};
    if (st == TM_OK) {
        harvest.n_source_rows = tm__table_rows(crop.source);
        st = labelled_rows(ctx, in, &crop, before, &crop.before, NULL, err);
    }
    if (st == TM_OK) {
        st = labelled_rows(ctx, in, &crop, fresh, &crop.fresh, &harvest.n_unmatured, err);
    }
    harvest.n_labels = (crop.before == NULL ? 0 : tm__table_rows(crop.before)) +
                       (crop.fresh == NULL ? 0 : tm__table_rows(crop.fresh));
    if (st == TM_OK) {
        st = source_news(ctx, in, &learned, &crop, &harvest, &crop.news, err);
    }
    if (st == TM_OK) {
        st = keep_matured(in, crop.source, &crop.news, err);
    }
    st = st == TM_OK ? guard_rows(ctx, in, &crop, &harvest, err) : st;
    if (st == TM_OK) {
        st = cut(in, &crop, &harvest, err);
    }
    if (st == TM_OK) {
        *out = harvest;
    } else {
        tm__harvest_done(&harvest);
    }
    tm__table_unref(crop.source);
    tm__table_unref(crop.before);
    tm__table_unref(crop.fresh);
    tm__row_list_done(&crop.news);
    tm__renames_free(crop.names);
    return st;
}

void tm__harvest_done(tm_harvest *harvest) {
    tm__table_unref(harvest->train);
    tm__table_unref(harvest->held);
    json_decref(harvest->snapshots);
    harvest->train = harvest->held = NULL;
    harvest->snapshots = NULL;
}
