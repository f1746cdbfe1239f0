/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/published.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/mem.h"

#define AWAY UINT64_MAX

typedef struct slot {
    _Alignas(64) _Atomic uint64_t epoch; /* when it came in, or AWAY */
} slot;

struct tm_published {
    tm_current *_Atomic current;
    _Atomic uint64_t epoch;
    _Atomic uint64_t known_ns; /* see tm__published_know() */
    uint32_t n_readers, n_waits_max;
    slot *readers;               /* [n_readers] */
    tm_current *staged, *before; /* the writer's: before the moment of staged, before; or NULL */
};

tm_published *tm__published_create(uint32_t n_readers, uint32_t n_waits_max) {
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
    p->n_waits_max = n_waits_max;
    return p;
}

void tm__published_free(tm_published *p) {
    if (p != NULL) {
        tm__current_unref(atomic_load(&p->current));
        tm__current_unref(p->before);
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

/* ---- Changes that take effect at a moment ---- */

tm_current *tm__published_stage(tm_published *p, tm_current *current, uint64_t from_ns,
                                uint64_t surely_ns) {
    const bool is_again = p->before != NULL;
    tm_current *const before = is_again ? p->before : atomic_load(&p->current);
    current->from_ns = is_again ? p->staged->from_ns : from_ns;
    current->surely_ns = is_again ? p->staged->surely_ns : surely_ns;
    atomic_store(&current->before, before);
    tm_current *const old = tm__published_swap(p, current);
    p->staged = current;
    p->before = before;
    return is_again ? old : NULL;
}

bool tm__published_is_staged(const tm_published *p) {
    return p->before != NULL;
}

uint32_t tm__published_wait_ms(const tm_published *p) {
    const uint64_t now_ns = tm__mono_ns();
    return p->before == NULL || p->staged->surely_ns <= now_ns
               ? 0
               : (uint32_t)((p->staged->surely_ns - now_ns) / 1000000) + 1;
}

tm_current *tm__published_settle(tm_published *p) {
    tm_current *const before = p->before;
    if (before == NULL || tm__published_wait_ms(p) > 0) {
        return NULL;
    }
    atomic_store(&p->staged->before, NULL);
    before->retired_epoch = atomic_fetch_add(&p->epoch, 1) + 1;
    p->before = NULL;
    return before;
}

void tm__published_know(tm_published *p, uint64_t until_ns) {
    atomic_store(&p->known_ns, until_ns);
}

/* Waits until a look has ended, well or badly. Waits are counted, and not what a clock says: who
 * was stopped meanwhile gives the look its time. True when it waited. */
static bool wait_until_known(tm_published *p) {
    uint64_t known_ns = atomic_load(&p->known_ns);
    uint32_t n = 0;
    for (; known_ns != 0 && tm__mono_ns() > known_ns; n++) {
        if (n == p->n_waits_max) {
            (void)atomic_compare_exchange_strong(&p->known_ns, &known_ns, 0);
            break;
        }
        tm__sleep_ms(1);
        known_ns = atomic_load(&p->known_ns);
    }
    return n > 0;
}

tm_current *tm__published_answer(tm_published *p, bool *out_has_waited) {
    *out_has_waited = atomic_load(&p->known_ns) != 0 && wait_until_known(p);
    tm_current *const current = atomic_load(&p->current);
    tm_current *const before = current == NULL ? NULL : atomic_load(&current->before);
    if (before == NULL) {
        return current;
    }
    uint64_t now_ns = tm__mono_ns();
    if (now_ns < current->from_ns) {
        return before;
    }
    for (; now_ns < current->surely_ns; now_ns = tm__mono_ns()) {
        *out_has_waited = true;
        tm__sleep_ms(1);
    }
    return current;
}

bool tm__published_is_past(tm_published *p, uint64_t epoch) {
    for (uint32_t i = 0; i < p->n_readers; i++) {
        if (atomic_load(&p->readers[i].epoch) < epoch) { /* AWAY is the largest */
            return false;
        }
    }
    return true;
}
