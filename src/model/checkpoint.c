/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. A file, little-endian:
 *
 *     magic version kind 0 (u32)   kind: 1 the state of a fit, 2 its model
 *     key [32]                     hash of all that decides the fit
 *     spent (u64)                  work that the fit had used
 *     asked (u64)                  questions that it had asked the clock
 *     cut_at (u64)                 which of them ended it; 0: none
 *     took (u64)                   ns of the clock
 *     len (u64)                    of the payload, which starts at byte 128, after zeros
 *     payload, then the hash of all before it
 *
 * What a fit took of a budget is taken again when it is read: a run that goes on has as much left
 * as the one that was killed, and the answers of the clock that cut its fits are in its record.
 *
 * A file of another key is of another training (other rows, options or release): it is written
 * over. A file whose own hash is wrong was damaged after it was written, and that is an error: a
 * fit must not start over in silence because a disk lies.
 */
#include "model/checkpoint.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/comm.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "store/vault.h"

#define MAGIC UINT32_C(0x4B434D54) /* "TMCK" */
#define VERSION 2u

enum { KIND_STATE = 1, KIND_MODEL = 2, HEAD_BYTES = 128 };

/* What a fit took of its budget. */
typedef struct taken {
    uint64_t work, asked, cut_at, ns;
} taken;

struct tm_checkpoint {
    char *dir, *name;
    tm_file *lock;
    uint64_t every_ns, saved_ns;
    uint32_t n_fits; /* begun */
    uint32_t n_found;
    /* The fit that runs. */
    tm_hash key;
    taken before; /* of the budget, and the clock, when it began */
    tm_buf state; /* as it was read; empty: none */
    /* Bytes that models borrow. */
    tm_buf *kept;
    uint32_t n_kept;
};

static char *path_of(const tm_checkpoint *self, const char *ending) {
    char name[160];
    (void)snprintf(name, sizeof(name), "%s.%s", self->name, ending);
    return tm__fs_join(self->dir, name);
}

static char *fit_path(const tm_checkpoint *self, uint32_t fit) {
    char number[16];
    (void)snprintf(number, sizeof(number), "%u", fit);
    return path_of(self, number);
}

typedef struct removal {
    const tm_checkpoint *self;
    const char *part; /* in the name after that of the training */
    tm_status status;
    tm_err *err;
} removal;

static bool file_remove(void *arg, const char *name) {
    removal *r = arg;
    const size_t n = strlen(r->self->name);
    if (strncmp(name, r->self->name, n) != 0 || name[n] != '.' ||
        strstr(name + n, r->part) == NULL) {
        return true;
    }
    char *path = tm__fs_join(r->self->dir, name);
    r->status = path != NULL ? tm__fs_remove(path, r->err)
                             : TM_FAIL(r->err, TM_E_NOMEM, "no memory for a checkpoint");
    tm__mem_free(path);
    return r->status == TM_OK;
}

/* Files of this training whose name holds a part; nobody else writes them while the lock is held.
 */
static tm_status files_remove(const tm_checkpoint *self, const char *part, tm_err *err) {
    removal r = {.self = self, .part = part, .err = err};
    if (self->dir == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__fs_list(self->dir, file_remove, &r, err));
    return r.status;
}

/* ---- trainings that were stopped ---- */

#define DAY_US INT64_C(86400000000)

/* Files of one training after the other: names are in order. */
typedef struct leftovers {
    const char *dir;
    bool can_remove;
    char name[TM_HASH_TEXT + 64]; /* of the training at hand; empty: none yet */
    uint64_t bytes;
    uint32_t n_files;    /* besides its lock */
    int64_t modified_us; /* the latest */
    tm_checkpoint_rest rest;
} leftovers;

/* Whether it is gone. Its lock keeps others from taking it up meanwhile. */
static bool training_remove(const leftovers *l) {
    char *dir = tm__mem_strdup(l->dir), *name = tm__mem_strdup(l->name);
    const tm_checkpoint self = {.dir = dir, .name = name};
    tm_file *lock = NULL;
    char *path = dir != NULL && name != NULL ? path_of(&self, "lock") : NULL;
    const bool is_gone = path != NULL && tm__lock_open(path, &lock, NULL) == TM_OK &&
                         files_remove(&self, "", NULL) == TM_OK;
    tm__file_close(lock);
    tm__mem_free(path);
    tm__mem_free(dir);
    tm__mem_free(name);
    return is_gone;
}

static void training_end(leftovers *l) {
    const bool is_any = l->name[0] != '\0';
    const bool is_stale = is_any && tm__now_us() - l->modified_us > TM_CHECKPOINT_DAYS * DAY_US;
    if (is_any && !(l->can_remove && is_stale && training_remove(l))) {
        l->rest.n += l->n_files > 0;
        l->rest.bytes += l->bytes;
    }
    l->name[0] = '\0';
    l->bytes = 0;
    l->n_files = 0;
    l->modified_us = INT64_MIN;
}

static bool file_see(void *arg, const char *file) {
    leftovers *l = arg;
    const char *dot = strchr(file, '.');
    const size_t n = dot != NULL ? (size_t)(dot - file) : 0;
    if (n == 0 || n >= sizeof(l->name)) {
        return true; /* not ours */
    }
    if (strncmp(l->name, file, n) != 0 || l->name[n] != '\0') {
        training_end(l);
        (void)tm__str_copy(l->name, sizeof(l->name), (tm_str){file, n});
    }
    char *path = tm__fs_join(l->dir, file);
    const tm_path_info info = path != NULL ? tm__fs_info(path) : (tm_path_info){0};
    tm__mem_free(path);
    l->bytes += info.size_bytes;
    l->n_files += strcmp(dot, ".lock") != 0;
    l->modified_us = info.modified_us > l->modified_us ? info.modified_us : l->modified_us;
    return path != NULL;
}

tm_status tm__checkpoint_clean(const char *dir, bool can_remove, tm_checkpoint_rest *out,
                               tm_err *err) {
    leftovers l = {.dir = dir, .can_remove = can_remove, .modified_us = INT64_MIN};
    if (tm__fs_info(dir).kind != TM_PATH_NONE) {
        TM_TRY(tm__fs_list(dir, file_see, &l, err));
        training_end(&l);
    }
    *out = l.rest;
    return TM_OK;
}

tm_status tm__checkpoint_open(const char *dir, const char *name, uint64_t every_ns,
                              tm_checkpoint **out, tm_err *err) {
    tm_checkpoint *self = tm__mem_zalloc(1, sizeof(*self));
    tm_status st = TM_OK;
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a checkpoint");
    }
    self->every_ns = every_ns;
    self->saved_ns = tm__mono_ns();
    tm__buf_init(&self->state, TM_MAX_BUNDLE_BYTES);
    if (dir == NULL) {
        *out = self;
        return TM_OK;
    }
    self->dir = tm__mem_strdup(dir);
    self->name = tm__mem_strdup(name);
    char *lock = self->dir != NULL && self->name != NULL ? path_of(self, "lock") : NULL;
    if (lock == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for a checkpoint");
    }
    if (st == TM_OK) {
        st = tm__fs_mkdir(dir, err);
    }
    if (st == TM_OK) {
        st = tm__lock_open(lock, &self->lock, err);
    }
    if (st == TM_E_CONFLICT) {
        st = TM_FAIL(err, TM_E_CONFLICT, "the same training runs already");
        tm_err_hint(err, "Wait for it, or stop it: its checkpoints stay.");
    }
    tm__mem_free(lock);
    if (st == TM_OK) {
        st = files_remove(self, ".tmp-", err); /* of a process that was killed as it wrote */
    }
    if (st != TM_OK) {
        tm__checkpoint_close(self);
        return st;
    }
    *out = self;
    return TM_OK;
}

void tm__checkpoint_close(tm_checkpoint *self) {
    if (self == NULL) {
        return;
    }
    for (uint32_t i = 0; i < self->n_kept; i++) {
        tm__buf_done(&self->kept[i]);
    }
    tm__mem_free(self->kept);
    tm__buf_done(&self->state);
    tm__file_close(self->lock);
    tm__mem_free(self->dir);
    tm__mem_free(self->name);
    tm__mem_free(self);
}

/* ---- what decides a fit ---- */

static void hash_view(tm_hasher *hasher, const tm_view *x) {
    if (x == NULL) {
        return;
    }
    tm__hasher_update(hasher, &x->n_rows, sizeof(x->n_rows));
    tm__hasher_update(hasher, &x->n_cols, sizeof(x->n_cols));
    for (uint32_t c = 0; c < x->n_cols; c++) {
        const uint32_t kind[2] = {x->features[c].is_categorical, x->features[c].n_levels};
        tm__hasher_update(hasher, kind, sizeof(kind));
        tm__hasher_update(hasher, x->cols[c], x->n_rows * sizeof(double));
    }
    if (x->sparse != NULL) {
        const uint64_t n = x->sparse->starts[x->n_rows];
        tm__hasher_update(hasher, &x->sparse->n_terms, sizeof(x->sparse->n_terms));
        tm__hasher_update(hasher, x->sparse->starts, (x->n_rows + 1) * sizeof(uint64_t));
        tm__hasher_update(hasher, x->sparse->terms, n * sizeof(uint32_t));
        tm__hasher_update(hasher, x->sparse->values, n * sizeof(float));
    }
}

static void hash_rows(tm_hasher *hasher, const double *values, uint64_t n) {
    const uint64_t is_there = values != NULL;
    tm__hasher_update(hasher, &is_there, sizeof(is_there));
    if (values != NULL) {
        tm__hasher_update(hasher, values, n * sizeof(double));
    }
}

static void hash_before(tm_hasher *hasher, const tm_fit_before *before) {
    if (before->x != NULL || before->n_rows > 0) {
        const double numbers[] = {before->n_rows, before->counts};
        hash_view(hasher, before->x);
        hash_rows(hasher, before->weights, before->x != NULL ? before->x->n_rows : 0);
        tm__hasher_update(hasher, numbers, sizeof(numbers));
    }
}

static void hash_queries(tm_hasher *hasher, const uint32_t *queries, uint64_t n) {
    const uint64_t is_there = queries != NULL;
    tm__hasher_update(hasher, &is_there, sizeof(is_there));
    if (queries != NULL) {
        tm__hasher_update(hasher, queries, n * sizeof(*queries));
    }
}

static tm_status key_of(const tm_model_ops *ops, const tm_fit_input *in, const tm_params *params,
                        tm_hash *out, tm_err *err) {
    tm_hasher hasher;
    const uint32_t n_outputs = in->task == TM_TASK_MULTICLASS ? in->n_classes : 1;
    const uint64_t numbers[] = {(uint64_t)in->task, in->n_classes, in->seed, in->has_groups,
                                in->rules != NULL};
    tm__hasher_init(&hasher);
    tm__hasher_update(&hasher, TM_VERSION, sizeof(TM_VERSION));
    tm__hasher_update(&hasher, ops->name, strlen(ops->name) + 1);
    const char *metric = in->metric != NULL ? in->metric->name : "";
    tm__hasher_update(&hasher, metric, strlen(metric) + 1);
    for (uint32_t i = 0; ops->params[i].name != NULL; i++) {
        tm__hasher_update(&hasher, &params->values[i], sizeof(double));
    }
    tm__hasher_update(&hasher, numbers, sizeof(numbers));
    hash_view(&hasher, in->x);
    hash_rows(&hasher, in->y, in->x->n_rows);
    hash_rows(&hasher, in->weights, in->x->n_rows);
    hash_rows(&hasher, in->init_scores, in->x->n_rows * n_outputs);
    hash_queries(&hasher, in->queries, in->x->n_rows);
    if (in->x_valid != NULL) {
        hash_view(&hasher, in->x_valid);
        hash_rows(&hasher, in->y_valid, in->x_valid->n_rows);
        hash_rows(&hasher, in->weights_valid, in->x_valid->n_rows);
        hash_rows(&hasher, in->init_scores_valid, in->x_valid->n_rows * n_outputs);
        hash_queries(&hasher, in->queries_valid, in->x_valid->n_rows);
    }
    for (uint32_t c = 0; in->rules != NULL && c < in->x->n_cols; c++) {
        const uint64_t rule[] = {(uint64_t)(in->rules[c].monotone + 1), in->rules[c].input,
                                 in->rules[c].groups};
        tm__hasher_update(&hasher, rule, sizeof(rule));
    }
    if (in->base != NULL) {
        tm_buf bytes;
        tm__buf_init(&bytes, TM_MAX_BUNDLE_BYTES);
        const tm_status st = in->base->ops->save(in->base, &bytes, err);
        tm__hasher_update(&hasher, bytes.data, bytes.len);
        if (in->is_update) {
            tm__hasher_update(&hasher, &in->is_update, sizeof(in->is_update));
            hash_before(&hasher, &in->before);
        }
        tm__buf_done(&bytes);
        TM_TRY(st);
    }
    tm__hasher_final(&hasher, out);
    return TM_OK;
}

/* ---- files ---- */

/* What the running fit took so far. */
static taken taken_now(const tm_ctx *ctx) {
    const taken *before = &ctx->checkpoint->before;
    const tm_budget *budget = ctx->budget;
    const tm_stops *stops = budget != NULL ? budget->stops : NULL;
    taken t = {.ns = tm__budget_now_ns(budget) - before->ns};
    if (budget != NULL) {
        t.work = budget->work_used - before->work;
    }
    if (stops != NULL) {
        t.asked = stops->n_asked - before->asked;
        t.cut_at = budget->clock_cut && stops->n > 0 ? stops->at[stops->n - 1] - before->asked : 0;
    }
    return t;
}

static tm_status file_write(tm_ctx *ctx, uint32_t kind, const void *data, size_t len, tm_err *err) {
    tm_checkpoint *self = ctx->checkpoint;
    if (self->dir == NULL) {
        return TM_OK; /* rank 0 writes it */
    }
    static const uint8_t zeros[HEAD_BYTES - 88];
    const taken t = taken_now(ctx);
    tm_buf bytes;
    tm_hash hash;
    char *path = fit_path(self, self->n_fits);
    tm__buf_init(&bytes, TM_MAX_BUNDLE_BYTES);
    tm__buf_u32(&bytes, MAGIC);
    tm__buf_u32(&bytes, VERSION);
    tm__buf_u32(&bytes, kind);
    tm__buf_u32(&bytes, 0);
    tm__buf_append(&bytes, self->key.bytes, TM_HASH_BYTES);
    tm__buf_u64(&bytes, t.work);
    tm__buf_u64(&bytes, t.asked);
    tm__buf_u64(&bytes, t.cut_at);
    tm__buf_u64(&bytes, t.ns);
    tm__buf_u64(&bytes, len);
    tm__buf_append(&bytes, zeros, sizeof(zeros));
    tm__buf_append(&bytes, data, len);
    tm_status st = tm__buf_status(&bytes);
    if (path == NULL || st != TM_OK) {
        st = TM_FAIL(err, path == NULL ? TM_E_NOMEM : st, "no memory for a checkpoint");
    } else {
        tm__hash_bytes(bytes.data, bytes.len, &hash);
        tm__buf_append(&bytes, hash.bytes, TM_HASH_BYTES);
        st = tm__buf_status(&bytes);
        st = st == TM_OK ? tm__vault_publish(path, bytes.data, bytes.len, err)
                         : TM_FAIL(err, st, "no memory for a checkpoint");
    }
    self->saved_ns = tm__mono_ns();
    tm__mem_free(path);
    tm__buf_done(&bytes);
    return st;
}

/* The payload of the running fit's file, if it has one; *out_kind is 0 when not. */
static tm_status file_read(tm_checkpoint *self, uint32_t *out_kind, taken *out_taken, tm_buf *out,
                           tm_err *err) {
    tm_buf bytes;
    tm_hash hash;
    tm_reader reader;
    char *path = fit_path(self, self->n_fits);
    *out_kind = 0;
    if (path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a checkpoint");
    }
    tm__buf_init(&bytes, TM_MAX_BUNDLE_BYTES);
    tm_status st = TM_OK;
    if (tm__fs_info(path).kind != TM_PATH_FILE) {
        goto out;
    }
    st = tm__vault_read_all(path, &bytes, err);
    if (st != TM_OK) {
        goto out;
    }
    const size_t end = bytes.len >= HEAD_BYTES + TM_HASH_BYTES ? bytes.len - TM_HASH_BYTES : 0;
    tm__hash_bytes(bytes.data, end, &hash);
    tm__reader_init(&reader, bytes.data, end);
    const uint32_t magic = tm__reader_u32(&reader), version = tm__reader_u32(&reader);
    const uint32_t kind = tm__reader_u32(&reader);
    (void)tm__reader_u32(&reader);
    const void *key = tm__reader_view(&reader, 1, TM_HASH_BYTES);
    taken t = {.work = tm__reader_u64(&reader)};
    t.asked = tm__reader_u64(&reader);
    t.cut_at = tm__reader_u64(&reader);
    t.ns = tm__reader_u64(&reader);
    const uint64_t len = tm__reader_u64(&reader);
    const bool is_ours = version == VERSION;
    if (end == 0 || memcmp(hash.bytes, bytes.data + end, TM_HASH_BYTES) != 0 || magic != MAGIC ||
        (is_ours && (len != end - HEAD_BYTES || t.cut_at > t.asked))) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "a checkpoint is damaged");
        tm_err_at(err, path, 0, 0);
        tm_err_hint(err, "Remove the file: the training then starts over from the fit before it.");
        goto out;
    }
    if (is_ours && memcmp(key, self->key.bytes, TM_HASH_BYTES) == 0) {
        st = tm__buf_append(out, bytes.data + HEAD_BYTES, len)
                 ? TM_OK
                 : TM_FAIL(err, TM_E_NOMEM, "no memory for a checkpoint");
        *out_kind = st == TM_OK ? kind : 0;
        *out_taken = t;
    }
out:
    tm__mem_free(path);
    tm__buf_done(&bytes);
    return st;
}

/* What rank 0 found is what all ranks go on from. */
static tm_status state_find(tm_ctx *ctx, uint32_t *out_kind, taken *out_taken, tm_err *err) {
    tm_checkpoint *self = ctx->checkpoint;
    struct {
        uint64_t kind, len;
        taken t;
    } head = {0};
    tm_status st = TM_OK;
    *out_kind = 0;
    if (self->dir != NULL) {
        st = file_read(self, out_kind, out_taken, &self->state, err);
        head.kind = *out_kind;
        head.len = self->state.len;
        head.t = *out_taken;
    }
    TM_TRY(tm__comm_check(ctx->comm, st, err));
    tm__comm_spread(ctx->comm, &head, sizeof(head));
    if (self->dir == NULL && tm__buf_reserve(&self->state, head.len) == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for a checkpoint");
    }
    TM_TRY(tm__comm_check(ctx->comm, st, err));
    if (head.len > 0) {
        tm__comm_spread(ctx->comm, self->state.data, head.len);
        self->state.len = head.len;
    }
    *out_kind = (uint32_t)head.kind;
    *out_taken = head.t;
    return tm__comm_status(ctx->comm, err);
}

/* ---- a fit ---- */

static taken spent_now(const tm_ctx *ctx) {
    const tm_budget *budget = ctx->budget;
    return (taken){.work = budget != NULL ? budget->work_used : 0,
                   .asked = budget != NULL && budget->stops != NULL ? budget->stops->n_asked : 0,
                   .ns = tm__budget_now_ns(budget)};
}

/* Take of the budget what the fit took in an earlier process. */
static tm_status take_again(tm_ctx *ctx, const taken *t, tm_err *err) {
    tm_budget *budget = ctx->budget;
    if (budget == NULL || budget->deadline_ns == 0 || budget->stops == NULL) {
        (void)tm__ctx_spend(ctx, t->work);
        return TM_OK;
    }
    tm_stops *stops = budget->stops;
    budget->work_used += t->work;
    if (t->cut_at > 0) {
        if (stops->n == TM_MAX_STOPS) {
            return TM_FAIL(err, TM_E_INTEGRITY, "a checkpoint holds too many stops");
        }
        stops->at[stops->n++] = stops->n_asked + t->cut_at;
        budget->is_cut = budget->clock_cut = true;
    }
    stops->n_asked += t->asked;
    stops->skipped_ns += t->ns;
    return TM_OK;
}

/* The model of a fit that was done; its bytes stay for it. */
static tm_status model_take(tm_checkpoint *self, const tm_model_ops *ops, tm_buf *bytes,
                            tm_model **out, tm_err *err) {
    tm_buf *kept = tm__mem_realloc(self->kept, self->n_kept + 1, sizeof(tm_buf));
    if (kept == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a checkpoint");
    }
    self->kept = kept;
    TM_TRY(ops->load(bytes->data, bytes->len, out, err));
    self->kept[self->n_kept++] = *bytes;
    tm__buf_init(bytes, TM_MAX_BUNDLE_BYTES);
    return TM_OK;
}

static tm_status model_keep(tm_ctx *ctx, const tm_model *model, tm_err *err) {
    tm_buf bytes;
    tm__buf_init(&bytes, TM_MAX_BUNDLE_BYTES);
    tm_status st = model->ops->save(model, &bytes, err);
    if (st == TM_OK) {
        st = file_write(ctx, KIND_MODEL, bytes.data, bytes.len, err);
    }
    tm__buf_done(&bytes);
    return st;
}

tm_status tm__checkpoint_fit(tm_ctx *ctx, const tm_model_ops *ops, const tm_fit_input *in,
                             const tm_params *params, tm_model **out, tm_err *err) {
    tm_checkpoint *self = ctx->checkpoint;
    tm_model *model = NULL;
    uint32_t kind = 0;
    taken t = {0};
    self->n_fits++;
    self->before = spent_now(ctx);
    TM_TRY(key_of(ops, in, params, &self->key, err));
    tm__buf_reset(&self->state);
    TM_TRY(state_find(ctx, &kind, &t, err));
    if (kind != 0) {
        self->n_found++;
        TM_TRY(take_again(ctx, &t, err));
    }
    if (kind == KIND_MODEL) {
        TM_TRY(model_take(self, ops, &self->state, &model, err));
    } else {
        TM_TRY(ops->fit(ctx, in, params, &model, err));
        const tm_status st = model_keep(ctx, model, err);
        if (st != TM_OK) {
            ops->free(model);
            return st;
        }
    }
    tm__buf_reset(&self->state);
    *out = model;
    return TM_OK;
}

const void *tm__checkpoint_state(const tm_checkpoint *self, size_t *out_len) {
    *out_len = self->state.len;
    return self->state.len > 0 ? self->state.data : NULL;
}

bool tm__checkpoint_is_due(const tm_checkpoint *self) {
    return self->dir != NULL && tm__mono_ns() - self->saved_ns >= self->every_ns;
}

tm_status tm__checkpoint_save(tm_ctx *ctx, const void *state, size_t len, tm_err *err) {
    return file_write(ctx, KIND_STATE, state, len, err);
}

uint32_t tm__checkpoint_found(const tm_checkpoint *self) {
    return self->n_found;
}

tm_status tm__checkpoint_remove(tm_checkpoint *self, tm_err *err) {
    return files_remove(self, "", err);
}
