/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of a step by arm, and what the server counted. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/fs.h"
#include "base/mem.h"
#include "loop/rollout_priv.h"
#include "metric/metric.h"
#include "monitor/monitor_walk.h"
#include "store/serving_file.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- the log ---- */

/* By how much one answer is wrong; NaN when its label says nothing. Between 0 and 1 for classes. */
static double loss_of(const tm_rollout_arm *arm, const tm_walk_row *row) {
    const tm_task task = tm__bundle_task(arm->bundle);
    const bool has_classes = task == TM_TASK_MULTICLASS;
    const tm_metric_ops *ops = tm__metric_find(task == TM_TASK_BINARY ? "brier"
                                               : has_classes          ? "accuracy"
                                                                      : "mae");
    double y = 0;
    if (row->label == NULL || task == TM_TASK_RANKING ||
        !tm__label_number(arm->bundle, tm__str(row->label), &y)) {
        return tm__nan();
    }
    const tm_score_input one = {.task = task,
                                .n_classes = tm__bundle_classes(arm->bundle),
                                .n_rows = 1,
                                .y = &y,
                                .pred = row->outputs,
                                .threshold = tm__bundle_threshold(arm->bundle)};
    const double score = ops->row(&one, 0);
    return has_classes ? 1 - score : score;
}

static tm_status add_loss(tm_rollout_figures *f, uint32_t arm, const tm_walk_row *row,
                          tm_err *err) {
    const double loss = loss_of(&f->arms[arm], row);
    if (!isfinite(loss)) {
        return TM_OK;
    }
    if (f->n_losses == f->losses_capacity) {
        const uint64_t capacity = f->losses_capacity == 0 ? 1024 : f->losses_capacity * 2;
        tm_rollout_loss *grown = tm__mem_realloc(f->losses, capacity, sizeof *grown);
        if (grown == NULL) {
            return no_memory(err);
        }
        f->losses = grown;
        f->losses_capacity = capacity;
    }
    f->losses[f->n_losses++] = (tm_rollout_loss){row->at_us, row->number, arm, loss};
    return TM_OK;
}

static tm_status make_room(tm_rollout_arm *arm, tm_err *err) {
    if (arm->capacity == 0) {
        arm->capacity = TM_ROLLOUT_ROWS_MAX;
        arm->outputs =
            tm__mem_alloc((size_t)TM_ROLLOUT_ROWS_MAX * arm->n_outputs, sizeof *arm->outputs);
        arm->latency_us = tm__mem_alloc(TM_ROLLOUT_ROWS_MAX, sizeof *arm->latency_us);
    }
    return arm->outputs == NULL || arm->latency_us == NULL ? no_memory(err) : TM_OK;
}

/* Why the version answers. */
static const char *arm_of_version(const tm_rollout *r) {
    return r->in_shadow ? "shadow" : "challenger";
}

static tm_status take_row(void *arg, const tm_walk_row *row, tm_err *err) {
    tm_rollout_figures *const f = arg;
    const bool is_new =
        row->version == f->rollout->version && strcmp(row->arm, arm_of_version(f->rollout)) == 0;
    const bool is_old = row->version == f->rollout->champion && strcmp(row->arm, "champion") == 0;
    tm_rollout_arm *const arm = &f->arms[is_new ? 1 : 0];
    if (!(is_new || is_old) || row->at_us < f->rollout->entered_us ||
        row->n_outputs != arm->n_outputs) {
        return TM_OK;
    }
    TM_TRY(make_room(arm, err));
    arm->n_rows++;
    if (arm->n_kept < arm->capacity) {
        for (uint32_t k = 0; k < arm->n_outputs; k++) {
            arm->outputs[(size_t)k * arm->capacity + arm->n_kept] = row->outputs[k];
        }
        arm->latency_us[arm->n_kept++] = row->latency_us;
    }
    return add_loss(f, is_new ? 1 : 0, row, err);
}

static tm_status open_arm(tm_registry *registry, const char *model, uint32_t number,
                          tm_rollout_arm *out, tm_err *err) {
    char name[TM_MAX_NAME + 16];
    tm_version version = {0};
    (void)snprintf(name, sizeof name, "%s@%u", model, number);
    TM_TRY(tm__registry_find(registry, name, &version, err));
    const tm_status st = tm__registry_bundle(registry, &version, &out->bundle, err);
    tm__version_done(&version);
    out->n_outputs = st == TM_OK ? tm__bundle_outputs(out->bundle) : 0;
    return st;
}

tm_status tm__rollout_read(const tm_home *home, tm_registry *registry, tm_rollout_figures *out,
                           tm_err *err) {
    const tm_monitor_options reading = {.can_write = false};
    const tm_walk_options options = {
        .model = out->model, .from_us = out->rollout->entered_us, .until_us = INT64_MAX};
    tm_monitor *monitor = NULL;
    TM_TRY(open_arm(registry, out->model, out->rollout->champion, &out->arms[0], err));
    TM_TRY(open_arm(registry, out->model, out->rollout->version, &out->arms[1], err));
    if (tm__fs_info(tm__home_log_db(home)).kind != TM_PATH_FILE) {
        return TM_OK; /* nothing was answered yet */
    }
    TM_TRY(tm__monitor_open(home, &reading, &monitor, err));
    const tm_status st = tm__monitor_walk(monitor, &options, take_row, out, err);
    tm__monitor_close(monitor);
    return st;
}

void tm__rollout_figures_done(tm_rollout_figures *figures) {
    for (uint32_t arm = 0; arm < 2; arm++) {
        tm__bundle_unref(figures->arms[arm].bundle);
        tm__mem_free(figures->arms[arm].outputs);
        tm__mem_free(figures->arms[arm].latency_us);
    }
    tm__mem_free(figures->losses);
}

/* ---- the server's counters ---- */

tm_status tm__rollout_counted(const tm_home *home, const tm_rollout_figures *figures, json_t **out,
                              tm_err *err) {
    json_t *serving = NULL;
    *out = NULL;
    TM_TRY(tm__serving_read(home, &serving, err));
    const json_t *server = json_object_get(serving, "server");
    const json_t *arms = json_object_get(tm__serving_route(serving, figures->model), "arms");
    if (arms != NULL && tm__serving_is_fresh(serving, tm__now_us())) {
        const tm_rollout *r = figures->rollout;
        tm_arm_counts old = {0, 0}, new = {0, 0};
        tm_arm_counts fallen = {0, 0}; /* to the champion: the version was not ready, or failed */
        tm__serving_count(arms, r->champion, "champion", &old);
        tm__serving_count(arms, r->version, arm_of_version(r), &new);
        if (!r->in_shadow) {
            tm__serving_count(arms, r->champion, "fallback", &fallen);
        }
        const int64_t failed = new.failed + fallen.answered + fallen.failed;
        *out = json_pack(
            "{s:s, s:[I, I], s:[I, I]}", "server", tm__json_text(server, "started", ""), "requests",
            (json_int_t)(old.answered + old.failed), (json_int_t)(new.answered + failed), "failed",
            (json_int_t)old.failed, (json_int_t)failed);
    }
    json_decref(serving);
    return tm__json_check(err);
}
