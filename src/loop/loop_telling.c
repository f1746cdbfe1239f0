/* SPDX-License-Identifier: Apache-2.0 */
/* Children tell receivers of alerts and of moves when something is due, one a receiver: what hangs
 * or is far away makes nobody else wait. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "loop/alerts.h"
#include "loop/loop_priv.h"
#include "monitor/alert.h"
#include "registry/hooks.h"

#define RUNNING_MS 500u
#define LOOK_MS 1000u
#define OF_MOVES_MAX (TM_CHILDREN_MAX / 2) /* at once: alerts have room, however many hang */
#define RETRY_NS UINT64_C(5000000000)      /* after a child that could not be started */

static void say(const tm_telling *t, const char *text) {
    if (t->log != NULL) {
        tm_log_event(t->log, TM_WARN, "alerts.deliver", TM_FT("result", text));
    }
}

/* Receivers that something is due for and that no child tells. */
typedef struct due {
    tm_telling *t;
    char marks[TM_CHILDREN_MAX][TM_RECEIVER_MARK];
    uint32_t n;
    uint32_t n_of_moves; /* with those that are told now */
} due;

static bool add_mark(due *d, const char *mark) {
    bool is_known = tm__children_has(&d->t->children, mark);
    for (uint32_t i = 0; i < d->n; i++) {
        is_known = is_known || strcmp(d->marks[i], mark) == 0;
    }
    if (!is_known) {
        (void)tm__str_copy(d->marks[d->n++], TM_RECEIVER_MARK, tm__str(mark));
    }
    return d->n < TM_CHILDREN_MAX;
}

static bool add_receiver(void *arg, const tm_delivery *delivery) {
    char mark[TM_RECEIVER_MARK];
    tm__receiver_mark(NULL, delivery->receiver, mark);
    return add_mark(arg, mark);
}

static bool add_of_moves(void *arg, const char *model, const char *name) {
    char mark[TM_RECEIVER_MARK];
    due *const d = arg;
    const uint32_t n_before = d->n;
    if (d->n_of_moves >= OF_MOVES_MAX) {
        return false;
    }
    tm__receiver_mark(model, name, mark);
    const bool has_room = add_mark(d, mark);
    d->n_of_moves += d->n - n_before;
    return has_room;
}

static tm_status find_due(due *d, tm_registry *registry, tm_err *err) {
    tm_telling *const t = d->t;
    for (uint32_t i = 0; i < t->children.n; i++) {
        d->n_of_moves += tm__receiver_is_of_moves(t->children.items[i].name) ? 1 : 0;
    }
    TM_TRY(tm__hooks_due(registry, tm__now_us(), add_of_moves, d, err));
    if (t->store == NULL) { /* kept: over a network each opening is a connection */
        TM_TRY(tm__drift_store_open(t->children.home, false, &t->store, err));
    }
    return t->store == NULL ? TM_OK
                            : tm__delivery_due(t->store, tm__now_us(), add_receiver, d, err);
}

static void forget_store(tm_telling *t) {
    tm__drift_store_close(t->store);
    t->store = NULL;
}

static void reap(tm_telling *t) {
    tm_named_child ended;
    tm_child_state state = {0};
    while (tm__children_next_ended(&t->children, &ended, &state)) {
        if (state.exit_code != 0) {
            say(t, "not all was taken");
        }
    }
}

uint32_t tm__telling_step(tm_telling *t, tm_registry *registry) {
    tm_err err = {0};
    due d = {.t = t};
    reap(t);
    if (tm__mono_ns() < t->not_before_ns) {
        return LOOK_MS;
    }
    tm_status st = find_due(&d, registry, &err);
    for (uint32_t i = 0; st == TM_OK && i < d.n && t->children.n < TM_CHILDREN_MAX; i++) {
        st = tm__children_start(&t->children, "monitor", "deliver", d.marks[i], &err);
    }
    if (st != TM_OK) {
        forget_store(t);
        t->not_before_ns = tm__mono_ns() + RETRY_NS;
        say(t, err.message);
    }
    return t->children.n > 0 ? RUNNING_MS : LOOK_MS;
}

void tm__telling_stop(tm_telling *t) {
    tm__children_stop(&t->children);
    forget_store(t);
}
