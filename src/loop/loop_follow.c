/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     round:  models that follow a source, anew when the registry changed
 *             each:  the next block of its rows ──> labels, place
 *
 * A block is one transaction, so what is counted of its rows is exact whenever it ends.
 */
#include "loop/follow.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "monitor/label_follow.h"
#include "monitor/label_rows.h"
#include "source/sinks.h"

#define LOOK_MS 100u                  /* between looks at a source, when following */
#define RETRY_NS UINT64_C(1000000000) /* what stood still is tried again */

/* A model that follows a source. */
typedef struct follower {
    char model[TM_MAX_NAME + 1];
    json_t *labels;    /* of its recipe */
    tm_bundle *bundle; /* of its champion; NULL: why not: */
    tm_err no_bundle;
    tm_source_rows *rows; /* NULL: not open */
    uint64_t not_before_ns;
} follower;

typedef struct following {
    tm_ctx *ctx;
    const tm_home *home;
    tm_registry *registry;
    int64_t generation;
    tm_label_follow *log;
    follower *followers; /* [n] */
    uint32_t n;
    uint64_t n_rows;
} following;

/* ---- Who follows ---- */

static void forget(following *f) {
    for (uint32_t i = 0; i < f->n; i++) {
        json_decref(f->followers[i].labels);
        tm__bundle_unref(f->followers[i].bundle);
        tm__source_rows_close(f->followers[i].rows);
    }
    tm__mem_free(f->followers);
    f->followers = NULL;
    f->n = 0;
}

/* The labels of a recipe that names a source; NULL: it does not. */
static tm_status read_labels(tm_registry *registry, const char *model, json_t **out, tm_err *err) {
    json_t *recipe = NULL;
    *out = NULL;
    TM_TRY(tm__registry_recipe(registry, model, &recipe, err));
    json_t *const labels = json_object_get(recipe, "labels");
    if (tm__json_text(labels, "source", "")[0] != '\0') {
        *out = json_incref(labels);
    }
    json_decref(recipe);
    return TM_OK;
}

static tm_status add_follower(following *f, const char *model, tm_err *err) {
    follower *const one = &f->followers[f->n];
    tm_version version = {0};
    *one = (follower){0};
    TM_TRY(read_labels(f->registry, model, &one->labels, err));
    if (one->labels == NULL) {
        return TM_OK;
    }
    f->n++;
    (void)tm__str_copy(one->model, sizeof(one->model), tm__str(model));
    tm_status st = tm__registry_find(f->registry, model, &version, &one->no_bundle);
    st = st == TM_OK ? tm__registry_bundle(f->registry, &version, &one->bundle, &one->no_bundle)
                     : st;
    tm__version_done(&version);
    return st == TM_E_NOMEM ? TM_FAIL(err, st, "%s", one->no_bundle.message) : TM_OK;
}

static tm_status read_followers(following *f, tm_err *err) {
    json_t *models = NULL;
    forget(f);
    TM_TRY(tm__registry_models(f->registry, &models, err));
    const size_t n = json_array_size(models);
    f->followers = tm__mem_zalloc(n, sizeof(*f->followers));
    tm_status st =
        f->followers == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory to follow labels") : TM_OK;
    for (size_t i = 0; st == TM_OK && i < n; i++) {
        st = add_follower(f, tm__json_text(json_array_get(models, i), "model", ""), err);
    }
    json_decref(models);
    return st;
}

tm_status tm__follow_is_needed(tm_registry *registry, bool *out, tm_err *err) {
    json_t *models = NULL;
    *out = false;
    TM_TRY(tm__registry_models(registry, &models, err));
    tm_status st = TM_OK;
    for (size_t i = 0; st == TM_OK && !*out && i < json_array_size(models); i++) {
        json_t *labels = NULL;
        st = read_labels(registry, tm__json_text(json_array_get(models, i), "model", ""), &labels,
                         err);
        *out = labels != NULL;
        json_decref(labels);
    }
    json_decref(models);
    return st;
}

/* ---- One model ---- */

/* Another one says that the rows mean something else now. */
static int64_t spec_of(const json_t *labels) {
    static const char *const members[] = {"source", "id", "entity", "time", "label", "known_at"};
    uint64_t hash = (uint64_t)tm__json_i64(labels, "within_us", 0);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const char *const text = tm__json_text(labels, members[i], "");
        hash = tm__hash64(text, strlen(text), hash + i);
    }
    return (int64_t)hash;
}

/* Where the next rows are. A source that is another one has other rows at its places. */
static tm_followed place_in(const tm_followed *before, const tm_source_extent *extent,
                            const json_t *labels) {
    const char *const source = tm__json_text(labels, "source", "");
    const int64_t spec = spec_of(labels);
    tm_followed after = *before;
    if (before->source[0] == '\0' || before->spec != spec) {
        after = (tm_followed){.spec = spec, .next = extent->first};
        (void)tm__str_copy(after.model, sizeof(after.model), tm__str(before->model));
        (void)tm__str_copy(after.source, sizeof(after.source), tm__str(source));
    } else if (before->source_us != extent->created_us || before->next > extent->end) {
        after.next = extent->first;
    }
    after.source_us = extent->created_us;
    if (after.next < extent->first) {
        after.n[TM_FOLLOWED_MISSED] += extent->first - after.next;
        after.next = extent->first;
    }
    after.problem[0] = '\0';
    return after;
}

static tm_status stand_still(following *f, follower *one, const tm_followed *before,
                             const tm_err *why, tm_err *err) {
    tm_followed after = *before;
    one->not_before_ns = tm__mono_ns() + RETRY_NS;
    (void)tm__str_copy(after.source, sizeof(after.source),
                       tm__str(tm__json_text(one->labels, "source", "")));
    (void)snprintf(after.problem, sizeof(after.problem), "%.190s", why->message);
    if (strcmp(after.problem, before->problem) == 0) {
        return TM_OK;
    }
    if (f->ctx->log != NULL) {
        tm_log_event(f->ctx->log, TM_WARN, "labels.stand_still", TM_FT("model", one->model),
                     TM_FT("source", after.source), TM_FT("error", why->message));
    }
    return tm__label_follow_put(f->log, before, NULL, 0, &after, err);
}

/* A block of rows as labels, behind which `after` is. */
static tm_status take_rows(following *f, const follower *one, const tm_followed *before,
                           const tm_table *table, tm_followed *after, tm_err *err) {
    char origin[TM_MAX_NAME + 16];
    (void)snprintf(origin, sizeof(origin), "source:%s", after->source);
    const json_t *const labels = one->labels;
    const tm_label_rows_options options = {
        .bundle = one->bundle,
        .model = one->model,
        .columns = {.id = tm__json_text(labels, "id", NULL),
                    .entity = tm__json_text(labels, "entity", NULL),
                    .time = tm__json_text(labels, "time", NULL),
                    .value = tm__json_text(labels, "label", NULL),
                    .known_at = tm__json_text(labels, "known_at", NULL)},
        .within_us = tm__json_i64(labels, "within_us", 0),
        .origin = origin,
        .skips_bad = true};
    tm_label_rows rows = {0};
    tm_status st = tm__label_rows_read(table, &options, &rows, err);
    if (st == TM_OK) {
        after->next += tm__table_rows(table);
        after->n[TM_FOLLOWED_EMPTY] += rows.n_empty;
        after->n[TM_FOLLOWED_BAD] += rows.n_bad;
        st = tm__label_follow_put(f->log, before, rows.labels, rows.n, after, err);
    }
    tm__label_rows_done(&rows);
    return st;
}

static bool is_at(const tm_followed *a, const tm_followed *b) {
    return a->spec == b->spec && a->source_us == b->source_us && a->next == b->next &&
           strcmp(a->problem, b->problem) == 0;
}

static tm_status next_block(following *f, follower *one, const tm_followed *before,
                            const tm_source_extent *extent, bool *out_more, tm_err *err) {
    tm_followed after = place_in(before, extent, one->labels);
    const uint64_t n_left = extent->end - after.next;
    const uint64_t n = n_left < TM_LABEL_FOLLOW_PIECE ? n_left : TM_LABEL_FOLLOW_PIECE;
    tm_table *table = NULL;
    *out_more = n > 0;
    if (n == 0) {
        return is_at(before, &after) ? TM_OK
                                     : tm__label_follow_put(f->log, before, NULL, 0, &after, err);
    }
    TM_TRY(tm__source_rows_read(f->ctx, one->rows, after.next, n, &table, err));
    const tm_status st = take_rows(f, one, before, table, &after, err);
    tm__table_unref(table);
    f->n_rows += st == TM_OK ? n : 0;
    return st;
}

static tm_status look_at(following *f, follower *one, bool *out_more, tm_err *err) {
    tm_followed before;
    tm_source_extent extent = {0};
    tm_err why = {0};
    *out_more = false;
    if (tm__mono_ns() < one->not_before_ns) {
        return TM_OK;
    }
    TM_TRY(tm__label_follow_read(f->log, one->model, &before, err));
    if (one->bundle == NULL) {
        return stand_still(f, one, &before, &one->no_bundle, err);
    }
    const char *const source = tm__json_text(one->labels, "source", "");
    tm_status st =
        one->rows == NULL ? tm__source_rows_open(f->home, source, &one->rows, &why) : TM_OK;
    st = st == TM_OK ? tm__source_rows_extent(one->rows, &extent, &why) : st;
    if (st == TM_E_NOT_FOUND) {
        tm__source_rows_close(one->rows);
        one->rows = NULL;
    }
    st = st == TM_OK ? next_block(f, one, &before, &extent, out_more, &why) : st;
    switch (st) {
    case TM_OK:
        return TM_OK;
    case TM_E_CONFLICT: /* another process went on, or holds the file: from where it is then */
        one->not_before_ns = tm__mono_ns() + RETRY_NS;
        return TM_OK;
    case TM_E_DATA:
    case TM_E_NOT_FOUND:
    case TM_E_LIMIT:
    case TM_E_USAGE:
        *out_more = false;
        return stand_still(f, one, &before, &why, err);
    default:
        return TM_FAIL(err, st, "%s", why.message);
    }
}

/* ---- All of them ---- */

static tm_status one_round(following *f, bool *out_more, tm_err *err) {
    int64_t generation = 0;
    *out_more = false;
    tm__json_reset();
    TM_TRY(tm__registry_generation(f->registry, &generation, err));
    if (f->followers == NULL || generation != f->generation) {
        TM_TRY(read_followers(f, err));
        f->generation = generation;
    }
    for (uint32_t i = 0; i < f->n; i++) {
        bool more = false;
        TM_TRY(look_at(f, &f->followers[i], &more, err));
        *out_more = *out_more || more;
    }
    return TM_OK;
}

static tm_status go_on(following *f, bool follows, tm_err *err) {
    for (bool more = true; more || follows;) {
        if (tm__ctx_cancelled(f->ctx)) {
            return follows ? TM_OK : TM_FAIL(err, TM_E_CANCELLED, "stopped");
        }
        TM_TRY(one_round(f, &more, err));
        if (follows && !more) {
            tm__sleep_ms(LOOK_MS);
        }
    }
    return TM_OK;
}

static tm_status list(const following *f, json_t **out, tm_err *err) {
    const tm_monitor_options reading = {.can_write = false};
    tm_monitor *monitor = NULL;
    json_t *const models = json_array();
    tm_status st = tm__monitor_open(f->home, &reading, &monitor, err);
    for (uint32_t i = 0; st == TM_OK && i < f->n; i++) {
        json_t *one = NULL;
        st = tm__monitor_followed(monitor, f->followers[i].model, &one, err);
        if (st == TM_OK) {
            json_t *const entry = json_pack("{s:s}", "model", f->followers[i].model);
            json_object_update(entry, one);
            json_array_append_new(models, entry);
            json_decref(one);
        }
    }
    tm__monitor_close(monitor);
    json_t *const made = json_pack("{s:I, s:O}", "rows", (json_int_t)f->n_rows, "models", models);
    json_decref(models);
    return tm__json_give(st, made, out, err);
}

tm_status tm__follow_run(tm_ctx *ctx, const tm_home *home, bool follows, json_t **out,
                         tm_err *err) {
    following f = {.ctx = ctx, .home = home};
    tm_status st = tm__registry_open(home, &f.registry, err);
    st = st == TM_OK ? tm__label_follow_open(home, &f.log, err) : st;
    st = st == TM_OK ? go_on(&f, follows, err) : st;
    st = st == TM_OK ? list(&f, out, err) : st;
    forget(&f);
    tm__label_follow_close(f.log);
    tm__registry_close(f.registry);
    return st;
}
