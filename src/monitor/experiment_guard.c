/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     log ──────> first answers ──> counts of slow units
 *     server ───> counts now, less those of the start ──> requests that failed
 *
 * 1. Nothing is kept between looks: each is made of the record, the log and the server's figures.
 * 2. A unit's first answer never changes, so counts only grow.
 */
#include "monitor/experiment_guard.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/serving_file.h"

#define SEEN_FIRST 1024u
#define SLOW 4u

/* ---- What is said ---- */

bool tm__guards_have(const json_t *guardrails, const char *metric) {
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach((json_t *)(uintptr_t)guardrails, i, one) {
        if (strcmp(tm__json_text(one, "metric", ""), metric) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- Requests, as the server counts them ---- */

static json_t *counted_of(const json_t *arms, const char *server, const uint32_t versions[2]) {
    tm_arm_counts by_arm[2] = {{0, 0}, {0, 0}}, fallen = {0, 0};
    for (uint32_t a = 0; a < 2; a++) {
        tm__serving_count(arms, versions[a], "champion", &by_arm[a]);
        tm__serving_count(arms, versions[a], "challenger", &by_arm[a]);
    }
    tm__serving_count(arms, versions[0], "fallback", &fallen); /* it answered for the treatment */
    by_arm[1].failed += fallen.answered + fallen.failed;
    return json_pack("{s:s, s:[I, I], s:[I, I]}", "server", server, "requests",
                     (json_int_t)(by_arm[0].answered + by_arm[0].failed),
                     (json_int_t)(by_arm[1].answered + by_arm[1].failed), "failed",
                     (json_int_t)by_arm[0].failed, (json_int_t)by_arm[1].failed);
}

tm_status tm__guards_counted(const tm_home *home, const char *model, const uint32_t versions[2],
                             json_t **out, tm_err *err) {
    json_t *serving = NULL, *made = NULL;
    TM_TRY(tm__serving_read(home, &serving, err));
    const json_t *arms = json_object_get(tm__serving_route(serving, model), "arms");
    const char *server = tm__json_text(json_object_get(serving, "server"), "started", "");
    made = arms != NULL && tm__serving_is_fresh(serving, tm__now_us())
               ? counted_of(arms, server, versions)
               : json_null();
    json_decref(serving);
    const tm_status st = tm__json_check(err);
    if (st == TM_OK) {
        *out = made;
    } else {
        json_decref(made);
    }
    return st;
}

static uint64_t figure(const json_t *counted, const char *member, uint32_t arm) {
    const json_int_t n = json_integer_value(json_array_get(json_object_get(counted, member), arm));
    return n > 0 ? (uint64_t)n : 0;
}

/* All that it counted came since. */
static bool is_later(const char *server, const char *experiment) {
    int64_t server_us = 0, started_us = 0;
    return tm__time_parse(tm__str(server), &server_us) &&
           tm__time_parse(tm__str(experiment), &started_us) && server_us >= started_us;
}

void tm__guards_errors(const json_t *experiment, const json_t *now, tm_ab_share *out) {
    const json_t *then = json_object_get(experiment, "counted");
    const char *server = tm__json_text(now, "server", "");
    const bool is_same =
        json_is_object(then) && strcmp(tm__json_text(then, "server", "?"), server) == 0;
    if (!json_is_object(now) ||
        !(is_same || is_later(server, tm__json_text(experiment, "started", "")))) {
        return;
    }
    for (uint32_t a = 0; a < 2; a++) {
        const uint64_t n = figure(now, "requests", a), k = figure(now, "failed", a);
        const uint64_t n_old = is_same ? figure(then, "requests", a) : 0;
        const uint64_t k_old = is_same ? figure(then, "failed", a) : 0;
        out->n[a] = n > n_old ? n - n_old : 0;
        out->k[a] = k > k_old ? k - k_old : 0;
        out->k[a] = out->k[a] < out->n[a] ? out->k[a] : out->n[a];
    }
}

void tm__guards_errors_then(const json_t *experiment, tm_ab_share *out) {
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(json_object_get(json_object_get(experiment, "evidence"), "guardrails"), i,
                       one) {
        for (uint32_t a = 0; a < 2 && strcmp(tm__json_text(one, "metric", ""), out->name) == 0;
             a++) {
            out->n[a] = figure(one, "units", a);
            out->k[a] = figure(one, "bad", a);
        }
    }
}

/* ---- First answers ---- */

static tm_status grow(tm_first_answers *self, tm_err *err) {
    const uint64_t n_max = self->n_max == 0 ? SEEN_FIRST : 2 * self->n_max;
    uint8_t *seen = tm__mem_realloc(self->seen, n_max, sizeof(*seen));
    if (seen == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the units of an experiment");
    }
    self->seen = seen;
    self->n_max = n_max;
    return TM_OK;
}

tm_status tm__first_answer(tm_first_answers *self, uint64_t unit, const tm_arm_answer *answer,
                           tm_err *err) {
    const uint8_t arm = (uint8_t)(1u << answer->arm);
    if (unit < self->n) {
        self->seen[unit] |= arm;
        return TM_OK;
    }
    if (self->n == self->n_max) {
        TM_TRY(grow(self, err));
    }
    self->seen[self->n++] = (uint8_t)(arm | (answer->latency_us > self->slow_us ? SLOW : 0));
    return TM_OK;
}

void tm__first_answers_count(const tm_first_answers *self, tm_ab_share *out) {
    for (uint64_t unit = 0; unit < self->n; unit++) {
        const uint32_t arms = self->seen[unit] & 3u;
        if (arms != 3) {
            out->n[arms - 1]++;
            out->k[arms - 1] += (self->seen[unit] & SLOW) != 0;
        }
    }
}

void tm__first_answers_done(tm_first_answers *self) {
    tm__mem_free(self->seen);
    memset(self, 0, sizeof(*self));
}
