/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     progress (stage, n of N) ──┐
 *     trials of the search ──────┼──> what is known now ── twice a second ──> jobs/training.ID.json
 *     scores of rounds ──────────┘
 */
#include "loop/training_told.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fmath.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/training_file.h"
#include "train/train_curve.h"

#define WRITE_NS UINT64_C(500000000)
#define PLACES 24u
#define PARAMS_MAX 640u
#define BYTES_MAX ((size_t)128 << 10)

typedef struct trial_place {
    char learner[24];
    char params[PARAMS_MAX]; /* JSON */
    double score, seconds;
    uint64_t rows;
    uint32_t number, rounds, folds;
    bool is_behind; /* given up, or cut */
} trial_place;

struct tm_training_told {
    char *path;
    char model[TM_MAX_NAME + 1], because[160], target[TM_MAX_NAME + 1];
    tm_progress_fn progress; /* who heard before */
    void *progress_arg;
    tm_trial_fn on_trial;
    void *on_trial_arg;
    int64_t began_us;
    uint64_t began_ns, written_ns;
    char stage[32], note[48];
    uint64_t done, total;         /* of the stage */
    uint64_t fit_done, fit_total; /* of the fit in it */
    char metric[40];
    bool is_loss;
    double budget_used;
    uint32_t n_trials;
    trial_place places[PLACES]; /* [n_places] best first */
    uint32_t n_places;
    tm_curve best;   /* the best score, by seconds */
    tm_curve round;  /* what stops the fit that runs, by rounds */
    tm_curve chosen; /* same of the best trial so far */
    char fitted[24];
};

/* ---- Trials ---- */

/* More rows count first: scores of fewer are not to be held against them. */
static bool is_before(const tm_training_told *t, const trial_place *a, const trial_place *b) {
    if (a->is_behind != b->is_behind) {
        return b->is_behind;
    }
    if (a->rows != b->rows) {
        return a->rows > b->rows;
    }
    return t->is_loss ? a->score < b->score : a->score > b->score;
}

/* One that is tried again stands anew. */
static void put_in(tm_training_told *t, const trial_place *place) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n_places; i++) {
        if (t->places[i].number != place->number) {
            t->places[n++] = t->places[i];
        }
    }
    uint32_t at = n;
    while (at > 0 && is_before(t, place, &t->places[at - 1])) {
        at--;
    }
    t->n_places = n;
    if (at < PLACES) {
        const uint32_t n_kept = n < PLACES ? n : PLACES - 1;
        memmove(&t->places[at + 1], &t->places[at], (n_kept - at) * sizeof(t->places[0]));
        t->places[at] = *place;
        t->n_places = n_kept + 1;
    }
}

static void copy_params(const json_t *params, char out[PARAMS_MAX]) {
    tm_buf text;
    tm__buf_init(&text, PARAMS_MAX - 1);
    const bool is_whole = tm__json_write(&text, params, TM_JSON_SORTED) && !text.failed;
    memcpy(out, is_whole ? text.data : (const uint8_t *)"{}", is_whole ? text.len : 2);
    out[is_whole ? text.len : 2] = '\0';
    tm__buf_done(&text);
}

/* ---- Writing ---- */

static void put_number(tm_buf *out, const char *name, double value) {
    if (isfinite(value)) {
        tm__buf_printf(out, ",\"%s\":%.9g", name, value);
    } else {
        tm__buf_printf(out, ",\"%s\":null", name);
    }
}

static void put_text(tm_buf *out, const char *name, const char *text) {
    tm__buf_printf(out, ",\"%s\":", name);
    (void)tm__json_write_text(out, tm__str(text));
}

static void put_values(tm_buf *out, const char *name, const double *values, uint32_t n) {
    tm__buf_printf(out, "\"%s\":[", name);
    for (uint32_t i = 0; i < n; i++) {
        tm__buf_text(out, i > 0 ? "," : "");
        if (isfinite(values[i])) {
            tm__buf_printf(out, "%.7g", values[i]);
        } else {
            tm__buf_text(out, "null");
        }
    }
    tm__buf_text(out, "]");
}

static void put_curve(tm_buf *out, const char *name, const tm_curve *c) {
    tm__buf_printf(out, ",\"%s\":{", name);
    put_values(out, "at", c->x, c->n);
    tm__buf_text(out, ",");
    put_values(out, "score", c->y, c->n);
    tm__buf_text(out, "}");
}

static void put_place(tm_buf *out, const trial_place *p) {
    tm__buf_printf(out, "{\"number\":%u", p->number);
    put_text(out, "learner", p->learner);
    put_number(out, "score", p->score);
    put_number(out, "seconds", p->seconds);
    tm__buf_printf(out, ",\"rounds\":%u,\"rows\":%llu,\"folds\":%u,\"given_up\":%s,\"params\":%s}",
                   p->rounds, (unsigned long long)p->rows, p->folds,
                   p->is_behind ? "true" : "false", p->params);
}

static void put_all(const tm_training_told *t, uint64_t now_ns, tm_buf *out) {
    const int64_t now_us = tm__now_us();
    tm__buf_printf(out, "{\"schema\":\"%s\",\"began_us\":%lld,\"at_us\":%lld", TM_TRAINING_SCHEMA,
                   (long long)t->began_us, (long long)now_us);
    put_text(out, "model", t->model);
    put_text(out, "target", t->target);
    put_text(out, "because", t->because);
    put_number(out, "seconds", (double)(now_ns - t->began_ns) * 1e-9);
    put_text(out, "stage", t->stage);
    put_text(out, "note", t->note);
    tm__buf_printf(out, ",\"done\":%llu,\"total\":%llu", (unsigned long long)t->done,
                   (unsigned long long)t->total);
    tm__buf_printf(out, ",\"fit_done\":%llu,\"fit_total\":%llu", (unsigned long long)t->fit_done,
                   (unsigned long long)t->fit_total);
    put_text(out, "metric", t->metric);
    tm__buf_printf(out, ",\"smaller_is_better\":%s,\"n_trials\":%u", t->is_loss ? "true" : "false",
                   t->n_trials);
    put_number(out, "budget_used", t->budget_used);
    tm__buf_text(out, ",\"trials\":[");
    for (uint32_t i = 0; i < t->n_places; i++) {
        tm__buf_text(out, i > 0 ? "," : "");
        put_place(out, &t->places[i]);
    }
    tm__buf_text(out, "]");
    put_curve(out, "best", &t->best);
    put_text(out, "fitting", t->fitted);
    put_curve(out, "rounds", &t->round);
    put_curve(out, "best_rounds", &t->chosen);
    tm__buf_text(out, "}\n");
}

static void write_file(tm_training_told *t, uint64_t now_ns) {
    tm_buf text;
    tm__buf_init(&text, BYTES_MAX);
    put_all(t, now_ns, &text);
    if (!text.failed) {
        const tm_status st = tm__fs_replace(t->path, text.data, text.len, NULL);
        (void)st; /* the next time */
    }
    t->written_ns = now_ns;
    tm__buf_done(&text);
}

static void write_in_time(tm_training_told *t) {
    const uint64_t now_ns = tm__mono_ns();
    if (now_ns - t->written_ns >= WRITE_NS) {
        write_file(t, now_ns);
    }
}

/* ---- Hearing ---- */

static void hear_progress(void *arg, const char *stage, uint64_t done, uint64_t total,
                          const char *note) {
    tm_training_told *const t = arg;
    if (t->progress != NULL) {
        t->progress(t->progress_arg, stage, done, total, note);
    }
    if (strcmp(stage, "fit") == 0) {
        t->fit_done = done;
        t->fit_total = total;
    } else {
        (void)tm__str_copy(t->stage, sizeof t->stage, tm__str(stage));
        (void)tm__str_copy(t->note, sizeof t->note, tm__str(note != NULL ? note : ""));
        t->done = done;
        t->total = total;
        t->fit_done = t->fit_total = 0;
        if (strcmp(stage, "search") == 0 && note != NULL) {
            (void)tm__str_copy(t->fitted, sizeof t->fitted, tm__str(note));
        }
    }
    write_in_time(t);
}

static void hear_round(void *arg, uint32_t round, double score) {
    tm_training_told *const t = arg;
    if (t->round.n > 0 && round <= t->round.x[t->round.n - 1]) {
        tm__curve_init(&t->round, TM_CURVE_MAX);
    }
    tm__curve_add(&t->round, round, score);
}

static void hear_trial(void *arg, const tm_trial *trial) {
    tm_training_told *const t = arg;
    if (t->on_trial != NULL) {
        t->on_trial(t->on_trial_arg, trial);
    }
    trial_place place = {.score = trial->score,
                         .seconds = trial->seconds,
                         .rows = trial->rows,
                         .number = trial->number,
                         .rounds = trial->rounds,
                         .folds = trial->folds,
                         .is_behind = trial->is_given_up || trial->is_cut};
    t->n_trials++;
    t->is_loss = trial->smaller_is_better;
    t->budget_used = trial->budget_used;
    (void)tm__str_copy(t->metric, sizeof t->metric, tm__str(trial->metric));
    (void)tm__str_copy(place.learner, sizeof place.learner, tm__str(trial->learner));
    if (!isfinite(trial->score)) {
        return;
    }
    copy_params(trial->params, place.params);
    put_in(t, &place);
    if (trial->is_best) {
        t->chosen = t->round;
    }
    tm__curve_init(&t->round, TM_CURVE_MAX);
    tm__curve_add(&t->best, (double)(tm__mono_ns() - t->began_ns) * 1e-9, t->places[0].score);
    write_in_time(t);
}

/* ---- Life ---- */

static char *new_path(const tm_home *home) {
    char name[64];
    uint64_t id = 0;
    tm__random_bytes(&id, sizeof id);
    (void)snprintf(name, sizeof name, TM_TRAINING_PREFIX "%016llx" TM_TRAINING_SUFFIX,
                   (unsigned long long)id);
    return tm__fs_join(tm__home_jobs(home), name);
}

tm_training_told *tm__training_told_begin(const tm_home *home, const char *because, tm_ctx *ctx,
                                          tm_train_options *options) {
    tm_training_told *const t = tm__mem_zalloc(1, sizeof(*t));
    char *const path = new_path(home);
    if (t == NULL || path == NULL) {
        tm__mem_free(t);
        tm__mem_free(path);
        return NULL;
    }
    t->path = path;
    (void)tm__str_copy(t->model, sizeof t->model,
                       tm__str(options->model != NULL ? options->model : ""));
    (void)tm__str_copy(t->target, sizeof t->target,
                       tm__str(options->target != NULL ? options->target : ""));
    (void)tm__str_copy(t->because, sizeof t->because, tm__str(because));
    t->began_us = tm__now_us();
    t->began_ns = tm__mono_ns();
    t->budget_used = tm__nan();
    tm__curve_init(&t->best, TM_CURVE_MAX);
    tm__curve_init(&t->round, TM_CURVE_MAX);
    tm__curve_init(&t->chosen, TM_CURVE_MAX);
    t->progress = ctx->progress;
    t->progress_arg = ctx->progress_arg;
    t->on_trial = options->on_trial;
    t->on_trial_arg = options->on_trial_arg;
    ctx->progress = hear_progress;
    ctx->on_round = hear_round;
    ctx->progress_arg = ctx->on_round_arg = t;
    options->on_trial = hear_trial;
    options->on_trial_arg = t;
    tm__trainings_sweep(home, t->began_us);
    write_file(t, t->began_ns);
    return t;
}

void tm__training_told_end(tm_training_told *told, tm_ctx *ctx, tm_train_options *options) {
    if (told == NULL) {
        return;
    }
    ctx->progress = told->progress;
    ctx->progress_arg = told->progress_arg;
    ctx->on_round = NULL;
    ctx->on_round_arg = NULL;
    options->on_trial = told->on_trial;
    options->on_trial_arg = told->on_trial_arg;
    const tm_status st = tm__fs_remove(told->path, NULL);
    (void)st; /* the sweep of a later one does */
    tm__mem_free(told->path);
    tm__mem_free(told);
}
