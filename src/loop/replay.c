/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Static and schedules are one thing (replay_plan.c). Each schedule is run alone from beginning to
 * end, so that its seconds are its own, and keeps answers and no models.
 */
#include "loop/replay.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/replay_priv.h"

#define N_EVERY 4u
#define LAST_ROWS 5000u

static const uint64_t schedule_every[N_EVERY] = {500, 1000, 2000, 5000};

/* ---- all of them ---- */

typedef struct replaying {
    tm_ctx *ctx;
    const tm_replay_stream *stream;
    const tm_replay_options *options;
    json_t *out, *curve;
    uint64_t n_done;
} replaying;

static void note_part(replaying *r, const char *name, const tm_replay_run *run, json_t *json) {
    json_object_set_new(r->out, name, json);
    json_object_set_new(r->curve, name, tm__replay_curve(r->stream, run->answers));
}

static void note_progress(replaying *r, const char *what) {
    tm__ctx_progress(r->ctx, "replay", r->n_done++, 2 * N_EVERY + 3, what);
}

static tm_status replay_static(replaying *r, tm_err *err) {
    tm_replay_run run;
    const tm_replay_plan plan = {.seed = r->options->seed};
    note_progress(r, "static");
    TM_TRY(tm__replay_run_init(r->stream, &run, err));
    const tm_status st = tm__replay_plan_run(r->ctx, r->stream, &plan, &run, err);
    if (st == TM_OK) {
        note_part(r, "static", &run, tm__replay_run_json(&run));
    }
    tm__replay_run_done(&run);
    return st;
}

static json_t *schedule_json(const tm_replay_plan *plan, const tm_replay_run *run) {
    json_t *const json = tm__replay_run_json(run);
    json_object_set_new(json, "every_rows", json_integer((json_int_t)plan->every));
    json_object_set_new(json, "window_rows",
                        plan->window > 0 ? json_integer((json_int_t)plan->window) : json_null());
    return json;
}

static tm_status replay_schedules(replaying *r, tm_err *err) {
    json_t *const all = json_array();
    json_t *best = NULL;
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < 2 * N_EVERY; i++) {
        tm_replay_run run;
        const tm_replay_plan plan = {.every = schedule_every[i / 2],
                                     .window = i % 2 == 0 ? 0 : LAST_ROWS,
                                     .seed = r->options->seed};
        note_progress(r, "schedules");
        st = tm__replay_run_init(r->stream, &run, err);
        if (st == TM_OK) {
            st = tm__replay_plan_run(r->ctx, r->stream, &plan, &run, err);
        }
        if (st == TM_OK) {
            json_t *const json = schedule_json(&plan, &run);
            json_array_append(all, json);
            if (best == NULL || run.score > tm__json_f64(best, "score", 0.0)) {
                json_decref(best);
                best = json_deep_copy(json);
                json_object_set_new(r->curve, "schedule", tm__replay_curve(r->stream, run.answers));
            }
            json_decref(json);
        }
        tm__replay_run_done(&run);
    }
    if (st == TM_OK) {
        json_object_set(best, "all", all);
        json_object_set(r->out, "schedule", best);
    }
    json_decref(best);
    json_decref(all);
    return st;
}

static tm_status replay_rest(replaying *r, bool is_policy, tm_err *err) {
    tm_replay_run run;
    json_t *json = NULL;
    note_progress(r, is_policy ? "policy" : "rules");
    TM_TRY(tm__replay_run_init(r->stream, &run, err));
    const tm_status st = is_policy
                             ? tm__replay_policy(r->ctx, r->stream, r->options, &run, &json, err)
                             : tm__replay_rules(r->stream, r->options, &run, &json, err);
    if (st == TM_OK) {
        note_part(r, is_policy ? "policy" : "trivial", &run, json);
    }
    tm__replay_run_done(&run);
    return st;
}

static void note_stream(replaying *r) {
    const tm_replay_stream *const s = r->stream;
    const tm_task task = !s->is_classes      ? TM_TASK_REGRESSION
                         : s->n_outputs <= 2 ? TM_TASK_BINARY
                                             : TM_TASK_MULTICLASS;
    uint64_t n_scored = 0;
    for (uint64_t row = s->first; row < s->n_rows; row++) {
        n_scored += s->y[row] == s->y[row] ? 1 : 0;
    }
    json_object_set_new(r->out, "target", json_string(r->options->target));
    json_object_set_new(r->out, "task", json_string(tm__task_text(task)));
    json_object_set_new(r->out, "metric", json_string(s->is_classes ? "accuracy" : "rmse"));
    json_object_set_new(r->out, "rows", json_integer((json_int_t)s->n_rows));
    json_object_set_new(r->out, "first_rows", json_integer((json_int_t)s->first));
    json_object_set_new(r->out, "scored_rows", json_integer((json_int_t)n_scored));
    if (r->options->delay_us > 0) {
        json_object_set_new(r->out, "delay_seconds",
                            json_real((double)r->options->delay_us * 1e-6));
    } else {
        json_object_set_new(r->out, "delay_rows", json_integer((json_int_t)r->options->delay_rows));
    }
    json_object_set_new(r->out, "sorted", json_boolean(s->was_sorted));
}

tm_status tm__replay_run(tm_ctx *ctx, tm_table *table, const tm_replay_options *options,
                         json_t **out, tm_err *err) {
    tm_replay_stream stream;
    TM_TRY(tm__replay_stream_init(table, options, &stream, err));
    replaying r = {.ctx = ctx,
                   .stream = &stream,
                   .options = options,
                   .out = json_object(),
                   .curve = json_object()};
    note_stream(&r);
    json_object_set_new(r.curve, "row", tm__replay_curve_rows(&stream));
    tm_status st = replay_rest(&r, false, err);
    if (st == TM_OK) {
        st = replay_static(&r, err);
    }
    if (st == TM_OK) {
        st = replay_rest(&r, true, err);
    }
    if (st == TM_OK) {
        st = replay_schedules(&r, err);
    }
    if (st == TM_OK) {
        json_object_set(r.out, "curve", r.curve);
        st = tm__json_check(err);
    }
    json_decref(r.curve);
    tm__replay_stream_done(&stream);
    if (st != TM_OK) {
        json_decref(r.out);
        return st;
    }
    *out = r.out;
    return TM_OK;
}
