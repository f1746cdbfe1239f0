/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   log.db ── labels that joined since the last look ──> detector ── change ──> alert
 *
 * 1. A look is once a minute for each version; its labels are read from behind the newest one
 * taken, so none is taken twice and none is left out, whoever wrote it.
 * 2. A minute is looked at when a later one has begun, or at the end.
 * 3. Changes are told in their order; what could not be told is told first at the next look.
 */
#include "monitor/error_watch.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

#define IDLE_US TM_HOUR_US
#define KEPT_MAX                                                                                   \
    4u /* versions of a model that may idle for so long; older ones go after a minute */
#define KIND "performance"
#define SUBJECT "errors"
#define CRITICAL_CHANGE                                                                            \
    0.25 /* the error is a quarter larger than it was: who is on call is woken */

typedef struct watched {
    struct watched *next;
    char model[TM_MAX_NAME + 1];
    uint32_t version;
    tm_bundle *bundle; /* a reference */
    bool is_begun;     /* labels of before were taken */
    int64_t seen_us, looked_us;
    uint64_t n_told; /* changes */
    tm_errors errors;
} watched;

struct tm_error_watch {
    tm_teller *teller;
    tm_monitor *log; /* NULL: not opened yet; reads, beside the server's own */
    watched *versions;
};

tm_error_watch *tm__error_watch_create(tm_teller *teller) {
    tm_error_watch *const self = tm__mem_zalloc(1, sizeof(*self));
    if (self != NULL) {
        self->teller = teller;
    }
    return self;
}

static void watched_free(watched *w) {
    tm__bundle_unref(w->bundle);
    tm__mem_free(w);
}

static watched *get(tm_error_watch *self, const tm_error_watched *served) {
    for (watched *w = self->versions; w != NULL; w = w->next) {
        if (w->version == served->version && strcmp(w->model, served->model) == 0 &&
            tm__hash_eq(tm__bundle_hash(w->bundle), tm__bundle_hash(served->bundle))) {
            return w;
        }
    }
    watched *const w = tm__mem_zalloc(1, sizeof(*w));
    if (w != NULL) {
        (void)tm__str_copy(w->model, sizeof(w->model), tm__str(served->model));
        w->version = served->version;
        w->bundle = tm__bundle_ref(served->bundle);
        w->errors.until_us = INT64_MIN;
        w->looked_us = INT64_MIN;
        w->next = self->versions;
        self->versions = w;
    }
    return w;
}

/* The changes of before that were told, or that are old. */
static tm_status begin(tm_error_watch *self, watched *w, int64_t now_us, tm_err *err) {
    const tm_alert_raise key = {.model = w->model, .kind = KIND, .subject = SUBJECT};
    const uint64_t n = w->errors.n_changes;
    tm_drift_store *store = NULL;
    int64_t last_us = INT64_MIN;
    w->n_told = n;
    if (n > 0) {
        TM_TRY(tm__teller_store(self->teller, &store, err));
        TM_TRY(tm__alert_last(store, &key, &last_us, err));
    }
    while (w->n_told > 0 && n - w->n_told < TM_ERRORS_CHANGES) {
        const int64_t at_us = w->errors.changes[(w->n_told - 1) % TM_ERRORS_CHANGES].at_us;
        if (at_us <= last_us || at_us <= now_us - TM_DAY_US) {
            break;
        }
        w->n_told--;
    }
    w->is_begun = true;
    return TM_OK;
}

/* Labels that joined since the last look; a minute is over when a later one has begun. */
static tm_status read(tm_error_watch *self, watched *w, int64_t now_us, tm_err *err) {
    const tm_monitor_options reading = {.can_write = false};
    const tm_errors_ask ask = {w->model, w->version, w->errors.until_us};
    tm_label_errors rows = {0};
    if (self->log == NULL) {
        TM_TRY(tm__monitor_open(self->teller->home, &reading, &self->log, err));
    }
    TM_TRY(tm__errors_read(self->log, w->bundle, &ask, &rows, err));
    w->errors.budget_us = tm__teller_budget_us(self->teller, w->model);
    for (uint64_t i = 0; i < rows.n; i++) {
        tm__errors_add(&w->errors, &rows.rows[i]);
    }
    tm__mem_free(rows.rows);
    if (w->errors.has_minute && now_us >= w->errors.minute_us + TM_MINUTE_US) {
        tm__errors_end_minute(&w->errors);
    }
    return w->is_begun ? TM_OK : begin(self, w, now_us, err);
}

static tm_status raise(tm_error_watch *self, const watched *w, const tm_error_change *change,
                       tm_err *err) {
    static const char next[] =
        "Look at 'tidemill monitor report': where it is bad, and what moved; "
        "roll back when it began with a promotion, else retrain.";
    const double scale = tm__errors_scale(w->bundle);
    const double was = scale * change->cut.was, is = scale * change->cut.is;
    const char *const name = tm__bundle_task(w->bundle) == TM_TASK_REGRESSION
                                 ? "mean absolute error"
                                 : "squared error of the probabilities (Brier)";
    char text[200];
    (void)snprintf(text, sizeof(text), "%s of answers whose labels came: %.4g -> %.4g", name, was,
                   is);
    json_t *const detail = json_pack("{s:s, s:o, s:o, s:I, s:I, s:s}", "error",
                                     tm__errors_name(w->bundle), "was", tm__json_number(was), "is",
                                     tm__json_number(is), "before", (json_int_t)change->cut.n_was,
                                     "labels", (json_int_t)change->cut.n_is, "next", next);
    const tm_alert_raise alarm = {.model = w->model,
                                  .version = w->version,
                                  .kind = KIND,
                                  .subject = SUBJECT,
                                  .is_critical = is > (1 + CRITICAL_CHANGE) * was,
                                  .since_us = change->cut.since_us,
                                  .at_us = w->looked_us,
                                  .summary = text,
                                  .detail = detail};
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? tm__teller_raise(self->teller, &alarm, err) : st;
    json_decref(detail);
    return st;
}

/* An error that fell is no alarm; the report has it. */
static tm_status tell(tm_error_watch *self, watched *w, tm_err *err) {
    const uint64_t n = w->errors.n_changes;
    if (n - w->n_told > TM_ERRORS_CHANGES) {
        w->n_told = n - TM_ERRORS_CHANGES;
    }
    for (; w->n_told < n; w->n_told++) {
        const tm_error_change *const change = &w->errors.changes[w->n_told % TM_ERRORS_CHANGES];
        if (change->cut.is > change->cut.was) {
            TM_TRY(raise(self, w, change, err));
        }
    }
    return TM_OK;
}

/* A clock that went back is looked at again at once, and goes on from there. */
tm_status tm__error_watch_see(tm_error_watch *self, const tm_error_watched *served, int64_t now_us,
                              tm_err *err) {
    watched *const w = get(self, served);
    if (w == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to watch the errors of a model");
    }
    w->seen_us = now_us;
    if (w->is_begun) {
        TM_TRY(tell(self, w, err));
    }
    if (w->looked_us != INT64_MIN && now_us >= w->looked_us &&
        now_us - w->looked_us < TM_MINUTE_US) {
        return TM_OK;
    }
    TM_TRY(read(self, w, now_us, err));
    w->looked_us = now_us;
    return tell(self, w, err);
}

/* How many versions of the same model were met later: the newest are first in the list. */
static uint32_t rank_of(const tm_error_watch *self, const watched *w) {
    uint32_t n = 0;
    for (const watched *other = self->versions; other != w; other = other->next) {
        n += strcmp(other->model, w->model) == 0 ? 1 : 0;
    }
    return n;
}

void tm__error_watch_leave(tm_error_watch *self,
                           bool (*stays)(void *arg, const char *model, uint32_t version),
                           void *arg) {
    for (watched **at = &self->versions; *at != NULL;) {
        watched *const w = *at;
        if (stays(arg, w->model, w->version)) {
            at = &w->next;
        } else {
            *at = w->next;
            watched_free(w);
        }
    }
}

void tm__error_watch_sweep(tm_error_watch *self, int64_t now_us) {
    for (watched **at = &self->versions; *at != NULL;) {
        watched *const w = *at;
        const int64_t idle_us = rank_of(self, w) < KEPT_MAX ? IDLE_US : TM_MINUTE_US;
        if (now_us - w->seen_us > idle_us) {
            *at = w->next;
            watched_free(w);
        } else {
            at = &w->next;
        }
    }
}

/* What the minute at hand says is told now: after a start it would be some time until it is. */
static void finish(tm_error_watch *self, watched *w) {
    const int64_t now_us = tm__now_us();
    tm_status st = w->is_begun ? read(self, w, now_us, NULL) : TM_OK;
    if (st == TM_OK && w->is_begun) {
        w->looked_us = now_us;
        tm__errors_end_minute(&w->errors);
        st = tell(self, w, NULL);
    }
    (void)st; /* nobody is left to try again but the next server */
}

void tm__error_watch_free(tm_error_watch *watch) {
    if (watch == NULL) {
        return;
    }
    for (watched *w = watch->versions, *next = NULL; w != NULL; w = next) {
        next = w->next;
        finish(watch, w);
        watched_free(w);
    }
    tm__monitor_close(watch->log);
    tm__mem_free(watch);
}
