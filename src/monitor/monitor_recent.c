/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a look keeps for the next one:
 *
 *     totals    of each stream: answers, when the first and the last were given; of the blocks up
 *               to `next_seq`, which are read once for all versions
 *     fare      of the streams of one version: labels up to `joined_us`, the newest of them in a
 *               ring with their answers, and the scores of the ring
 *
 * 1. Blocks follow one another and never change, so those from next_seq on are the news.
 * 2. Stamps of labels only grow from one transaction to the next, though clocks go back, so labels
 *    behind joined_us are the news.
 * 3. Counts are of all; the ring holds the newest TM_RECENT_LABELS. Of more news than that the rest
 *    is counted in the index and not read.
 * 4. Of a log that keeps a share each answer counts for those that it stands for, as soon as shares
 *    differ: then neither an interval nor an estimate is known.
 */
#include "monitor/monitor_recent.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "monitor/monitor_live_priv.h"
#include "monitor/monitor_priv.h"
#include "monitor/recent_ring.h"
#include "monitor/recent_totals.h"

#define IDLE_NS UINT64_C(900000000000) /* a version that nobody asks for is let go */
#define SOON_NS UINT64_C(60000000000)  /* and earlier, beyond the newest KEPT_MAX of its model */
#define KEPT_MAX 4u
#define ESTIMATE_NS UINT64_C(10000000000) /* between two estimates */
#define BLOCKS_MAX 256u                   /* that an estimate looks at */

typedef struct fare {
    struct fare *next;
    char model[TM_MAX_NAME + 1];
    uint32_t number;
    uint64_t looked_ns;
    int64_t joined_us;
    uint64_t n_labelled;
    tm_recent_ring ring;
    bool has_news;  /* the scores are older than the ring */
    json_t *scores; /* NULL: none */
    tm_score_range score, estimate;
    uint64_t n_estimated;   /* answers that it is of */
    uint64_t estimated_ns;  /* 0: never */
    uint64_t n_at_estimate; /* answers in all then */
} fare;

struct tm_recent {
    tm_monitor *monitor;
    tm_mutex *mutex; /* over all that follows */
    tm_recent_totals totals;
    fare *versions;
};

static const tm_score_range unknown = {NAN, NAN, NAN};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for live scores");
}

/* ---- making and ending ---- */

tm_recent *tm__recent_create(tm_monitor *monitor) {
    tm_recent *self = tm__mem_zalloc(1, sizeof(*self));
    if (self != NULL) {
        self->monitor = monitor;
        self->mutex = tm__mutex_create();
        if (self->mutex == NULL) {
            tm__mem_free(self);
            self = NULL;
        }
    }
    return self;
}

static void version_free(fare *v) {
    json_decref(v->scores);
    tm__recent_ring_done(&v->ring);
    tm__mem_free(v);
}

void tm__recent_free(tm_recent *recent) {
    if (recent == NULL) {
        return;
    }
    for (fare *v = recent->versions, *next = NULL; v != NULL; v = next) {
        next = v->next;
        version_free(v);
    }
    tm__recent_totals_done(&recent->totals);
    tm__mutex_free(recent->mutex);
    tm__mem_free(recent);
}

/* How many versions of the same model were asked for later the first time. */
static uint32_t rank_of(const tm_recent *self, const fare *v) {
    uint32_t n = 0;
    for (const fare *other = self->versions; other != v; other = other->next) {
        n += strcmp(other->model, v->model) == 0 ? 1 : 0;
    }
    return n;
}

/* The version, made when new; those that nobody asked for in a while go. NULL: no memory. */
static fare *find_version(tm_recent *self, const tm_recent_of *of) {
    const uint64_t now_ns = tm__mono_ns();
    fare *found = NULL;
    for (fare **at = &self->versions; *at != NULL;) {
        fare *const v = *at;
        const uint64_t idle_ns = rank_of(self, v) < KEPT_MAX ? IDLE_NS : SOON_NS;
        if (v->number == of->version && strcmp(v->model, of->model) == 0) {
            found = v;
        } else if (now_ns - v->looked_ns > idle_ns) {
            *at = v->next;
            version_free(v);
            continue;
        }
        at = &v->next;
    }
    if (found == NULL && (found = tm__mem_zalloc(1, sizeof(*found))) != NULL) {
        (void)tm__str_copy(found->model, sizeof(found->model), tm__str(of->model));
        found->number = of->version;
        tm__recent_ring_init(&found->ring, tm__bundle_outputs(of->bundle));
        found->score = found->estimate = unknown;
        found->joined_us = INT64_MIN;
        found->next = self->versions;
        self->versions = found;
    }
    if (found != NULL) {
        found->looked_ns = now_ns;
    }
    return found;
}

/* ---- labels ---- */

/* A stream of the version: one for each route, arm and share. */
typedef struct stream_of {
    int64_t id;
    double share; /* of its answers that were logged */
} stream_of;

/* News of one stream: how many, and up to when. */
typedef struct news {
    uint64_t n;
    int64_t until_us;
} news;

static tm_status count_labels(tm_db *db, int64_t stream, int64_t after_us, news *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db,
                         "SELECT count(*), max(joined_us) FROM labels WHERE state = 1"
                         " AND stream = ?1 AND joined_us > ?2",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, stream);
    tm__stmt_bind_i64(stmt, 2, after_us);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        *out = (news){(uint64_t)tm__stmt_i64(stmt, 0), tm__stmt_i64(stmt, 1)};
    }
    tm__stmt_done(stmt);
    return st;
}

/* The newest of the news into the ring, by their answers' places so that a block is read once. */
static tm_status read_labels(fare *v, const tm_bundle *bundle, tm_block *block,
                             const stream_of *stream, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(block->db,
                         "SELECT answer_seq, " TM_LABEL_VALUE
                         " FROM (SELECT seq, answer_seq, value FROM labels"
                         " WHERE state = 1 AND stream = ?1 AND joined_us > ?2"
                         " ORDER BY joined_us DESC LIMIT ?3) ORDER BY answer_seq",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, stream->id);
    tm__stmt_bind_i64(stmt, 2, v->joined_us);
    tm__stmt_bind_i64(stmt, 3, (int64_t)v->ring.n_max);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        double y = 0;
        st = tm__block_seek(block, tm__stmt_i64(stmt, 0), err);
        if (st == TM_E_NOT_FOUND) { /* an answer that was removed for its age */
            st = TM_OK;
            continue;
        }
        if (st == TM_OK && block->record.n_outputs == v->ring.n_outputs &&
            tm__label_number(bundle, tm__str(tm__stmt_text(stmt, 1)), &y)) {
            st = tm__recent_ring_add(&v->ring, y, 1 / stream->share, &block->record, err);
            v->has_news = true;
        }
    }
    tm__stmt_done(stmt);
    return st;
}

/* ---- a look ---- */

typedef struct look {
    tm_recent *self;
    const tm_recent_of *of;
    fare *v;
    stream_of streams[64]; /* more are not looked at */
    uint32_t n_streams;
    tm_live_rows newest; /* for an estimate */
    bool must_estimate;
    tm_recent_view *out;
} look;

static tm_status find_streams(look *l, tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT id, share FROM streams WHERE model = ?1 AND version = ?2 LIMIT ?3",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, l->of->model);
    tm__stmt_bind_i64(stmt, 2, l->of->version);
    tm__stmt_bind_i64(stmt, 3, sizeof(l->streams) / sizeof(l->streams[0]));
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        l->streams[l->n_streams++] = (stream_of){tm__stmt_i64(stmt, 0), tm__stmt_f64(stmt, 1)};
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status take_labels(look *l, tm_db *db, tm_err *err) {
    fare *const v = l->v;
    news all = {.until_us = v->joined_us};
    tm_block block;
    tm_status st = TM_OK;
    tm__block_init(&block, db);
    for (uint32_t i = 0; st == TM_OK && i < l->n_streams; i++) {
        news more = {0};
        st = count_labels(db, l->streams[i].id, v->joined_us, &more, err);
        if (st == TM_OK && more.n > 0) {
            st = read_labels(v, l->of->bundle, &block, &l->streams[i], err);
            all.n += more.n;
            all.until_us = more.until_us > all.until_us ? more.until_us : all.until_us;
        }
    }
    tm__block_done(&block);
    if (st == TM_OK) {
        v->n_labelled += all.n;
        v->joined_us = all.until_us;
    } else { /* what the ring has of these would come again */
        tm__recent_ring_reset(&v->ring);
        v->n_labelled = 0;
        v->joined_us = INT64_MIN;
        v->has_news = true;
    }
    return st;
}

static tm_status count_dropped(look *l, tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "SELECT coalesce(sum(dropped), 0) FROM lanes WHERE model = ?", &stmt,
                         err));
    tm__stmt_bind_text(stmt, 1, l->of->model);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    l->out->n_dropped = st == TM_OK && has_row ? (uint64_t)tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}

static void sum_answers(look *l) {
    tm_recent_view *const out = l->out;
    for (uint32_t i = 0; i < l->n_streams; i++) {
        const tm_recent_total *const t = tm__recent_totals_find(&l->self->totals, l->streams[i].id);
        if (t != NULL) {
            const bool is_first = out->n_answers == 0;
            out->first_us = is_first || t->first_us < out->first_us ? t->first_us : out->first_us;
            out->last_us = is_first || t->last_us > out->last_us ? t->last_us : out->last_us;
            out->n_answers += t->n;
        }
    }
}

/* ---- an estimate ---- */

static tm_status take_newest(look *l, tm_block *block, int64_t first_seq, double share,
                             tm_err *err) {
    double outputs[64];
    const uint32_t n_outputs = l->v->ring.n_outputs;
    TM_TRY(tm__block_seek(block, first_seq, err));
    const int64_t end = block->first_seq + block->n;
    for (int64_t seq = first_seq; seq < end && l->newest.n < TM_RECENT_ANSWERS; seq++) {
        TM_TRY(tm__block_seek(block, seq, err));
        if (block->record.n_outputs != n_outputs) {
            continue;
        }
        for (uint32_t i = 0; i < n_outputs; i++) {
            outputs[i] = tm__record_output(&block->record, i);
        }
        const tm_live_row row = {block->record.at_us, tm__nan(), 1 / share, outputs};
        TM_TRY(tm__live_rows_add(&l->newest, &row, err));
    }
    return TM_OK;
}

static tm_status read_newest(look *l, tm_db *db, const stream_of *stream, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT first_seq FROM blocks WHERE stream = ?1 ORDER BY last_us DESC"
                         " LIMIT ?2",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, stream->id);
    tm__stmt_bind_i64(stmt, 2, BLOCKS_MAX);
    tm_block block;
    tm_status st = TM_OK;
    tm__block_init(&block, db);
    while (l->newest.n < TM_RECENT_ANSWERS && tm__stmt_next(stmt, &st, err)) {
        st = take_newest(l, &block, tm__stmt_i64(stmt, 0), stream->share, err);
    }
    tm__block_done(&block);
    tm__stmt_done(stmt);
    return st;
}

static tm_score_range range_of(const json_t *scores, const char *metric) {
    size_t i = 0;
    const json_t *entry = NULL;
    json_array_foreach((json_t *)(uintptr_t)scores, i, entry) {
        if (strcmp(tm__json_text(entry, "score", ""), metric) == 0) {
            return (tm_score_range){tm__json_f64(entry, "value", tm__nan()),
                                    tm__json_f64(entry, "low", tm__nan()),
                                    tm__json_f64(entry, "high", tm__nan())};
        }
    }
    return unknown;
}

static tm_status estimate(look *l, const char *metric, tm_err *err) {
    fare *const v = l->v;
    const tm_live_part part = {.rows = &l->newest, .from = 0, .end = l->newest.n};
    json_t *scores = NULL;
    v->estimate = unknown;
    v->n_estimated = l->newest.n;
    if (l->newest.n == 0) {
        return TM_OK;
    }
    TM_TRY(tm__live_estimates(&part, &scores, err));
    v->estimate = range_of(scores, metric);
    json_decref(scores);
    return TM_OK;
}

static tm_status read_news(tm_db *db, void *arg, tm_err *err) {
    look *const l = arg;
    fare *const v = l->v;
    TM_TRY(tm__recent_totals_read(&l->self->totals, db, err));
    TM_TRY(find_streams(l, db, err));
    sum_answers(l);
    TM_TRY(take_labels(l, db, err));
    TM_TRY(count_dropped(l, db, err));
    const uint64_t now_ns = tm__mono_ns();
    l->must_estimate = l->of->estimates && l->out->n_answers != v->n_at_estimate &&
                       v->ring.n_outputs <= 64 &&
                       (v->estimated_ns == 0 || now_ns - v->estimated_ns >= ESTIMATE_NS);
    for (uint32_t i = 0; l->must_estimate && i < l->n_streams; i++) {
        TM_TRY(read_newest(l, db, &l->streams[i], err));
    }
    return TM_OK;
}

static tm_status look_locked(look *l, tm_err *err) {
    fare *const v = l->v;
    const json_t *const info = tm__bundle_info(l->of->bundle);
    const char *const metric =
        tm__json_text(info, "metric", tm__metric_default(tm__bundle_task(l->of->bundle)));
    TM_TRY(tm__log_read(l->self->monitor, read_news, l, err));
    if (v->has_news) {
        json_decref(v->scores);
        v->scores = NULL;
        v->score = unknown;
        TM_TRY(tm__recent_ring_score(&v->ring, l->of->bundle, metric, &v->scores, &v->score, err));
        v->has_news = false;
    }
    tm_recent_view *const out = l->out;
    if (l->must_estimate) { /* what failed is done again at the next look */
        TM_TRY(estimate(l, metric, err));
        v->estimated_ns = tm__mono_ns();
        v->n_at_estimate = out->n_answers;
    }
    out->n_labelled = v->n_labelled;
    out->coverage = out->n_answers == 0 ? 0 : (double)v->n_labelled / (double)out->n_answers;
    out->label_us = v->n_labelled > 0 ? v->joined_us : 0;
    out->n_scored = v->ring.n;
    out->metric = metric;
    out->score = v->score;
    out->n_estimated = v->n_estimated;
    out->estimate = v->estimate;
    if (v->scores != NULL) { /* its own, for counts of references are no other thread's to read */
        out->scores = json_deep_copy(v->scores);
        return out->scores == NULL ? no_memory(err) : TM_OK;
    }
    return TM_OK;
}

tm_status tm__recent_look(tm_recent *recent, const tm_recent_of *of, tm_recent_view *out,
                          tm_err *err) {
    tm_recent_view view = {.score = unknown, .estimate = unknown};
    look l = {.self = recent, .of = of, .out = &view};
    tm__live_rows_init(&l.newest, of->bundle);
    tm__mutex_lock(recent->mutex);
    l.v = find_version(recent, of);
    tm_status st = l.v == NULL ? no_memory(err) : look_locked(&l, err);
    tm__mutex_unlock(recent->mutex);
    tm__live_rows_done(&l.newest);
    if (st == TM_OK) {
        *out = view;
    }
    return st;
}

void tm__recent_view_done(tm_recent_view *view) {
    json_decref(view->scores);
    view->scores = NULL;
}

/* ---- how far the log is ---- */

static tm_status read_mark(tm_db *db, void *arg, tm_err *err) {
    tm_log_mark *const out = arg;
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__log_end(db, &out->next_seq, err));
    TM_TRY(tm__stmt_init(db, "SELECT n FROM counters WHERE model = '' AND name = 'stamp_us'", &stmt,
                         err));
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    out->stamp_us = st == TM_OK && has_row ? tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__log_mark(tm_monitor *monitor, tm_log_mark *out, tm_err *err) {
    tm_log_mark mark = {0};
    TM_TRY(tm__log_read(monitor, read_mark, &mark, err));
    *out = mark;
    return TM_OK;
}

/* ---- as JSON ---- */

json_t *tm__recent_to_json(const tm_recent_view *view, uint32_t version) {
    json_t *const out =
        json_pack("{s:I, s:I, s:I, s:o, s:I, s:O?, s:s}", "version", (json_int_t)version, "answers",
                  (json_int_t)view->n_answers, "labelled", (json_int_t)view->n_labelled, "coverage",
                  tm__json_number(view->coverage), "scored", (json_int_t)view->n_scored, "scores",
                  view->scores, "metric", view->metric);
    json_object_set_new(out, "value", tm__json_number(view->score.value));
    json_object_set_new(out, "low", tm__json_number(view->score.low));
    json_object_set_new(out, "high", tm__json_number(view->score.high));
    json_object_set_new(out, "dropped", json_integer((json_int_t)view->n_dropped));
    json_object_set_new(out, "first_answer",
                        view->n_answers > 0 ? tm__json_time(view->first_us) : json_null());
    json_object_set_new(out, "last_answer",
                        view->n_answers > 0 ? tm__json_time(view->last_us) : json_null());
    json_object_set_new(out, "last_label",
                        view->n_labelled > 0 ? tm__json_time(view->label_us) : json_null());
    json_object_set_new(out, "estimate",
                        view->n_estimated > 0 && !isnan(view->estimate.value)
                            ? json_pack("{s:o, s:o, s:o, s:I}", "value",
                                        tm__json_number(view->estimate.value), "low",
                                        tm__json_number(view->estimate.low), "high",
                                        tm__json_number(view->estimate.high), "answers",
                                        (json_int_t)view->n_estimated)
                            : json_null());
    return out;
}
