/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a sink.
 *
 *   prepare ── which rows, which version, when; read and scored
 *     └> plan committed ──> target ──> log ──> done: the state behind the batch, committed
 *
 *        this thread   prepare 1 | prepare 2 |     | prepare 3 |     |
 *        a second one            | write and log 1 | write and log 2 | ...
 *                            plan 1         done 1, plan 2       done 2, plan 3: a commit each
 *
 * 1. Whoever comes back after a kill finds the plan or its end. With the plan, the batch is made
 *    again: the same rows, version and time, so the same ids and bits.
 * 2. A target and the log know what they have of a batch, so making it again adds what is missing.
 * 3. The target comes before the log: what is logged was given to somebody.
 * 4. The version is the one that the name means when a batch is planned; each batch has one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "guard/guard.h"
#include "loop/loop_sink_priv.h"
#include "model/bundle_windows.h"
#include "source/intake.h"

typedef struct working {
    tm_sink_run run;
    tm_registry *registry;
    tm_version version; /* of the bundle */
    tm_bundle *bundle;
    tm_sink_input input;
    tm_sink_target target;
    tm_job_log *log;
    uint64_t n_rows, n_batches, n_missed; /* of this run */
} working;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for a sink");
}

static void working_done(working *w) {
    if (w->input.close != NULL) {
        w->input.close(w->input.self);
    }
    if (w->target.close != NULL) {
        w->target.close(w->target.self);
    }
    tm__job_log_close(w->log);
    tm__bundle_unref(w->bundle);
    tm__version_done(&w->version);
    tm__registry_close(w->registry);
    json_decref(w->run.ahead);
    tm__mem_free((void *)(uintptr_t)w->run.keys);
}

/* ---- Opening ---- */

static tm_status take_keys(tm_sink_run *run, tm_err *err) {
    const json_t *keys = json_object_get(run->row.spec, "key");
    const size_t n = json_array_size(keys);
    const char **names = tm__mem_zalloc(n + 1, sizeof(*names));
    if (names == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < n; i++) {
        names[i] = json_string_value(json_array_get(keys, i));
    }
    run->keys = names;
    run->n_keys = (uint32_t)n;
    return TM_OK;
}

/* The first run gives the sink its id: batches of another sink of the same name are others. */
static tm_status begin_state(tm_sink_run *run, tm_err *err) {
    char uid[27];
    if (json_is_object(run->row.state)) {
        return TM_OK;
    }
    tm__id_create(uid);
    json_decref(run->row.state);
    run->row.state = json_pack("{s:s, s:i}", "uid", uid, "number", 0);
    return run->row.state == NULL ? no_memory(err) : TM_OK;
}

static tm_status working_open(working *w, tm_err *err) {
    tm_sink_run *run = &w->run;
    const json_t *spec = run->row.spec;
    char job[64];
    run->batch_rows = (uint64_t)tm__json_i64(spec, "batch_rows", TM_SINK_BATCH_ROWS);
    TM_TRY(take_keys(run, err));
    TM_TRY(begin_state(run, err));
    TM_TRY(tm__registry_open(run->home, &w->registry, err));
    TM_TRY(json_is_string(json_object_get(spec, "read"))
               ? tm__sink_source_open(run, &w->input, err)
               : tm__sink_query_open(run, &w->input, err));
    TM_TRY(json_object_get(json_object_get(spec, "write"), "postgres") != NULL
               ? tm__sink_table_open(run, &w->target, err)
               : tm__sink_files_open(run, &w->target, err));
    (void)snprintf(job, sizeof(job), "sink.%s", tm__json_text(run->row.state, "uid", ""));
    return tm__job_log_open(run->home, job, &w->log, err);
}

/* ---- Versions ---- */

static tm_status take_version(working *w, const char *name, tm_err *err) {
    tm_version version = {0};
    TM_TRY(tm__registry_find(w->registry, name, &version, err));
    if (w->bundle != NULL && version.number == w->version.number &&
        strcmp(version.model, w->version.model) == 0) {
        tm__version_done(&version);
        return TM_OK;
    }
    tm__bundle_unref(w->bundle);
    w->bundle = NULL;
    tm__version_done(&w->version);
    w->version = version;
    return tm__registry_bundle(w->registry, &w->version, &w->bundle, err);
}

static tm_status take_planned_version(working *w, const json_t *plan, tm_err *err) {
    char name[TM_MAX_NAME + 24];
    (void)snprintf(name, sizeof(name), "%s@%" PRId64, tm__json_text(plan, "model", ""),
                   tm__json_i64(plan, "version", 0));
    return take_version(w, name, err);
}

/* ---- Preparing ---- */

/* Note in a state that the batch of a plan is done. */
static tm_status behind(working *w, const json_t *plan, json_t *state, tm_err *err) {
    TM_TRY(w->input.done(w->input.self, plan, state, err));
    json_object_set_new(state, "number", json_integer(tm__json_i64(plan, "number", 0)));
    return tm__json_check(err);
}

static tm_status look_ahead(working *w, tm_err *err) {
    tm_sink_run *run = &w->run;
    json_decref(run->ahead);
    run->ahead = json_deep_copy(run->row.state);
    if (run->ahead == NULL) {
        return no_memory(err);
    }
    return json_is_null(run->row.plan) ? TM_OK : behind(w, run->row.plan, run->ahead, err);
}

/* Name of the batch: readable, in order, and no other batch's. */
static void name_batch(const working *w, json_t *plan) {
    char text[512], id[TM_SINK_BATCH_ID], hex[TM_HASH_TEXT];
    tm_hash hash;
    const int64_t number = tm__json_i64(plan, "number", 0);
    (void)snprintf(text, sizeof(text), "%s %" PRId64 " %" PRId64 " %" PRId64 " %u %" PRId64,
                   tm__json_text(w->run.row.state, "uid", ""), number,
                   tm__json_i64(plan, "first", 0), tm__json_i64(plan, "rows", 0), w->version.number,
                   tm__json_i64(plan, "at_us", 0));
    tm__hash_bytes(text, strlen(text), &hash);
    tm__hash_to_text(&hash, hex);
    (void)snprintf(id, sizeof(id), "%s-%06" PRId64 "-%.8s", w->run.row.name, number, hex);
    json_object_set_new(plan, "batch", json_string(id));
}

/* The plan of the batch behind the one in work. */
static tm_status make_plan(working *w, json_t *plan, bool *out_has, tm_err *err) {
    TM_TRY(look_ahead(w, err));
    TM_TRY(take_version(w, tm__json_text(w->run.row.spec, "model", ""), err));
    json_object_set_new(plan, "number", json_integer(tm__json_i64(w->run.ahead, "number", 0) + 1));
    TM_TRY(w->input.plan(w->input.self, plan, out_has, err));
    if (!*out_has) {
        return TM_OK;
    }
    json_object_set_new(plan, "at_us", json_integer(tm__now_us()));
    json_object_set_new(plan, "model", json_string(w->version.model));
    json_object_set_new(plan, "version", json_integer(w->version.number));
    name_batch(w, plan);
    return tm__json_check(err);
}

static void batch_init(const working *w, const json_t *plan, tm_sink_batch *batch) {
    tm_hash hash;
    (void)tm__str_copy(batch->id, sizeof(batch->id), tm__str(tm__json_text(plan, "batch", "")));
    tm__hash_bytes(batch->id, strlen(batch->id), &hash);
    memcpy(&batch->id_hash, hash.bytes, sizeof(batch->id_hash));
    batch->first = (uint64_t)tm__json_i64(plan, "first", 0);
    batch->n_rows = (uint64_t)tm__json_i64(plan, "rows", 0);
    batch->at_us = tm__json_i64(plan, "at_us", 0);
    (void)tm__str_copy(batch->model, sizeof(batch->model), tm__str(w->version.model));
    batch->version = w->version.number;
    batch->bundle = tm__bundle_ref(w->bundle);
}

/* Columns that the first batch passes on are those of all: a later one of the source is not. */
static tm_status take_passed(working *w, const tm_sink_batch *batch, const json_t **out,
                             tm_err *err) {
    json_t *state = w->run.row.state;
    if (w->run.n_keys > 0 || json_object_get(state, "passed") == NULL) {
        json_object_set_new(state, "passed", tm__sink_passed(&w->run, w->bundle, batch->rows));
    }
    *out = json_object_get(state, "passed");
    return tm__json_check(err);
}

/* Of the history what was there when the batch was planned: a batch that is made again has the same
 * features. */
static tm_status read_history(working *w, tm_sink_batch *batch, tm_err *err) {
    const json_t *const spec = w->run.row.spec;
    const char *const name = tm__json_text(spec, "history", NULL);
    const json_t *const recipe = json_object_get(tm__bundle_info(batch->bundle), "recipe");
    const json_t *const others = json_object_get(recipe, "events");
    if (!tm__bundle_has_windows(batch->bundle)) {
        return TM_OK;
    }
    if (others != NULL) {
        const tm_events_place place = {
            .home = w->run.home, .bundle = batch->bundle, .as_of_us = batch->at_us};
        TM_TRY(tm__train_events_read(w->run.ctx, &place, others, &batch->others, err));
    }
    if (name == NULL) {
        return TM_OK;
    }
    batch->has_rows = strcmp(name, tm__json_text(spec, "read", "")) == 0;
    return tm__intake_table_at(w->run.ctx, w->run.home, name, batch->at_us, &batch->history, err);
}

static tm_status fill_batch(working *w, const json_t *plan, tm_sink_batch *batch, tm_err *err) {
    const json_t *passed = NULL;
    batch_init(w, plan, batch);
    TM_TRY(w->input.read(w->input.self, plan, &batch->rows, err));
    if (tm__table_rows(batch->rows) != batch->n_rows) {
        return TM_FAIL(err, TM_E_INTEGRITY,
                       "the rows of batch '%s' are not those that were planned", batch->id);
    }
    TM_TRY(take_passed(w, batch, &passed, err));
    TM_TRY(read_history(w, batch, err));
    return tm__sink_score(w->run.ctx, batch, passed, err);
}

/* A batch that is ready to be written; plan NULL: nothing is left. */
typedef struct prepared {
    json_t *plan;
    tm_sink_batch batch;
    bool is_committed; /* its plan is: a run that was stopped began it */
} prepared;

static void prepared_done(prepared *p) {
    json_decref(p->plan);
    tm__sink_batch_done(&p->batch);
    *p = (prepared){0};
}

static tm_status prepare(working *w, prepared *out, tm_err *err) {
    json_t *plan = json_object();
    bool has = false;
    tm_status st = plan == NULL ? no_memory(err) : make_plan(w, plan, &has, err);
    if (st == TM_OK && has) {
        out->plan = json_incref(plan);
        st = fill_batch(w, plan, &out->batch, err);
    }
    json_decref(plan);
    return st;
}

/* What a run that was stopped began comes first. */
static tm_status prepare_first(working *w, prepared *out, tm_err *err) {
    const json_t *plan = w->run.row.plan;
    if (json_is_null(plan)) {
        return prepare(w, out, err);
    }
    out->plan = json_incref(w->run.row.plan);
    out->is_committed = true;
    TM_TRY(take_planned_version(w, plan, err));
    return fill_batch(w, plan, &out->batch, err);
}

/* ---- Writing ---- */

typedef struct writer {
    working *w;
    const tm_sink_batch *batch;
    tm_status status;
    tm_err err;
} writer;

static void write_main(void *arg) {
    writer *self = arg;
    working *w = self->w;
    self->status = w->target.write(w->target.self, self->batch, &self->err);
    if (self->status == TM_OK) {
        self->status = tm__sink_log(self->batch, w->log, &self->err);
    }
}

/* A conflict of a target stops the sink. One about our tables does not: another program held them,
 * and may have ended at the next try. */
static tm_status save(working *w, tm_err *err) {
    const tm_status st = tm__sink_store_save(w->run.store, &w->run.row, err);
    if (st == TM_E_CONFLICT && err != NULL) {
        err->status = TM_E_UNAVAILABLE;
    }
    return st == TM_E_CONFLICT ? TM_E_UNAVAILABLE : st;
}

static tm_status commit_plan(working *w, prepared *p, tm_err *err) {
    tm_sink_row *row = &w->run.row;
    if (p->is_committed) {
        return TM_OK;
    }
    json_decref(row->plan);
    row->plan = json_incref(p->plan);
    return save(w, err);
}

/* In memory: committed with the plan of the next batch, or with how the run ended. */
static tm_status note_done(working *w, const prepared *p, tm_err *err) {
    tm_sink_row *row = &w->run.row;
    TM_TRY(behind(w, p->plan, row->state, err));
    json_decref(row->plan);
    row->plan = json_null();
    row->n_rows += p->batch.n_rows;
    row->n_batches++;
    w->n_missed += (uint64_t)tm__json_i64(p->plan, "missed", 0);
    w->n_rows += p->batch.n_rows;
    w->n_batches++;
    tm__ctx_progress(w->run.ctx, "score", w->n_rows, 0, p->batch.id);
    return TM_OK;
}

/* Write a batch in a thread while the next is prepared here. */
static tm_status write_and_prepare(working *w, prepared *p, prepared *next, tm_err *err) {
    writer written = {.w = w, .batch = &p->batch};
    TM_TRY(commit_plan(w, p, err));
    tm_thread *thread = tm__thread_create(write_main, &written, "sink-writer");
    if (thread == NULL) {
        write_main(&written);
    }
    const tm_status st = tm__ctx_cancelled(w->run.ctx)
                             ? TM_FAIL(err, TM_E_CANCELLED, "stopped between two batches")
                             : prepare(w, next, err);
    tm__thread_join(thread);
    if (written.status != TM_OK) { /* it came first */
        if (err != NULL) {
            *err = written.err;
        }
        return written.status;
    }
    tm_err own = {0};
    const tm_status noted = note_done(w, p, st == TM_OK ? err : &own);
    return st != TM_OK ? st : noted;
}

static tm_status run_batches(working *w, tm_err *err) {
    prepared now = {0}, next = {0};
    tm_status st = prepare_first(w, &now, err);
    while (st == TM_OK && now.plan != NULL) {
        st = write_and_prepare(w, &now, &next, err);
        prepared_done(&now);
        now = next;
        next = (prepared){0};
    }
    prepared_done(&now);
    /* What a batch needed to come again goes when nothing will ask for it. */
    st = st == TM_OK ? w->input.finish(w->input.self, w->run.row.state, err) : st;
    st = st == TM_OK ? save(w, err) : st;
    return st == TM_OK ? w->input.clean(w->input.self, err) : st;
}

/* ---- The run ---- */

static tm_status run_locked(tm_ctx *ctx, const tm_home *home, const char *name,
                            tm_sink_store *store, json_t **out, tm_err *err) {
    working w = {.run = {.home = home, .ctx = ctx, .store = store}};
    tm_err failure = {0};
    TM_TRY(tm__sink_store_find(store, name, &w.run.row, err));
    w.run.row.tried_us = tm__now_us();
    tm_status st = working_open(&w, &failure);
    st = st == TM_OK ? run_batches(&w, &failure) : st;
    /* What the run says of itself comes first: that it cannot be noted is the smaller news. */
    const tm_status noted =
        tm__sink_record(store, &w.run.row, st == TM_OK ? NULL : &failure, st == TM_OK ? err : NULL);
    if (st == TM_OK && noted == TM_OK) {
        *out = json_pack("{s:s, s:I, s:I, s:I}", "sink", name, "rows", (json_int_t)w.n_rows,
                         "batches", (json_int_t)w.n_batches, "missed", (json_int_t)w.n_missed);
    }
    if (st != TM_OK && err != NULL) {
        *err = failure;
    }
    working_done(&w);
    tm__sink_row_done(&w.run.row);
    st = st != TM_OK ? st : noted;
    return st == TM_OK && *out == NULL ? no_memory(err) : st;
}

tm_status tm__sink_run(tm_ctx *ctx, const tm_home *home, const char *name, json_t **out,
                       tm_err *err) {
    tm_sink_store *store = NULL;
    tm_file *lock = NULL;
    TM_TRY(tm__sink_store_open(home, false, &store, err));
    tm_status st = tm__sink_lock(home, name, &lock, err);
    st = st == TM_OK ? run_locked(ctx, home, name, store, out, err) : st;
    tm__sink_store_close(store);
    tm__file_close(lock);
    return st;
}
