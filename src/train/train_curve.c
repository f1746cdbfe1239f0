/* SPDX-License-Identifier: Apache-2.0 */
#include "train/train_curve.h"

#include <math.h>

#include "base/clock.h"

#define KEPT_MAX 60u

/* ---- A curve ---- */

void tm__curve_init(tm_curve *out, uint32_t n_max) {
    out->n = out->n_seen = 0;
    out->step = 1;
    out->n_max = n_max;
}

void tm__curve_add(tm_curve *self, double x, double y) {
    if (self->n_seen++ % self->step != 0) {
        return;
    }
    if (self->n == self->n_max) {
        for (uint32_t i = 0; 2 * i < self->n_max; i++) {
            self->x[i] = self->x[2 * i];
            self->y[i] = self->y[2 * i];
        }
        self->n = self->n_max / 2;
        self->step *= 2;
    }
    self->x[self->n] = x;
    self->y[self->n++] = y;
}

/* ---- What is heard ---- */

static void hear_round(void *arg, uint32_t round, double score) {
    tm_kept_curves *const k = arg;
    if (k->on_round != NULL) {
        k->on_round(k->on_round_arg, round, score);
    }
    if (k->round.n > 0 && round <= k->round.x[k->round.n - 1]) { /* another fit */
        tm__curve_init(&k->round, KEPT_MAX);
    }
    tm__curve_add(&k->round, round, score);
}

static void hear_trial(void *arg, const tm_trial *trial) {
    tm_kept_curves *const k = arg;
    if (k->on_trial != NULL) {
        k->on_trial(k->on_trial_arg, trial);
    }
    if (trial->is_best && isfinite(trial->score)) {
        const double seconds = (double)(tm__mono_ns() - k->began_ns) * 1e-9;
        k->chosen = k->round;
        (void)tm__str_copy(k->learner, sizeof k->learner, tm__str(trial->learner));
        tm__curve_add(&k->best, round(1e3 * seconds) * 1e-3, trial->score);
    }
    tm__curve_init(&k->round, KEPT_MAX);
}

void tm__kept_curves_begin(tm_kept_curves *out, tm_ctx *ctx, const tm_train_options *options) {
    *out = (tm_kept_curves){.ctx = ctx,
                            .options = *options,
                            .on_trial = options->on_trial,
                            .on_trial_arg = options->on_trial_arg,
                            .on_round = ctx->on_round,
                            .on_round_arg = ctx->on_round_arg,
                            .began_ns = tm__mono_ns()};
    tm__curve_init(&out->best, KEPT_MAX);
    tm__curve_init(&out->round, KEPT_MAX);
    tm__curve_init(&out->chosen, KEPT_MAX);
    out->options.on_trial = hear_trial;
    out->options.on_trial_arg = ctx->on_round_arg = out;
    ctx->on_round = hear_round;
}

void tm__kept_curves_end(tm_kept_curves *self) {
    self->ctx->on_round = self->on_round;
    self->ctx->on_round_arg = self->on_round_arg;
}

/* ---- As an object ---- */

json_t *tm__kept_curves_json(const tm_kept_curves *self) {
    const bool is_searched = self->learner[0] != '\0';
    const tm_curve *const rounds = is_searched ? &self->chosen : &self->round;
    json_t *const out = json_object();
    if (self->best.n > 1) {
        json_object_set_new(out, "search",
                            json_pack("{s:o, s:o}", "seconds",
                                      tm__json_numbers(self->best.x, self->best.n), "score",
                                      tm__json_numbers(self->best.y, self->best.n)));
    }
    if (rounds->n > 1) {
        json_object_set_new(out, "rounds",
                            json_pack("{s:s?, s:o, s:o}", "learner",
                                      is_searched ? self->learner : NULL, "round",
                                      tm__json_numbers(rounds->x, rounds->n), "loss",
                                      tm__json_numbers(rounds->y, rounds->n)));
    }
    return out;
}
