/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/published.h"

#include <stdatomic.h>

#include "base/mem.h"

#define AWAY UINT64_MAX

typedef struct slot {
    _Alignas(64) _Atomic uint64_t epoch; /* when it came in, or AWAY */
} slot;

struct tm_published {
    tm_current *_Atomic current;
    _Atomic uint64_t epoch;
    uint32_t n_readers;
    slot *readers; /* [n_readers] */
};

tm_published *tm__published_create(uint32_t n_readers) {
    tm_published *p = tm__mem_zalloc(1, sizeof *p);
    slot *readers = tm__mem_zalloc(n_readers, sizeof *readers);
    if (p == NULL || readers == NULL) {
        tm__mem_free(p);
        tm__mem_free(readers);
        return NULL;
    }
    for (uint32_t i = 0; i < n_readers; i++) {
        atomic_init(&readers[i].epoch, AWAY);
    }
    p->readers = readers;
    p->n_readers = n_readers;
    return p;
}

void tm__published_free(tm_published *p) {
    if (p != NULL) {
        tm__current_unref(atomic_load(&p->current));
        tm__mem_free(p->readers);
        tm__mem_free(p);
    }
}

/* Everything here is sequentially consistent, and that is the proof: when is_past() sees a reader
 * away, the reader's next enter() comes after that look, hence after the swap, and its view() finds
 * the new pointer. */

void tm__published_enter(tm_published *p, uint32_t reader) {
    atomic_store(&p->readers[reader].epoch, atomic_load(&p->epoch));
}

tm_current *tm__published_view(tm_published *p) {
    return atomic_load(&p->current);
}

void tm__published_leave(tm_published *p, uint32_t reader) {
    atomic_store(&p->readers[reader].epoch, AWAY);
}

tm_current *tm__published_swap(tm_published *p, tm_current *current) {
    tm_current *old = atomic_exchange(&p->current, current);
    const uint64_t epoch = atomic_fetch_add(&p->epoch, 1) + 1;
    if (old != NULL) {
        old->retired_epoch = epoch;
    }
    return old;
}

bool tm__published_is_past(tm_published *p, uint64_t epoch) {
    for (uint32_t i = 0; i < p->n_readers; i++) {
        if (atomic_load(&p->readers[i].epoch) < epoch) { /* AWAY is the largest */
            return false;
        }
    }
    return true;
}
