/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of the log as JSON, for whoever asks. */
#include <string.h>

#include "monitor/monitor_priv.h"

/* What a lane, or all of them, comes to. */
typedef struct sums {
    uint64_t accepted, written, spilled, queued, sampled, dropped, killed, batch, removed;
} sums;

static void add_lane(const tm_lane *lane, sums *out) {
    const uint64_t *const kept = lane->kept.n;
    out->accepted += lane->n_accepted + kept[TM_LANE_BATCH];
    out->written += kept[TM_LANE_WRITTEN];
    out->spilled += lane->n_spilled - kept[TM_LANE_REPLAYED];
    out->queued += lane->n_queued;
    out->sampled += lane->n_sampled;
    out->dropped += lane->n_dropped;
    out->killed += kept[TM_LANE_KILLED];
    out->batch += kept[TM_LANE_BATCH];
    out->removed += kept[TM_LANE_REMOVED];
}

static json_t *sums_to_json(const sums *s) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "accepted",
                     (json_int_t)s->accepted, "written", (json_int_t)s->written, "spilled",
                     (json_int_t)s->spilled, "queued", (json_int_t)s->queued, "sampled_out",
                     (json_int_t)s->sampled, "dropped", (json_int_t)s->dropped, "killed",
                     (json_int_t)s->killed, "batch", (json_int_t)s->batch, "removed",
                     (json_int_t)s->removed);
}

static json_t *models_to_json_locked(const tm_monitor *monitor) {
    json_t *list = json_array();
    for (const tm_lane *lane = monitor->lanes; lane != NULL; lane = lane->next) {
        sums own = {0};
        add_lane(lane, &own);
        if (lane->model[0] == '\0' && own.accepted == 0 && own.dropped == 0) {
            continue;
        }
        json_t *entry = sums_to_json(&own);
        json_object_set_new(entry, "model", json_string(lane->model));
        if (monitor->thread != NULL) { /* who only reads knows no terms */
            json_object_set_new(entry, "policy",
                                json_string(tm__log_policy_names[lane->terms.policy]));
            json_object_set_new(entry, "share", tm__json_number(lane->terms.share));
        }
        json_array_append_new(list, entry);
    }
    return list;
}

static json_t *labels_to_json_locked(const tm_monitor *monitor) {
    json_t *labels = json_object();
    for (uint32_t i = 0; i < TM_LABEL_RESULTS; i++) {
        json_object_set_new(labels, tm__label_result_names[i],
                            json_integer((json_int_t)monitor->n_labels[i]));
    }
    return labels;
}

static json_t *to_json_locked(const tm_monitor *monitor) {
    sums all = {0};
    for (const tm_lane *lane = monitor->lanes; lane != NULL; lane = lane->next) {
        add_lane(lane, &all);
    }
    json_t *object = sums_to_json(&all);
    json_object_set_new(object, "broken", json_boolean(monitor->is_broken));
    json_object_set_new(object, "labels", labels_to_json_locked(monitor));
    json_object_set_new(object, "models", models_to_json_locked(monitor));
    if (!tm__json_is_whole()) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* A process that only reads takes the counters from the log each time. */
static tm_status reload(tm_db *db, void *arg, tm_err *err) {
    tm_monitor *const monitor = arg;
    tm__mutex_lock(monitor->mutex);
    memset(monitor->n_labels, 0, sizeof(monitor->n_labels));
    const tm_status st = tm__lanes_reload_locked(monitor, db, err);
    tm__mutex_unlock(monitor->mutex);
    return st;
}

json_t *tm__monitor_counters(tm_monitor *monitor) {
    if (monitor->thread == NULL && tm__log_read(monitor, reload, monitor, NULL) != TM_OK) {
        return NULL;
    }
    tm__mutex_lock(monitor->mutex);
    json_t *object = to_json_locked(monitor);
    tm__mutex_unlock(monitor->mutex);
    return object;
}
