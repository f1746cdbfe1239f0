/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/subject_beside.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/upkeep.h"
#include "store/online.h"
#include "store/settle.h"

#define LOOK_MS 20u
#define TRIES 100u /* of what a server's child is in the way of */
#define TRY_MS 100u
#define SETTLE_NS (UINT64_C(60) * 1000000000u)
#define UPKEEP_LOOKS 50u /* between two tries to make the store here */

tm_status tm__beside_look(tm_beside *beside, tm_err *err) {
    if (beside->lock != NULL) {
        return TM_OK;
    }
    char *const path = tm__fs_join(tm__home_path(beside->home), "log.lock");
    tm_err own = {0};
    const tm_status st = path == NULL ? TM_FAIL(&own, TM_E_NOMEM, "out of memory")
                                      : tm__lock_open(path, &beside->lock, &own);
    tm__mem_free(path);
    if (st != TM_OK && st != TM_E_CONFLICT && err != NULL) {
        *err = own;
    }
    return st == TM_E_CONFLICT ? TM_OK : st;
}

static tm_status sleep_ms(const tm_beside *beside, uint32_t ms, tm_err *err) {
    if (tm__ctx_cancelled(beside->ctx)) {
        return TM_FAIL(err, TM_E_CANCELLED, "stopped");
    }
    tm__sleep_ms(ms);
    return TM_OK;
}

tm_status tm__beside_try(tm_beside *beside, tm_status (*fn)(void *arg, tm_err *err), void *arg,
                         tm_err *err) {
    tm_err own = {0};
    tm_status st = fn(arg, &own);
    for (uint32_t i = 0; st == TM_E_CONFLICT && beside->lock == NULL && i < TRIES; i++) {
        TM_TRY(sleep_ms(beside, TRY_MS, err));
        st = fn(arg, &own);
    }
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}

/* ---- The online store ---- */

/* Make it here, unless another process keeps it. */
static tm_status make_online(const tm_beside *beside, bool *out_done, tm_err *err) {
    static const tm_upkeep_options options = {.begins_anew = true};
    json_t *views = NULL;
    tm_err own = {0};
    const tm_status st = tm__upkeep_run(beside->ctx, beside->home, &options, &views, &own);
    json_decref(views);
    *out_done = st == TM_OK;
    if (st != TM_OK && st != TM_E_CONFLICT && err != NULL) {
        *err = own;
    }
    return st == TM_E_CONFLICT ? TM_OK : st;
}

static tm_status renew_online(tm_beside *beside, uint64_t before, tm_err *err) {
    tm_settle asked = {.begins_anew = true};
    bool is_done = false;
    TM_TRY(make_online(beside, &is_done, err));
    if (!is_done) {
        TM_TRY(tm__settle_ask(beside->home, &asked, err));
    }
    for (uint32_t i = 1; !is_done && tm__online_newest(beside->home) <= before; i++) {
        TM_TRY(sleep_ms(beside, LOOK_MS, err));
        if (i % UPKEEP_LOOKS == 0) { /* who kept it may be gone */
            TM_TRY(make_online(beside, &is_done, err));
        }
    }
    return TM_OK;
}

tm_status tm__beside_online(tm_beside *beside, tm_err *err) {
    const uint64_t before = tm__online_newest(beside->home);
    TM_TRY(tm__beside_look(beside, err));
    return before == 0 || beside->lock != NULL ? tm__online_remove(beside->home, err)
                                               : renew_online(beside, before, err);
}

/* ---- The server ---- */

tm_status tm__beside_settle(tm_beside *beside, tm_err *err) {
    tm_settle asked = {0};
    TM_TRY(tm__beside_look(beside, err));
    if (beside->lock != NULL) {
        return TM_OK;
    }
    const uint64_t until_ns = tm__mono_ns() + SETTLE_NS;
    TM_TRY(tm__settle_ask(beside->home, &asked, err));
    while (!tm__settle_is_answered(beside->home, asked.number)) {
        if (tm__mono_ns() > until_ns) {
            const tm_status st = TM_FAIL(
                err, TM_E_CONFLICT, "the server did not let go of what it had within a minute");
            tm_err_hint(err, "A request may take long, or its log's disk be full. Run the same "
                             "command again.");
            return st;
        }
        TM_TRY(sleep_ms(beside, LOOK_MS, err));
        TM_TRY(tm__beside_look(beside, err)); /* it may have ended */
        if (beside->lock != NULL) {
            return TM_OK;
        }
    }
    return TM_OK;
}

void tm__beside_end(tm_beside *beside) {
    if (beside->home != NULL) {
        tm__settle_end(beside->home);
    }
    tm__file_close(beside->lock);
    beside->lock = NULL;
}
