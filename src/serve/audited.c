/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. A row is of one caller, endpoint and outcome; what has no room is counted with others of the
 *    same outcome, so that nothing goes uncounted.
 * 2. Rows that were appended lose what was appended, not what came meanwhile.
 */
#include "serve/audited.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"

#define ROWS 127u
#define KEEP_NS UINT64_C(5000000000)
#define ACTOR_BYTES 80

typedef struct row {
    const tm_endpoint *endpoint; /* NULL: of several */
    char actor[ACTOR_BYTES];
    bool is_refused;
    uint64_t n;
    int64_t first_us, last_us;
} row;

struct tm_audited {
    tm_mutex *lock; /* of all below but kept_ns */
    row rows[ROWS];
    uint32_t n;    /* rows in use */
    row others[2]; /* by is_refused */
    uint64_t kept_ns;
};

tm_audited *tm__audited_create(void) {
    tm_audited *const self = tm__mem_zalloc(1, sizeof(*self));
    if (self != NULL) {
        self->lock = tm__mutex_create();
        self->others[1].is_refused = true;
        if (self->lock == NULL) {
            tm__mem_free(self);
            return NULL;
        }
    }
    return self;
}

void tm__audited_free(tm_audited *audited) {
    if (audited != NULL) {
        tm__mutex_free(audited->lock);
        tm__mem_free(audited);
    }
}

static row *row_of_locked(tm_audited *self, const tm_endpoint *endpoint, const char *actor,
                          bool is_refused) {
    for (uint32_t i = 0; i < self->n; i++) {
        row *const r = &self->rows[i];
        if (r->endpoint == endpoint && r->is_refused == is_refused &&
            strcmp(r->actor, actor) == 0) {
            return r;
        }
    }
    if (self->n == ROWS) {
        return &self->others[is_refused];
    }
    row *const fresh = &self->rows[self->n++];
    *fresh = (row){.endpoint = endpoint, .is_refused = is_refused};
    (void)tm__str_copy(fresh->actor, sizeof(fresh->actor), tm__str(actor));
    return fresh;
}

void tm__audited_count(tm_audited *audited, const tm_endpoint *endpoint, const char *actor,
                       unsigned status) {
    const bool is_refused = status == 401 || status == 403;
    const bool is_import = endpoint != NULL && status >= 200 && status < 300 &&
                           (endpoint->permission == TM_PERMISSION_LABEL ||
                            endpoint->permission == TM_PERMISSION_INGEST);
    if (audited == NULL || (!is_refused && !is_import)) {
        return;
    }
    const int64_t now_us = tm__now_us();
    tm__mutex_lock(audited->lock);
    row *const r = row_of_locked(audited, endpoint, actor, is_refused);
    r->first_us = r->n == 0 ? now_us : r->first_us;
    r->last_us = now_us;
    r->n++;
    tm__mutex_unlock(audited->lock);
}

static tm_status keep_row(tm_registry *registry, const row *r, tm_err *err) {
    char object[128];
    char first[48], last[48];
    (void)tm__time_to_text(r->first_us, first);
    (void)tm__time_to_text(r->last_us, last);
    (void)snprintf(object, sizeof(object), "endpoint:%s",
                   r->endpoint == NULL ? "several" : r->endpoint->name);
    json_t *details =
        json_pack("{s:I, s:s, s:s}", "requests", (json_int_t)r->n, "first", first, "last", last);
    const tm_audit_note note = {.event = r->is_refused ? "http.refused" : "http.imported",
                                .object = object,
                                .outcome = r->is_refused ? "refused" : NULL,
                                .details = details};
    const tm_actor actor = {.name = r->actor[0] == '\0' ? "http:unknown" : r->actor};
    const tm_status st = details == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                         : tm__audit_append(registry, &note, &actor, err);
    json_decref(details);
    return st;
}

/* Take out the last row in use, then those of others; false when there is none left. */
static bool take(tm_audited *self, row *out) {
    tm__mutex_lock(self->lock);
    row *const others = &self->others[self->others[0].n > 0 ? 0 : 1];
    const bool has = self->n > 0 || others->n > 0;
    if (self->n > 0) {
        *out = self->rows[--self->n];
    } else if (has) {
        *out = *others;
        *others = (row){.is_refused = out->is_refused};
    }
    tm__mutex_unlock(self->lock);
    return has;
}

static void give_back(tm_audited *self, const row *r) {
    tm__mutex_lock(self->lock);
    row *const place = r->endpoint == NULL && r->actor[0] == '\0'
                           ? &self->others[r->is_refused]
                           : row_of_locked(self, r->endpoint, r->actor, r->is_refused);
    place->first_us = r->first_us;
    place->last_us = place->last_us < r->last_us ? r->last_us : place->last_us;
    place->n += r->n;
    tm__mutex_unlock(self->lock);
}

tm_status tm__audited_keep(tm_audited *audited, tm_registry *registry, bool must, tm_err *err) {
    const uint64_t now_ns = tm__mono_ns();
    row one;
    tm_status st = TM_OK;
    if (audited == NULL || (!must && now_ns - audited->kept_ns < KEEP_NS)) {
        return TM_OK;
    }
    audited->kept_ns = now_ns;
    for (uint32_t i = 0; st == TM_OK && i < ROWS + 2 && take(audited, &one); i++) {
        st = keep_row(registry, &one, err);
        if (st != TM_OK) {
            give_back(audited, &one);
        }
    }
    return st;
}
