/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     round:  what is needed ──> views that are missing begun, others removed
 *             each source:  the views that are furthest behind get the next block of rows
 *             all rows in:  "checked" now, which is what the lag is counted from
 *
 * 1. A view's record and its values change in one transaction, so they always agree.
 * 2. A view that begins anew is first marked as leaving, then emptied in many transactions, then
 * its record goes: whoever reads it meanwhile is told that it is being built.
 * 3. What is wrong with one view stands in its record, and the others go on.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop_upkeep_priv.h"
#include "source/sinks.h"
#include "store/settle.h"

#define BLOCK_ROWS UINT64_C(131072)
#define VIEWS_MAX 1024u
#define LOOK_MS 100u                     /* between looks at a source, when following */
#define BEAT_US INT64_C(1000000)         /* "checked" is written so often when nothing comes */
#define RETRY_US (INT64_C(60) * 1000000) /* what stood still is tried again */

/* A view that is needed. */
typedef struct kept_view {
    const tm_kept_version *version;
    uint32_t group;
    tm_online_view view;
    int64_t tried_us; /* when its problem came up */
} kept_view;

typedef struct kept_source {
    char name[129];
    tm_source_rows *rows; /* NULL: not there */
    bool is_behind;
} kept_source;

typedef struct upkeep {
    tm_ctx *ctx;
    const tm_home *home;
    tm_registry *registry;
    int64_t generation;
    tm_online *online;
    tm_kept kept;
    kept_view *views;     /* [n_views] */
    kept_source *sources; /* [n_sources] */
    uint32_t n_views, n_sources;
    uint64_t n_rows;
    uint64_t settled; /* number of what was asked last (store/settle.h) */
    bool must_begin_anew;
    bool must_open_again; /* another key seals the home */
} upkeep;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the upkeep of online features");
}

/* ---- What is needed ---- */

static void forget(upkeep *u) {
    for (uint32_t i = 0; i < u->n_sources; i++) {
        tm__source_rows_close(u->sources[i].rows);
    }
    tm__mem_free(u->sources);
    tm__mem_free(u->views);
    tm__kept_done(&u->kept);
    u->sources = NULL;
    u->views = NULL;
    u->n_sources = 0;
    u->n_views = 0;
}

static kept_view *find_kept(upkeep *u, const tm_hash *mark) {
    for (uint32_t i = 0; i < u->n_views; i++) {
        if (tm__hash_eq(&u->views[i].view.mark, mark)) {
            return &u->views[i];
        }
    }
    return NULL;
}

static void need_source(upkeep *u, const char *name) {
    for (uint32_t i = 0; i < u->n_sources; i++) {
        if (strcmp(u->sources[i].name, name) == 0) {
            return;
        }
    }
    (void)tm__str_copy(u->sources[u->n_sources++].name, TM_MAX_NAME + 1, tm__str(name));
}

static void need_version(upkeep *u, const tm_kept_version *version) {
    const uint32_t n = version->problem[0] != '\0' ? 0 : tm__window_live_count(version->plan.live);
    for (uint32_t g = 0; g < n && u->n_views < VIEWS_MAX; g++) {
        const tm_hash *const mark = &version->plan.marks[g];
        if (find_kept(u, mark) == NULL) {
            kept_view *const v = &u->views[u->n_views++];
            *v = (kept_view){.version = version, .group = g};
            v->view.mark = *mark;
            (void)tm__str_copy(v->view.source, sizeof(v->view.source),
                               tm__str(tm__online_plan_source(&version->plan, g)));
            need_source(u, v->view.source);
        }
    }
}

static tm_status read_needs(upkeep *u, tm_err *err) {
    forget(u);
    TM_TRY(tm__kept_read(u->registry, &u->kept, err));
    u->views = tm__mem_zalloc(VIEWS_MAX, sizeof(*u->views));
    u->sources = tm__mem_zalloc(VIEWS_MAX, sizeof(*u->sources));
    if (u->views == NULL || u->sources == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < u->kept.n; i++) {
        need_version(u, &u->kept.versions[i]);
    }
    return TM_OK;
}

/* ---- Views ---- */

static tm_status put(upkeep *u, tm_online_view *view, tm_err *err) {
    TM_TRY(tm__online_begin(u->online, err));
    tm_status st = tm__online_put_view(u->online, view, err);
    st = st == TM_OK ? tm__online_commit(u->online, err) : st;
    tm__online_rollback(u->online);
    return st;
}

/* Invariant 2. */
static tm_status remove_view(upkeep *u, tm_online_view *view, tm_err *err) {
    bool more = true;
    view->next = TM_ONLINE_LEAVING;
    TM_TRY(put(u, view, err));
    while (more) {
        TM_TRY(tm__online_begin(u->online, err));
        tm_status st = tm__online_drop_some(u->online, view, &more, err);
        st = st == TM_OK ? tm__online_commit(u->online, err) : st;
        tm__online_rollback(u->online);
        TM_TRY(st);
    }
    view->id = 0;
    return TM_OK;
}

static tm_status begin_view(upkeep *u, kept_view *v, tm_err *err) {
    const tm_online_view old = v->view;
    v->view = (tm_online_view){.mark = old.mark, .newest_us = INT64_MIN, .built_us = tm__now_us()};
    (void)tm__str_copy(v->view.source, sizeof(v->view.source), tm__str(old.source));
    return put(u, &v->view, err);
}

typedef struct found_views {
    upkeep *u;
    tm_online_view leaving[64];
    uint32_t n_leaving;
} found_views;

static bool note_view(void *arg, const tm_online_view *view) {
    found_views *const found = arg;
    kept_view *const v = find_kept(found->u, &view->mark);
    const bool stays = v != NULL && view->next != TM_ONLINE_LEAVING;
    if (stays) {
        v->view = *view;
    } else if (found->n_leaving < 64) { /* the rest in the next round */
        found->leaving[found->n_leaving++] = *view;
    }
    return true;
}

static tm_status match_views(upkeep *u, tm_err *err) {
    tm_online_reader *reader = NULL;
    found_views found = {.u = u};
    TM_TRY(tm__online_reader_create(u->online, &reader, err));
    tm_status st = tm__online_reader_begin(reader, err);
    st = st == TM_OK ? tm__online_views(reader, note_view, &found, err) : st;
    tm__online_reader_free(reader);
    for (uint32_t i = 0; st == TM_OK && i < found.n_leaving; i++) {
        st = remove_view(u, &found.leaving[i], err);
    }
    for (uint32_t i = 0; st == TM_OK && i < u->n_views; i++) {
        st = u->views[i].view.id == 0 ? begin_view(u, &u->views[i], err) : TM_OK;
    }
    return st;
}

/* ---- Rows ---- */

static tm_status begin_anew(upkeep *u, kept_view *v, tm_err *err) {
    TM_TRY(remove_view(u, &v->view, err));
    return begin_view(u, v, err);
}

static tm_status stand_still(upkeep *u, kept_view *v, const tm_err *why, tm_err *err) {
    v->tried_us = tm__now_us();
    (void)snprintf(v->view.problem, sizeof(v->view.problem), "%.190s", why->message);
    if (u->ctx->log != NULL) {
        tm_log_event(u->ctx->log, TM_WARN, "online.stands_still", TM_FT("model", v->version->model),
                     TM_FI("version", v->version->version), TM_FT("source", v->view.source),
                     TM_FT("error", why->message));
    }
    return put(u, &v->view, err);
}

static bool is_of(const kept_view *v, const kept_source *s) {
    return strcmp(v->view.source, s->name) == 0 && v->view.problem[0] == '\0';
}

/* Another source of the same name, or one that was put back to an earlier day, has other rows. */
static tm_status match_source(upkeep *u, kept_view *v, const tm_source_extent *extent,
                              tm_err *err) {
    if (v->view.source_us != 0 &&
        (v->view.source_us != extent->created_us || v->view.next > extent->end)) {
        TM_TRY(begin_anew(u, v, err));
    }
    v->view.source_us = extent->created_us;
    if (v->view.next < extent->first) {
        v->view.n_missed += v->view.next == 0 ? 0 : extent->first - v->view.next;
        v->view.next = extent->first;
    }
    return TM_OK;
}

static tm_status apply_to(upkeep *u, kept_view *v, const tm_table *rows, tm_err *err) {
    const tm_upkeep_block block = {
        .live = v->version->plan.live, .group = v->group, .rows = rows, .now_us = tm__now_us()};
    tm_err why = {0};
    TM_TRY(tm__online_begin(u->online, err));
    tm_status st = tm__upkeep_apply(u->online, &v->view, &block, &why);
    if (st == TM_OK) {
        return tm__online_commit(u->online, err);
    }
    tm__online_rollback(u->online);
    switch (st) {
    case TM_E_CONFLICT:
        return begin_anew(u, v, err);
    case TM_E_DATA:
    case TM_E_NOT_FOUND:
    case TM_E_LIMIT:
    case TM_E_USAGE:
        return stand_still(u, v, &why, err);
    default:
        return TM_FAIL(err, st, "%s", why.message);
    }
}

/* The next rows for the views that are furthest behind; *out_more: there are more. */
static tm_status advance(upkeep *u, kept_source *s, const tm_source_extent *extent, bool *out_more,
                         tm_err *err) {
    uint64_t first = extent->end, end = extent->end;
    for (uint32_t i = 0; i < u->n_views; i++) {
        const uint64_t next = u->views[i].view.next;
        if (is_of(&u->views[i], s)) {
            end = next > first ? (next < end ? next : end) : next < first ? first : end;
            first = next < first ? next : first;
        }
    }
    end = end - first > BLOCK_ROWS ? first + BLOCK_ROWS : end;
    *out_more = first < extent->end;
    if (first == end) {
        return TM_OK;
    }
    tm_table *rows = NULL;
    TM_TRY(tm__source_rows_read(u->ctx, s->rows, first, end - first, &rows, err));
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < u->n_views; i++) {
        if (is_of(&u->views[i], s) && u->views[i].view.next == first) {
            st = apply_to(u, &u->views[i], rows, err);
        }
    }
    tm__table_unref(rows);
    u->n_rows += end - first;
    return st;
}

/* Invariant of the lag: at this moment, which was before the look at the source, nothing waited. */
static tm_status note_checked(upkeep *u, const kept_source *s, int64_t looked_us, tm_err *err) {
    bool is_due = false;
    for (uint32_t i = 0; i < u->n_views; i++) {
        is_due = is_due ||
                 (is_of(&u->views[i], s) && looked_us - u->views[i].view.checked_us >= BEAT_US);
    }
    if (!is_due) {
        return TM_OK;
    }
    TM_TRY(tm__online_begin(u->online, err));
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < u->n_views; i++) {
        if (is_of(&u->views[i], s)) {
            u->views[i].view.checked_us = looked_us;
            st = tm__online_put_view(u->online, &u->views[i].view, err);
        }
    }
    st = st == TM_OK ? tm__online_commit(u->online, err) : st;
    tm__online_rollback(u->online);
    return st;
}

static tm_status no_source(upkeep *u, const kept_source *s, const tm_err *why, tm_err *err) {
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < u->n_views; i++) {
        st = is_of(&u->views[i], s) ? stand_still(u, &u->views[i], why, err) : TM_OK;
    }
    return st;
}

static tm_status try_again(upkeep *u, const kept_source *s, tm_err *err) {
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < u->n_views; i++) {
        kept_view *const v = &u->views[i];
        if (strcmp(v->view.source, s->name) == 0 && v->view.problem[0] != '\0' &&
            tm__now_us() - v->tried_us > RETRY_US) {
            v->view.problem[0] = '\0';
            st = put(u, &v->view, err);
        }
    }
    return st;
}

static tm_status tend_source(upkeep *u, kept_source *s, bool *out_more, tm_err *err) {
    tm_err why = {0};
    tm_source_extent extent = {0};
    const int64_t looked_us = tm__now_us();
    *out_more = false;
    TM_TRY(try_again(u, s, err));
    tm_status st = s->rows == NULL ? tm__source_rows_open(u->home, s->name, &s->rows, &why) : TM_OK;
    st = st == TM_OK ? tm__source_rows_extent(s->rows, &extent, &why) : st;
    if (st == TM_E_NOT_FOUND) {
        tm__source_rows_close(s->rows);
        s->rows = NULL;
        return no_source(u, s, &why, err);
    }
    if (st != TM_OK) {
        return TM_FAIL(err, st, "%s", why.message);
    }
    for (uint32_t i = 0; st == TM_OK && i < u->n_views; i++) {
        st = is_of(&u->views[i], s) ? match_source(u, &u->views[i], &extent, err) : TM_OK;
    }
    TM_TRY(st);
    TM_TRY(advance(u, s, &extent, out_more, err));
    return *out_more ? TM_OK : note_checked(u, s, looked_us, err);
}

/* ---- Rounds ---- */

static tm_status look_at_needs(upkeep *u, tm_err *err) {
    int64_t generation = 0;
    TM_TRY(tm__registry_generation(u->registry, &generation, err));
    if (u->views == NULL || generation != u->generation) {
        TM_TRY(read_needs(u, err));
        TM_TRY(match_views(u, err));
        u->generation = generation;
    }
    return TM_OK;
}

static tm_status one_round(upkeep *u, bool *out_more, tm_err *err) {
    *out_more = false;
    tm__json_reset();
    TM_TRY(look_at_needs(u, err));
    for (uint32_t i = 0; i < u->n_sources; i++) {
        bool more = false;
        TM_TRY(tend_source(u, &u->sources[i], &more, err));
        *out_more = *out_more || more;
    }
    return TM_OK;
}

/* Rows of sources were erased: nothing that was made of them may stay. */
static bool is_asked_to_begin_anew(upkeep *u) {
    tm_settle asked = {0};
    tm__settle_asked(u->home, &asked);
    const bool is_new = asked.begins_anew && asked.number != u->settled;
    u->settled = asked.number;
    return is_new;
}

/* A store that is being built is left for the one that is under the key of before. */
static tm_status look_at_asked(upkeep *u, tm_err *err) {
    bool is_current = true;
    TM_TRY(tm__online_is_current(u->online, &is_current, err));
    u->must_begin_anew = is_asked_to_begin_anew(u);
    u->must_open_again = u->must_begin_anew || !is_current;
    return TM_OK;
}

static tm_status go_on(upkeep *u, bool follows, tm_err *err) {
    u->must_open_again = false;
    for (bool more = true; more || follows;) {
        TM_TRY(follows ? look_at_asked(u, err) : TM_OK);
        if (u->must_open_again) {
            return TM_OK;
        }
        if (tm__ctx_cancelled(u->ctx)) {
            return follows ? TM_OK : TM_FAIL(err, TM_E_CANCELLED, "stopped");
        }
        TM_TRY(one_round(u, &more, err));
        if (!more) { /* the old one was used until now */
            TM_TRY(tm__online_publish(u->online, err));
        }
        if (follows && !more) {
            tm__sleep_ms(LOOK_MS);
        }
    }
    return TM_OK;
}

static tm_status check_all(tm_online *online, tm_err *err) {
    tm_online_reader *reader = NULL;
    uint64_t n = 0;
    TM_TRY(tm__online_reader_create(online, &reader, err));
    tm_status st = tm__online_reader_begin(reader, err);
    st = st == TM_OK ? tm__online_check(reader, &n, err) : st;
    tm__online_reader_free(reader);
    return st;
}

static tm_status open_store(upkeep *u, const tm_upkeep_options *options, bool *out_anew,
                            tm_err *err) {
    TM_TRY(tm__online_open_write(u->home, options->begins_anew, &u->online, out_anew, err));
    if (!options->checks || *out_anew || check_all(u->online, NULL) == TM_OK) {
        return TM_OK;
    }
    tm__online_unref(u->online);
    u->online = NULL;
    return tm__online_open_write(u->home, true, &u->online, out_anew, err);
}

tm_status tm__upkeep_run(tm_ctx *ctx, const tm_home *home, const tm_upkeep_options *options,
                         json_t **out, tm_err *err) {
    upkeep u = {.ctx = ctx, .home = home};
    tm_upkeep_options how = *options;
    bool is_anew = false, was_anew = false;
    tm_status st = tm__registry_open(home, &u.registry, err);
    for (bool again = true; st == TM_OK && again;) {
        st = open_store(&u, &how, &is_anew, err);
        was_anew = was_anew || is_anew;
        st = st == TM_OK ? go_on(&u, options->follows, err) : st;
        /* Damage that shows in the middle: once more with an empty store. */
        again = (st == TM_E_INTEGRITY && !is_anew) || (st == TM_OK && u.must_open_again);
        forget(&u);
        tm__online_unref(u.online);
        u.online = NULL;
        how.begins_anew = st != TM_OK || u.must_begin_anew;
        st = again ? TM_OK : st;
    }
    tm__registry_close(u.registry);
    json_t *views = NULL;
    st = st == TM_OK ? tm__upkeep_list(home, &views, err) : st;
    if (st == TM_OK) {
        *out = json_pack("{s:I, s:b, s:o}", "rows", (json_int_t)u.n_rows, "anew", was_anew, "views",
                         views);
        st = tm__json_check(err);
    }
    return st;
}
