/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/online_ask.h"

#include "base/fmath.h"
#include "base/mem.h"
#include "table/schema.h"

/* A view as it was at a moment of a store: most questions come before the next one. */
typedef struct seen_view {
    uint64_t generation, moment; /* generation 0: not seen yet */
    tm_online_view view;
} seen_view;

struct tm_online_asker {
    const tm_online_plan *plan;
    uint32_t n;
    tm_window_state **states; /* [n] of the groups, used again and again */
    seen_view *views;         /* [n] */
    tm_buf key;
};

tm_online_asker *tm__online_asker_create(const tm_online_plan *plan) {
    tm_online_asker *const asker = tm__mem_zalloc(1, sizeof(*asker));
    if (asker == NULL) {
        return NULL;
    }
    asker->plan = plan;
    asker->n = tm__window_live_count(plan->live);
    asker->states = tm__mem_zalloc((size_t)asker->n + 1, sizeof(tm_window_state *));
    asker->views = tm__mem_zalloc((size_t)asker->n + 1, sizeof(*asker->views));
    tm__buf_init(&asker->key, TM_ONLINE_KEY_MAX * TM_WINDOW_KEYS_MAX);
    bool ok =
        asker->states != NULL && asker->views != NULL && tm__buf_reserve(&asker->key, 256) != NULL;
    for (uint32_t i = 0; ok && i < asker->n; i++) {
        asker->states[i] = tm__window_state_create(&tm__window_live_group(plan->live, i)->plan);
        ok = asker->states[i] != NULL;
    }
    if (!ok) {
        tm__online_asker_free(asker);
        return NULL;
    }
    return asker;
}

void tm__online_asker_free(tm_online_asker *asker) {
    if (asker == NULL) {
        return;
    }
    for (uint32_t i = 0; asker->states != NULL && i < asker->n; i++) {
        tm__window_state_free(asker->states[i]);
    }
    tm__mem_free(asker->states);
    tm__mem_free(asker->views);
    tm__buf_done(&asker->key);
    tm__mem_free(asker);
}

/* The key in bytes; *out_whole false: a part of it is missing. */
static tm_status write_key(tm_online_asker *asker, const tm_window_group *group,
                           const tm_online_view *view, const tm_cell *keys, bool *out_whole,
                           tm_err *err) {
    tm_cell cells[TM_WINDOW_KEYS_MAX];
    char texts[TM_WINDOW_KEYS_MAX][32];
    if (view->n_keys != group->n_keys) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "the online store has no events yet");
    }
    for (uint32_t k = 0; k < group->n_keys; k++) {
        const tm_schema_column column = {.name = (char *)(uintptr_t)group->keys[k],
                                         .type = (tm_type)view->key_types[k],
                                         .is_nullable = true};
        bool is_changed = false;
        cells[k] = keys[k];
        TM_TRY(tm__cell_fit(&column, &cells[k], texts[k], &is_changed, err));
    }
    tm__buf_reset(&asker->key);
    *out_whole = tm__window_key_write(cells, group->n_keys, &asker->key);
    return asker->key.failed ? TM_FAIL(err, TM_E_NOMEM, "no memory for a key") : TM_OK;
}

static tm_status check_view(const tm_online_plan *plan, const tm_online_view *view, int64_t lag_us,
                            tm_err *err) {
    if (view->next == TM_ONLINE_LEAVING) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "the online store is being built");
    }
    if (view->problem[0] != '\0') {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "the online store stands still: %s", view->problem);
    }
    if (view->checked_us == 0) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "the online store is being built");
    }
    if (lag_us > plan->terms.max_lag_us) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "the online store is %lld seconds behind its source",
                       (long long)(lag_us / 1000000));
    }
    return TM_OK;
}

/* The entity's state, from the store or empty. */
static tm_status load(tm_online_asker *asker, tm_online_reader *reader, uint32_t group,
                      uint32_t view, tm_online_note *note, tm_err *err) {
    tm_window_state *const state = asker->states[group];
    const tm_str key = {(const char *)asker->key.data, asker->key.len};
    tm_str bytes = {0};
    const tm_status st = tm__online_get(reader, view, key, &bytes, err);
    note->is_absent = st == TM_E_NOT_FOUND;
    if (note->is_absent) {
        tm__window_state_reset(state);
        return TM_OK;
    }
    return st == TM_OK
               ? tm__window_state_reload(state,
                                         &tm__window_live_group(asker->plan->live, group)->plan,
                                         (const uint8_t *)bytes.ptr, bytes.len, err)
               : st;
}

static tm_status find_view(tm_online_asker *asker, tm_online_reader *reader, uint32_t group,
                           const tm_online_view **out, tm_err *err) {
    seen_view *const seen = &asker->views[group];
    const uint64_t generation = tm__online_generation(tm__online_reader_store(reader));
    const uint64_t moment = tm__online_reader_moment(reader);
    if (seen->generation != generation || seen->moment != moment) {
        seen->generation = 0;
        TM_TRY(tm__online_find_view(reader, &asker->plan->marks[group], &seen->view, err));
        seen->generation = generation;
        seen->moment = moment;
    }
    *out = &seen->view;
    return TM_OK;
}

tm_status tm__online_ask(tm_online_asker *asker, tm_online_reader *reader,
                         const tm_online_question *question, double *out, tm_online_note *note,
                         tm_err *err) {
    const uint32_t g = question->group;
    const tm_window_group *const group = tm__window_live_group(asker->plan->live, g);
    const tm_online_view *view = NULL;
    bool is_whole = false;
    *note = (tm_online_note){.newest_us = TM_INT_MISSING, .is_absent = true};
    const tm_status found = find_view(asker, reader, g, &view, err);
    if (found == TM_E_NOT_FOUND) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "the online store is not built yet");
    }
    TM_TRY(found);
    note->lag_us = question->now_us > view->checked_us ? question->now_us - view->checked_us : 0;
    TM_TRY(check_view(asker->plan, view, note->lag_us, err));
    TM_TRY(write_key(asker, group, view, question->keys, &is_whole, err));
    if (!is_whole) {
        for (uint32_t i = 0; i < group->plan.n_features; i++) {
            out[i] = tm__nan();
        }
        return TM_OK;
    }
    TM_TRY(load(asker, reader, g, view->id, note, err));
    note->newest_us = tm__window_state_newest(asker->states[g], question->moment_us);
    const tm_status st = tm__window_state_value(asker->states[g], question->moment_us, out, err);
    if (st == TM_E_INVALID) {
        const tm_status old =
            TM_FAIL(err, st, "its time lies further back than the online store keeps");
        tm_err_hint(err,
                    "Give the features themselves; 'online: {late: 6h}' keeps six hours before the "
                    "newest event of an entity.");
        return old;
    }
    return st;
}
