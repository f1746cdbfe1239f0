/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      cut    one at a time: the next rows, stepped over but not read
 *      score  all at once: each part like a request of its own, with buffers of its own
 *      join   the owner: errors or answers, in the order of the rows
 *
 * 1. Parts are cut by rows and bytes, never by the number of threads.
 * 2. A part is cut when a thread has time for it, so what is to be decoded waits as bytes.
 * 3. A bad row makes the rest decode only: all errors that one thread would tell are told, and the
 *    first that ends the reading of one thread (the sixteenth error, a row too many) ends this.
 * 4. Who helps goes back to its queue after each part: another batch waits for one part at most.
 */
#include "serve/split.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"
#include "serve/jobs.h"
#include "serve/mixed.h"

#define PART_ROWS 512u
#define PART_ROWS_EXPLAINED 8u
#define PART_BYTES ((size_t)128 << 10)

/* Rows like a request of their own. */
typedef struct part {
    struct part *next;
    tm_exchange x; /* its answers and errors */
    tm_desk desk;  /* what is to be logged */
    tm_decode_counts counts;
    tm_buf ways; /* who gave its answers, when several do */
    bool is_good;
} part;

struct tm_split {
    tm_scoring *s;
    _Atomic bool is_bad;
    tm_mutex *lock; /* guards what follows, until all parts are scored */
    part *first, **end;
    bool is_over;        /* no part will be cut any more */
    const char *problem; /* what ended it before the end; a slug */
    size_t logged_bytes; /* of all parts */
    uint64_t helped_ns;  /* that others than the owner worked */
};

/* --- parts --- */

static part *part_create(tm_split *split, tm_desk *desk) {
    const tm_exchange *const of = split->s->x;
    part *const p = tm__mem_zalloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->desk = (tm_desk){
        .index = desk->index, .monitor = desk->monitor, .prom = desk->prom, .filler = desk->filler};
    tm__buf_init(&p->desk.answers, desk->answers.size_max);
    p->x.log = of->log;
    p->x.limits = of->limits;
    p->x.http = of->http;
    p->x.current = of->current; /* the owner holds it */
    p->x.match.endpoint = of->match.endpoint;
    (void)tm__str_copy(p->x.request_id, sizeof p->x.request_id, tm__str(of->request_id));
    p->x.desk = &p->desk;
    p->x.deadline_ns = of->deadline_ns;
    p->x.content_type = of->content_type;
    tm__buf_init(&p->x.reply, of->reply.size_max);
    *split->end = p;
    split->end = &p->next;
    return p;
}

static void part_free(part *p) {
    tm__buf_done(&p->x.reply);
    tm__mem_free(p->x.errors);
    tm__buf_done(&p->desk.answers);
    tm__buf_done(&p->ways);
    tm__mem_free(p);
}

static bool end_for(tm_split *split, const char *problem) {
    split->is_over = true;
    split->problem = split->problem == NULL ? problem : split->problem;
    return false;
}

/* True when there is time and somebody to answer. */
static bool may_go_on_locked(tm_split *split) {
    tm_exchange *const x = split->s->x;
    if (atomic_load_explicit(&x->is_gone, memory_order_relaxed)) {
        return end_for(split, "client-gone");
    }
    return tm__mono_ns() <= x->deadline_ns || end_for(split, "deadline");
}

/* The next part, and the decoders of its rows in the thread's arena; NULL when there is none. */
static part *cut(tm_split *split, tm_desk *desk, tm_scoring *s) {
    const tm_scoring *const of = split->s;
    const tm_decode_part most = {.n_rows = split->s->explain ? PART_ROWS_EXPLAINED : PART_ROWS,
                                 .n_bytes = PART_BYTES};
    part *p = NULL;
    tm__mutex_lock(split->lock);
    if (!split->is_over && may_go_on_locked(split)) {
        bool more = false;
        const uint64_t first = tm__decoder_row(of->decoder);
        p = part_create(split, desk);
        s->decoder =
            p == NULL ? NULL : tm__decoder_cut(of->decoder, &most, &p->x, desk->arena, &more);
        split->is_over = split->is_over || !more;
        if (s->decoder == NULL || !tm__mixed_cut(s, first, &p->x, desk->arena)) {
            p = NULL;
            (void)end_for(split, "out-of-memory");
        }
    }
    tm__mutex_unlock(split->lock);
    return p;
}

/* What a part means for those that are not cut yet. */
static void note(tm_split *split, part *p, const tm_scoring *s, bool ok) {
    p->is_good = ok;
    tm__mutex_lock(split->lock);
    tm__mixed_note(s);
    split->logged_bytes += p->desk.answers.len;
    if (split->logged_bytes > p->desk.answers.size_max) {
        (void)end_for(split, "out-of-memory");
    }
    if (!ok) {
        atomic_store_explicit(&split->is_bad, true, memory_order_relaxed);
        split->is_over = split->is_over || p->x.status == 413 || p->x.n_errors == 0 ||
                         p->x.n_errors == TM_ERRORS_MAX;
    }
    tm__mutex_unlock(split->lock);
}

/* One part; false when there was none. */
static bool step(void *arg, tm_desk *desk) {
    tm_split *const split = arg;
    const uint64_t start_ns = tm__mono_ns();
    const tm_arena_mark mark = tm__arena_mark(desk->arena);
    tm_scoring s = *split->s;
    part *const p = cut(split, desk, &s);
    if (p != NULL) {
        s.x = &p->x;
        bool ok = tm__score_prepare(&s, desk->arena);
        if (!ok) {
            tm__problem_reply(&p->x, 503, "out-of-memory", "out of memory", NULL);
        }
        ok = ok && tm__score_rows(&s);
        p->counts = s.mixed != NULL ? tm__mixed_counts(&s) : tm__decoder_counts(s.decoder);
        p->ways = s.ways;
        note(split, p, &s, ok);
    }
    tm__arena_rollback(desk->arena, mark);
    if (desk != split->s->x->desk) {
        tm__mutex_lock(split->lock);
        split->helped_ns += tm__mono_ns() - start_ns;
        tm__mutex_unlock(split->lock);
    }
    return p != NULL;
}

/* --- all --- */

static bool refuse(tm_split *split) {
    tm_exchange *const x = split->s->x;
    const tm_str problem = tm__str(split->problem);
    if (tm__str_is(problem, "deadline")) {
        x->retry_after_s = 1;
        tm__problem_reply(x, 503, split->problem, "the time that the request gave was over", NULL);
    } else if (tm__str_is(problem, "client-gone")) {
        tm__problem_reply(x, 503, split->problem, "nobody waits for the answer", NULL);
    } else {
        tm__problem_reply(x, 503, split->problem, "the request needs more memory than there is",
                          "Send fewer rows at once.");
    }
    return false;
}

/* The errors of all parts, or the reply of the one that ended it; what one thread would say. */
static bool refuse_rows(tm_split *split) {
    tm_exchange *const x = split->s->x;
    bool has_room = true;
    for (part *p = split->first; p != NULL && has_room; p = p->next) {
        x->broken = x->broken == NULL ? p->x.broken : x->broken;
        for (uint32_t i = 0; i < p->x.n_errors && has_room; i++) {
            has_room = tm__problem_row(x, &p->x.errors[i]);
        }
        const bool is_last = p->x.status == 413 || (p->x.n_errors == 0 && x->n_errors == 0);
        if (has_room && !p->is_good && is_last) {
            x->status = p->x.status;
            x->retry_after_s = p->x.retry_after_s;
            x->content_type = p->x.content_type;
            tm__buf_reset(&x->reply);
            tm__buf_append(&x->reply, p->x.reply.data, p->x.reply.len);
            return false;
        }
    }
    tm__score_refuse_rows(x);
    return false;
}

static bool join(tm_split *split) {
    tm_exchange *const x = split->s->x;
    size_t len = 0;
    for (const part *p = split->first; p != NULL; p = p->next) {
        len += p->x.reply.len;
    }
    (void)tm__buf_reserve(&x->reply, len);
    for (part *p = split->first; p != NULL; p = p->next) {
        tm__buf_append(&x->reply, p->x.reply.data, p->x.reply.len);
        tm__buf_done(&p->x.reply);
    }
    return true; /* a reply that failed is noticed by who sends it */
}

bool tm__split_run(tm_scoring *s) {
    tm_exchange *const x = s->x;
    tm_split *const split = tm__mem_zalloc(1, sizeof *split);
    s->split = split;
    if (split == NULL || (split->lock = tm__mutex_create()) == NULL) {
        tm__problem_reply(x, 503, "out-of-memory", "out of memory", NULL);
        return false;
    }
    split->s = s;
    split->end = &split->first;
    const tm_shared_work work = {.step = step, .arg = split};
    tm__jobs_share(x->desk->crew, &work, x->desk);
    x->helped_ns += split->helped_ns;
    if (split->problem != NULL) {
        return refuse(split);
    }
    return tm__split_is_bad(split) ? refuse_rows(split) : join(split);
}

bool tm__split_is_bad(const tm_split *split) {
    return split != NULL && atomic_load_explicit(&split->is_bad, memory_order_relaxed);
}

tm_decode_counts tm__split_counts(const tm_split *split) {
    tm_decode_counts all = {0};
    for (const part *p = split->first; p != NULL; p = p->next) {
        all.n_rows += p->counts.n_rows;
        all.n_nulls += p->counts.n_nulls;
        all.n_coerced += p->counts.n_coerced;
        all.n_filled += p->counts.n_filled;
        all.n_absent += p->counts.n_absent;
        all.n_stale += p->counts.n_stale;
        all.age_s_max = p->counts.age_s_max > all.age_s_max ? p->counts.age_s_max : all.age_s_max;
        all.lag_s_max = p->counts.lag_s_max > all.lag_s_max ? p->counts.lag_s_max : all.lag_s_max;
    }
    return all;
}

const tm_buf *tm__split_answers(const tm_split *split, tm_score_place *place) {
    const part *p = place->part == NULL ? split->first : place->part;
    while (place->at >= p->desk.answers.len && p->next != NULL) {
        p = p->next;
        place->at = 0;
        place->row = 0;
    }
    place->part = p;
    return &p->desk.answers;
}

const tm_buf *tm__split_ways(const tm_score_place *place) {
    return &((const part *)place->part)->ways;
}

/* Answers that wait for the disk go there together, all or none. */
static tm_status log_together(tm_split *split, uint64_t elapsed_ns, uint64_t *out_dropped,
                              tm_err *err) {
    tm_buf *const all = &split->s->x->desk->answers;
    tm_buf *const ways = &split->s->ways;
    tm__buf_reset(all);
    for (const part *p = split->first; p != NULL; p = p->next) {
        tm__buf_append(all, p->desk.answers.data, p->desk.answers.len);
        tm__buf_append(ways, p->ways.data, p->ways.len);
    }
    return all->failed || ways->failed ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                       : tm__score_log(split->s, elapsed_ns, out_dropped, err);
}

tm_status tm__split_log(tm_split *split, uint64_t elapsed_ns, uint64_t *out_dropped, tm_err *err) {
    tm_scoring s = *split->s;
    if (tm__stream_is_sync(s.stream)) {
        return log_together(split, elapsed_ns, out_dropped, err);
    }
    for (part *p = split->first; p != NULL; p = p->next) {
        s.x = &p->x;
        s.ways = p->ways;
        TM_TRY(tm__score_log(&s, elapsed_ns, out_dropped, err));
    }
    return TM_OK;
}

void tm__split_free(tm_split *split) {
    if (split == NULL) {
        return;
    }
    for (part *p = split->first, *next = NULL; p != NULL; p = next) {
        next = p->next;
        part_free(p);
    }
    tm__mutex_free(split->lock);
    tm__mem_free(split);
}
