/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: magic, version, kind, whether positive, rows, then the knots of the spread (places, sizes)
 * and the ranks and scores of both sides, each list behind its length; docs/formats/bundle.md.
 *
 * Invariant: what load() and is_sound() accept gives finite ends for a finite answer, the low one
 * not above the high one.
 */
#include "model/conformal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/sort.h"

#define MAGIC UINT32_C(0x464e4f43) /* "CONF" */
#define VERSION 1u
#define EACH_RANK 64u /* from the top; below, each next one is a fiftieth further away */
#define STEP_PART 50u
#define SIZE_MAX_OF 1e150 /* of a spread and a score: their product is finite */

static void scores_done(tm_conformal_scores *scores) {
    tm__mem_free(scores->ranks);
    tm__mem_free(scores->scores);
    memset(scores, 0, sizeof(*scores));
}

void tm__conformal_done(tm_conformal *self) {
    tm__mem_free(self->at);
    tm__mem_free(self->spread);
    scores_done(&self->above);
    scores_done(&self->below);
    memset(self, 0, sizeof(*self));
}

/* ---- keep ---- */

/* How far from the top the next rank that is kept lies. */
static uint64_t next_below(uint64_t from_top) {
    return from_top < EACH_RANK ? from_top + 1 : from_top + 1 + from_top / STEP_PART;
}

tm_status tm__conformal_keep(double *scores, uint64_t n, tm_conformal_scores *out, tm_err *err) {
    tm_conformal_scores kept = {0};
    for (uint64_t below = 0; below < n; below = next_below(below)) {
        kept.n++;
    }
    kept.ranks = tm__mem_alloc(kept.n, sizeof(*kept.ranks));
    kept.scores = tm__mem_alloc(kept.n, sizeof(double));
    if (kept.ranks == NULL || kept.scores == NULL) {
        scores_done(&kept);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the intervals");
    }
    qsort(scores, n, sizeof(double), tm__compare_f64);
    uint32_t at = kept.n;
    for (uint64_t below = 0; below < n; below = next_below(below)) {
        kept.ranks[--at] = n - below;
        kept.scores[at] = scores[n - below - 1] + 0.0; /* equal ones may be of either sign */
    }
    *out = kept;
    return TM_OK;
}

static bool scores_are_sound(const tm_conformal_scores *scores, uint64_t n_rows) {
    for (uint32_t i = 0; i < scores->n; i++) {
        if (!(fabs(scores->scores[i]) <= SIZE_MAX_OF) || scores->ranks[i] == 0 ||
            (i > 0 && (scores->ranks[i] <= scores->ranks[i - 1] ||
                       scores->scores[i] < scores->scores[i - 1]))) {
            return false;
        }
    }
    return scores->n > 0 && scores->n <= TM_CONFORMAL_RANKS &&
           scores->ranks[scores->n - 1] == n_rows;
}

static bool spread_is_sound(const tm_conformal *self) {
    for (uint32_t i = 0; i < self->n_knots; i++) {
        if (!(fabs(self->at[i]) <= DBL_MAX) ||
            !(self->spread[i] > 0.0 && self->spread[i] <= SIZE_MAX_OF) ||
            (i > 0 && !(self->at[i] > self->at[i - 1]))) {
            return false;
        }
    }
    return self->n_knots <= TM_CONFORMAL_KNOTS;
}

bool tm__conformal_is_sound(const tm_conformal *self) {
    if (self->n_rows == 0 || self->n_rows > UINT64_C(1) << 40 || !spread_is_sound(self) ||
        !scores_are_sound(&self->above, self->n_rows)) {
        return false;
    }
    if (self->kind == TM_CONFORMAL_CLASSES) {
        return self->n_knots == 0 && self->below.n == 0 && !self->is_positive;
    }
    /* The size of a residual is not below 0; of sides apart the lowest may be. */
    return self->kind == TM_CONFORMAL_NUMBER && self->n_knots > 0 &&
           (self->below.n == 0 ? self->above.scores[0] >= 0.0
                               : scores_are_sound(&self->below, self->n_rows));
}

/* ---- use ---- */

double tm__conformal_level_max(const tm_conformal *self) {
    const double missed = (self->below.n > 0 ? 2.0 : 1.0) / ((double)self->n_rows + 1.0);
    return fmax(1.0 - missed, 0.0);
}

/* The smallest kept score whose rank is not below. */
static double score_at(const tm_conformal_scores *scores, uint64_t rank) {
    uint32_t low = 0, high = scores->n - 1;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (scores->ranks[middle] < rank) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return scores->scores[low];
}

tm_status tm__conformal_find(const tm_conformal *self, double level, tm_conformal_at *out,
                             tm_err *err) {
    const double sides = self->below.n > 0 ? 2.0 : 1.0;
    if (self->kind == TM_CONFORMAL_NONE) {
        const tm_status st = TM_FAIL(err, TM_E_UNSUPPORTED, "the model gives no intervals");
        tm_err_hint(err, "Train it with this release: intervals need validation rows. Rankings and "
                         "imported models have none.");
        return st;
    }
    if (!(level > 0.0 && level < 1.0)) {
        (void)TM_FAIL(err, TM_E_USAGE, "an interval's level lies between 0 and 1");
        tm_err_hint(err, "0.9 gives what holds nine of ten true values.");
        return TM_E_USAGE;
    }
    /* (n + 1) 0.9 may come out a hair above a whole number: that is no further rank. */
    const double missed = (1.0 - level) / sides;
    const double rank = ceil(((double)self->n_rows + 1.0) * (1.0 - missed) - 1e-9);
    if (rank > (double)self->n_rows) {
        const tm_status st = TM_FAIL(
            err, TM_E_USAGE, "a level of %g needs %.0f rows to measure on, the model has %llu",
            level, ceil(1.0 / missed - 1e-5) - 1.0, (unsigned long long)self->n_rows);
        tm_err_hint(err, "Ask for %.4g at the most, or train on more rows.",
                    floor(tm__conformal_level_max(self) * 1e4) / 1e4);
        return st;
    }
    const uint64_t place = rank < 1.0 ? 1 : (uint64_t)rank;
    *out = (tm_conformal_at){.level = level, .above = score_at(&self->above, place)};
    out->below = self->below.n > 0 ? score_at(&self->below, place) : out->above;
    return TM_OK;
}

double tm__conformal_spread(const tm_conformal *self, double answer) {
    const uint32_t last = self->n_knots - 1;
    uint32_t i = 0;
    if (!(answer > self->at[0])) {
        return self->spread[0];
    }
    if (answer >= self->at[last]) {
        return self->spread[last];
    }
    while (self->at[i + 1] < answer) {
        i++;
    }
    /* Halves, since two places may lie further apart than a number reaches. */
    const double share = (answer / 2 - self->at[i] / 2) / (self->at[i + 1] / 2 - self->at[i] / 2);
    return self->spread[i] + share * (self->spread[i + 1] - self->spread[i]);
}

static double bounded(double x) {
    return fmin(fmax(x, -DBL_MAX), DBL_MAX);
}

tm_conformal_range tm__conformal_range(const tm_conformal *self, const tm_conformal_at *at,
                                       double answer) {
    if (isnan(answer)) {
        return (tm_conformal_range){tm__nan(), tm__nan()};
    }
    const double spread = tm__conformal_spread(self, answer);
    tm_conformal_range range = {bounded(answer - at->below * spread),
                                bounded(answer + at->above * spread)};
    if (range.low > range.high) { /* sides apart, at a low level */
        range.low = range.high = range.low / 2 + range.high / 2;
    }
    if (self->is_positive) {
        range.low = fmax(range.low, 0.0);
        range.high = fmax(range.high, 0.0);
    }
    return range;
}

uint32_t tm__conformal_set(const tm_conformal_at *at, const double *answers, uint32_t n_outputs,
                           bool *out) {
    const uint32_t n = n_outputs > 1 ? n_outputs : 2;
    uint32_t n_held = 0, top = 0;
    double best = -1.0;
    for (uint32_t k = 0; k < n; k++) {
        const double p = n_outputs > 1 ? answers[k] : k == 1 ? answers[0] : 1.0 - answers[0];
        out[k] = 1.0 - p <= at->above;
        n_held += out[k];
        top = p > best ? k : top;
        best = p > best ? p : best;
    }
    out[top] = true;
    return n_held == 0 ? 1 : n_held;
}

/* ---- bytes ---- */

static void save_scores(const tm_conformal_scores *scores, tm_buf *out) {
    tm__buf_u32(out, scores->n);
    for (uint32_t i = 0; i < scores->n; i++) {
        tm__buf_u64(out, scores->ranks[i]);
        tm__buf_f64(out, scores->scores[i]);
    }
}

void tm__conformal_save(const tm_conformal *self, tm_buf *out) {
    tm__buf_u32(out, MAGIC);
    tm__buf_u32(out, VERSION);
    tm__buf_u32(out, (uint32_t)self->kind);
    tm__buf_u32(out, self->is_positive ? 1 : 0);
    tm__buf_u64(out, self->n_rows);
    tm__buf_u32(out, self->n_knots);
    for (uint32_t i = 0; i < self->n_knots; i++) {
        tm__buf_f64(out, self->at[i]);
        tm__buf_f64(out, self->spread[i]);
    }
    save_scores(&self->above, out);
    save_scores(&self->below, out);
}

static tm_status load_scores(tm_reader *in, tm_conformal_scores *out, tm_err *err) {
    const uint32_t n = tm__reader_u32(in);
    if (in->failed || n > TM_CONFORMAL_RANKS) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the intervals have too many ranks");
    }
    out->ranks = tm__mem_alloc(n, sizeof(*out->ranks));
    out->scores = tm__mem_alloc(n, sizeof(double));
    if (out->ranks == NULL || out->scores == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the intervals");
    }
    out->n = n;
    for (uint32_t i = 0; i < n; i++) {
        out->ranks[i] = tm__reader_u64(in);
        out->scores[i] = tm__reader_f64(in);
    }
    return TM_OK;
}

static tm_status load_all(tm_reader *in, tm_conformal *self, tm_err *err) {
    const uint32_t kind = tm__reader_u32(in), positive = tm__reader_u32(in);
    self->n_rows = tm__reader_u64(in);
    self->n_knots = tm__reader_u32(in);
    if (in->failed || positive > 1 || self->n_knots > TM_CONFORMAL_KNOTS) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the intervals have a wrong head");
    }
    if (kind > TM_CONFORMAL_CLASSES) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "intervals of a later version");
    }
    self->kind = (tm_conformal_kind)kind;
    self->is_positive = positive == 1;
    self->at = tm__mem_alloc(self->n_knots, sizeof(double));
    self->spread = tm__mem_alloc(self->n_knots, sizeof(double));
    if (self->at == NULL || self->spread == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the intervals");
    }
    for (uint32_t i = 0; i < self->n_knots; i++) {
        self->at[i] = tm__reader_f64(in);
        self->spread[i] = tm__reader_f64(in);
    }
    TM_TRY(load_scores(in, &self->above, err));
    TM_TRY(load_scores(in, &self->below, err));
    return tm__reader_is_done(in) && tm__conformal_is_sound(self)
               ? TM_OK
               : TM_FAIL(err, TM_E_INTEGRITY, "the intervals' numbers are none");
}

tm_status tm__conformal_load(const void *data, size_t len, tm_conformal *out, tm_err *err) {
    tm_reader in;
    tm_conformal self = {0};
    tm__reader_init(&in, data, len);
    const uint32_t magic = tm__reader_u32(&in), version = tm__reader_u32(&in);
    if (in.failed || magic != MAGIC) {
        return TM_FAIL(err, TM_E_INTEGRITY, "no intervals");
    }
    if (version != VERSION) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "intervals of a later version");
    }
    const tm_status st = load_all(&in, &self, err);
    if (st != TM_OK) {
        tm__conformal_done(&self);
        return st;
    }
    *out = self;
    return TM_OK;
}
