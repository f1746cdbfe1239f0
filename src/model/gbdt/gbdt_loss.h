/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Losses: base scores, gradients and values; gradients also as integers, for histograms.
 * Which there are: gbdt_objective.h.
 *
 * Scores are [n_outputs x n_rows], one output after the other. Sums of doubles over rows go by
 * chunks of TM_LOSS_CHUNK rows, added in the order of the chunks.
 */
#ifndef TM_MODEL_GBDT_LOSS_H
#define TM_MODEL_GBDT_LOSS_H

#include <stdint.h>

#include "model/gbdt/gbdt_objective.h"
#include "tidemill/err.h"

struct tm_comm;
struct tm_pool;

#define TM_LOSS_CHUNK 4096u
/* Packed gradients hold one row each or more, so that 31 bits hold the sum over all rows. */
#define TM_LOSS_MAX_ROWS (UINT64_C(1) << 30)

typedef struct tm_loss {
    tm_loss_spec spec; /* with the objective resolved */
    uint64_t n_rows;
    const double *y;       /* borrowed */
    const double *weights; /* with mean 1; NULL: all 1 */
    double spread; /* a power of two over the spread of y, where an answer is no log; else 1 */
    struct tm_rank *rank; /* LAMBDARANK: its queries */
    double scale; /* SQUARED, HUBER: gradients are divided by it, and leaf values multiplied; a
                power of two; else 1 */
    /* Of a rank's part: the ranks, rows of all of them and before its own. Else NULL, n_rows, 0. */
    struct tm_comm *comm;
    uint64_t n_all, row_begin;
} tm_loss;

/**
 * Targets and weights were checked by tm__model_fit().
 * Errors: TM_E_USAGE (an objective that is not for the task), TM_E_INVALID (a target that it cannot
 * take), TM_E_LIMIT, TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__loss_init(const tm_loss_spec *spec, uint64_t n_rows, const double *y,
                                     const double *weights, tm_loss *out, tm_err *err);
/** A rank's part of the rows, begun at a chunk: gradients by it are those of its rows, in the units
 * of all rows. A view: it lives as long as the loss, and nobody ends it. */
tm_loss tm__loss_part(const tm_loss *loss, struct tm_comm *comm, uint64_t row_begin,
                      uint64_t row_end);
/** The best score that is the same for all rows, for each output: out [n_outputs]. */
TM_NODISCARD tm_status tm__loss_base(const tm_loss *loss, double *out, tm_err *err);
/** SOFTMAX: log of the sum of exp of a row's scores, out [n_rows]. Else nothing is done. */
void tm__loss_norms(struct tm_pool *pool, const tm_loss *loss, const double *scores, double *out);
/** Mean over rows of the loss; SQUARED without the half. norms as above; chunks [chunks of n_rows].
 * Not for LAMBDARANK, which has gradients only. */
double tm__loss_mean(struct tm_pool *pool, const tm_loss *loss, const double *scores,
                     const double *norms, double *chunks);

/*
 * First and second derivatives of one output's loss by its score, and both in one integer: the
 * gradient in the upper 16 bits, the hessian in the lower. Units are chosen so that the sum of all
 * |gradients| stays below 2^31 and of all hessians below 2^32: with each half widened to 32 bits
 * (tm__packed_wide) any sum of rows is exact.
 */
typedef struct tm_gradients {
    uint64_t n_rows;
    uint64_t row_begin; /* rows before them, on other ranks */
    float *g;           /* [n_rows] */
    float *h;           /* [n_rows] */
    uint64_t key;       /* of the random numbers of rounding */
    double *chunks;     /* [4 x chunks] sums and maxima on their way */
    double sum_abs_g, max_abs_g;
    double sum_h, max_h;
    double unit_g; /* gradient = unit_g * integer */
    double unit_h;
    const int32_t *packed; /* every packed_step-th is a row's, rounded before; NULL: none is */
    uint32_t packed_step;
} tm_gradients;

/** The same with 32 bits for each: what is added up. */
static inline int64_t tm__packed_wide(int32_t packed) {
    return (int64_t)((uint64_t)(uint32_t)(packed >> 16) << 32) + (packed & 0xFFFF);
}

TM_NODISCARD tm_status tm__gradients_init(uint64_t n_rows, tm_gradients *out, tm_err *err);
/** For a rank's part. */
TM_NODISCARD tm_status tm__gradients_init_part(const tm_loss *part, tm_gradients *out, tm_err *err);
/* A tree's answers that scores lack yet: row r has values[leaf_of[r]]. */
typedef struct tm_score_step {
    const uint16_t *leaf_of; /* [n_rows] */
    const double *values;    /* of leaves */
} tm_score_step;

/* What gradients are made from. */
typedef struct tm_gradients_from {
    double *scores;            /* [n_outputs x n_rows] */
    const double *all_scores;  /* of all ranks' rows, for LAMBDARANK; NULL: scores are */
    const double *norms;       /* of SOFTMAX */
    const tm_score_step *step; /* added to the output's scores on the way, which spares a pass over
                                  them; not for LAMBDARANK; NULL: none */
    uint64_t key;              /* of the random numbers of rounding */
} tm_gradients_from;

/** Fill everything for one output. */
void tm__gradients_fit(struct tm_pool *pool, const tm_loss *loss, uint32_t output,
                       const tm_gradients_from *from, tm_gradients *out);
/** Packed integers of rows [begin, end): rounded at random, without bias, by the row's number. */
void tm__gradients_pack_rows(const tm_gradients *gradients, uint64_t begin, uint64_t end,
                             int32_t *out);
void tm__gradients_done(tm_gradients *gradients);

/* Sums and maxima of sizes, in lanes: value i is in lane i % TM_SUM_LANES, so that the order of
 * additions is the same for vectors of any width. */
#define TM_SUM_LANES 8u
typedef struct tm_sum_lanes {
    double sum[TM_SUM_LANES], max[TM_SUM_LANES];
} tm_sum_lanes;

/* Two arrays, gradients and hessians, on their way to floats and sums of sizes. */
typedef struct tm_narrow {
    const double *x[2];    /* [n] */
    float *out[2];         /* [n] */
    tm_sum_lanes *sums[2]; /* added to */
} tm_narrow;

/** Both x as floats, whose sizes are added to sums. */
void tm__gradients_narrow(const tm_narrow *narrow, uint32_t n);
/** The same bits, plainly. */
void tm__gradients_narrow_ref(const tm_narrow *narrow, uint32_t n);

/** x times per_unit as integers, cut off towards 0: out [n]. */
void tm__gradients_fixed(const float *x, double per_unit, uint32_t n, int64_t *out);
/** The same bits, plainly. */
void tm__gradients_fixed_ref(const float *x, double per_unit, uint32_t n, int64_t *out);

/* Rows whose gradients become integers. */
typedef struct tm_pack {
    const float *g, *h;     /* [n] */
    const uint64_t *random; /* [n] */
    double per_g, per_h;    /* integers a unit; 0: none */
    int32_t *out;           /* [n] */
} tm_pack;

/** g, kept to 16 bits, and h times per_g and per_h, rounded at random, packed; a row with a hessian
 * over 0 gets at least 1, so that rows with a weight can be counted by it. */
void tm__gradients_pack(const tm_pack *p, uint32_t n);
/** The same bits, plainly. */
void tm__gradients_pack_ref(const tm_pack *p, uint32_t n);
void tm__loss_done(tm_loss *loss);

#endif
