/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block of rows into the states of a view: rows by entity, entities in the order of their keys so
 * that the store is walked once from front to end, each entity's events in the order of their time.
 * An event that comes late among others would move them all, so order is made here, where it is one
 * sort; of events of one time the later row stays the later one.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "loop/upkeep.h"

typedef struct event {
    int64_t known_us;
    uint32_t row;
} event;

typedef struct entity {
    tm_str key;
    uint64_t first, n; /* of the events */
} entity;

typedef struct work {
    tm_online *online;
    tm_online_view *view;
    const tm_window_plan *plan;
    const tm_window_block *block;
    int64_t now_us;
    event *events;    /* [block->n_rows] by entity */
    entity *entities; /* [n] by key */
    tm_window_state *state;
    tm_buf bytes;
} work;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the upkeep of online features");
}

static int by_key(const void *a, const void *b) {
    const tm_str x = ((const entity *)a)->key, y = ((const entity *)b)->key;
    const int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
    return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

static int by_time(const void *a, const void *b) {
    const event *const x = a, *const y = b;
    if (x->known_us != y->known_us) {
        return x->known_us < y->known_us ? -1 : 1;
    }
    return x->row < y->row ? -1 : 1;
}

static bool is_event(const tm_window_block *block, uint64_t row) {
    return block->entities[row] != TM_CODE_MISSING && block->known_us[row] != TM_INT_MISSING;
}

/* Events by entity, in the order of rows. */
static tm_status gather(work *w, tm_err *err) {
    const tm_window_block *const block = w->block;
    const uint32_t n = tm__dict_count(block->keys);
    w->events = tm__mem_alloc(block->n_rows + 1, sizeof(*w->events));
    w->entities = tm__mem_zalloc((size_t)n + 1, sizeof(*w->entities));
    if (w->events == NULL || w->entities == NULL) {
        return no_memory(err);
    }
    for (uint64_t row = 0; row < block->n_rows; row++) {
        if (is_event(block, row)) {
            w->entities[block->entities[row]].n++;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        w->entities[i].key = tm__dict_get(block->keys, i);
        w->entities[i + 1].first = w->entities[i].first + w->entities[i].n;
        w->entities[i].n = 0;
    }
    for (uint64_t row = 0; row < block->n_rows; row++) {
        if (is_event(block, row)) {
            entity *const e = &w->entities[block->entities[row]];
            w->events[e->first + e->n++] = (event){block->known_us[row], (uint32_t)row};
        }
    }
    qsort(w->entities, n, sizeof(*w->entities), by_key);
    return TM_OK;
}

static void sort_events(event *events, uint64_t n) {
    for (uint64_t i = 1; i < n; i++) {
        if (events[i].known_us < events[i - 1].known_us) {
            qsort(events, n, sizeof(*events), by_time);
            return;
        }
    }
}

static tm_status load(work *w, tm_str key, tm_err *err) {
    tm_str bytes = {0};
    tm_status st = tm__online_get_mine(w->online, w->view->id, key, &bytes, err);
    if (st == TM_E_NOT_FOUND) {
        tm__window_state_reset(w->state);
        w->view->n_entities++;
        return TM_OK;
    }
    return st == TM_OK ? tm__window_state_reload(w->state, w->plan, (const uint8_t *)bytes.ptr,
                                                 bytes.len, err)
                       : st;
}

static tm_status change_entity(work *w, const entity *e, tm_err *err) {
    event *const events = w->events + e->first;
    const uint64_t stride = w->plan->n_cols;
    TM_TRY(load(w, e->key, err));
    sort_events(events, e->n);
    for (uint64_t i = 0; i < e->n; i++) {
        TM_TRY(tm__window_state_add(w->state, events[i].known_us,
                                    w->block->cells + events[i].row * stride, w->now_us, err));
    }
    w->view->n_events += e->n;
    w->view->newest_us = events[e->n - 1].known_us > w->view->newest_us ? events[e->n - 1].known_us
                                                                        : w->view->newest_us;
    tm__buf_reset(&w->bytes);
    tm__window_state_write(w->state, w->plan, &w->bytes);
    if (w->bytes.failed) {
        return no_memory(err);
    }
    return tm__online_put(w->online, w->view->id, e->key,
                          (tm_str){(const char *)w->bytes.data, w->bytes.len}, err);
}

static tm_status change(work *w, tm_err *err) {
    TM_TRY(gather(w, err));
    w->state = tm__window_state_create(w->plan);
    if (w->state == NULL) {
        return no_memory(err);
    }
    const uint32_t n = tm__dict_count(w->block->keys);
    for (uint32_t i = 0; i < n; i++) {
        if (w->entities[i].n > 0) {
            TM_TRY(change_entity(w, &w->entities[i], err));
        }
    }
    return TM_OK;
}

/* The types of keys are part of their bytes: with others the same entity would be another one. */
static tm_status check_keys(tm_online_view *view, const tm_window_group *group,
                            const tm_window_block *block, tm_err *err) {
    for (uint32_t k = 0; k < group->n_keys; k++) {
        if (view->n_keys != 0 && view->key_types[k] != block->key_types[k]) {
            return TM_FAIL(err, TM_E_CONFLICT, "key '%s' is %s, and was %s", group->event_keys[k],
                           tm__type_text(block->key_types[k]),
                           tm__type_text((tm_type)view->key_types[k]));
        }
        view->key_types[k] = (uint8_t)block->key_types[k];
    }
    view->n_keys = group->n_keys;
    return TM_OK;
}

tm_status tm__upkeep_apply(tm_online *online, tm_online_view *view, const tm_upkeep_block *block,
                           tm_err *err) {
    const tm_window_group *const group = tm__window_live_group(block->live, block->group);
    tm_window_block events = {0};
    tm_online_view after = *view;
    TM_TRY(tm__window_live_block(block->live, block->group, block->rows, &events, err));
    work w = {.online = online,
              .view = &after,
              .plan = &group->plan,
              .block = &events,
              .now_us = block->now_us};
    tm__buf_init(&w.bytes, (size_t)TM_WINDOW_STATE_BYTES * 2);
    tm_status st = check_keys(&after, group, &events, err);
    st = st == TM_OK ? change(&w, err) : st;
    if (st == TM_OK) {
        after.next += events.n_rows;
        st = tm__online_put_view(online, &after, err);
    }
    if (st == TM_OK) {
        *view = after;
    }
    tm__buf_done(&w.bytes);
    tm__window_state_free(w.state);
    tm__mem_free(w.events);
    tm__mem_free(w.entities);
    tm__window_block_done(&events);
    return st;
}
