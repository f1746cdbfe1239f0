/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/counted.h"

#include "base/mem.h"

tm_status tm__counted_create(const tm_bundle *bundle, uint32_t n_threads, tm_counted **out,
                             tm_err *err) {
    const tm_reference *const reference = tm__bundle_reference(bundle);
    *out = NULL;
    if (reference == NULL) {
        return TM_OK;
    }
    tm_counted *const self = tm__mem_zalloc(1, sizeof(*self));
    bool ok = self != NULL;
    if (ok) {
        self->plan = tm__cells_plan_create(reference);
        self->cells = tm__mem_zalloc(n_threads, sizeof(tm_cells *));
        ok = self->plan != NULL && self->cells != NULL &&
             tm__counts_init(&self->before, self->plan) && tm__counts_init(&self->now, self->plan);
    }
    for (; ok && self->n < n_threads; self->n++) {
        self->cells[self->n] = tm__cells_create(self->plan);
        ok = self->cells[self->n] != NULL;
    }
    if (!ok) {
        tm__counted_free(self);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    *out = self;
    return TM_OK;
}

void tm__counted_free(tm_counted *counted) {
    if (counted == NULL) {
        return;
    }
    for (uint32_t i = 0; counted->cells != NULL && i < counted->n; i++) {
        tm__cells_free(counted->cells[i]);
    }
    tm__mem_free(counted->cells);
    tm__counts_done(&counted->before);
    tm__counts_done(&counted->now);
    tm__cells_plan_free(counted->plan);
    tm__mem_free(counted);
}

static tm_status collect(const tm_served *served, tm_drift_watch *watch, int64_t now_us,
                         tm_err *err) {
    tm_counted *const c = served->counted;
    if (c == NULL) {
        return TM_OK;
    }
    tm__counts_reset(&c->now);
    for (uint32_t i = 0; i < c->n; i++) {
        tm__cells_read(c->cells[i], &c->now);
    }
    tm__counts_since(&c->now, &c->before);
    const tm_drift_news news = {.bundle = served->bundle,
                                .model = served->model,
                                .version = served->version,
                                .counts = &c->now};
    TM_TRY(tm__drift_watch_add(watch, &news, now_us, err));
    tm__counts_add(&c->before, &c->now);
    return TM_OK;
}

tm_status tm__counted_collect(const tm_current *current, tm_drift_watch *watch, int64_t now_us,
                              tm_err *err) {
    for (uint32_t i = 0; i < current->n; i++) {
        TM_TRY(collect(current->routes[i], watch, now_us, err));
    }
    for (uint32_t i = 0; i < current->n_kept; i++) {
        TM_TRY(collect(current->kept[i], watch, now_us, err));
    }
    return TM_OK;
}
