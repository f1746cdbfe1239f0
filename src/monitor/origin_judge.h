/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the labels of one origin (who sent them) are what came true, by the labels of all others
 * of the same time: how often they agree with answers that are alike.
 *
 *     labels of others ──> ten cells of like answers, with the rate of each ─┐
 *     labels of the origin ──> hits in each cell ────────────────────────────┴─> flips.h
 *
 * - Classes: a hit is the second class (two classes) or the class that was most likely (more);
 *   alike are answers with a like probability of it. A wrong label is one of the other classes.
 * - Numbers: a hit is a label no farther from its answer than nine in ten of those of the others;
 *   alike are answers of a like size. A wrong label is that of another row.
 * - Copies: a label that repeats the decision teaches the model what it thinks already. A hit is a
 *   label that is the decision; by right it comes as often as the answer's probability says, which
 *   counts like COPY_ROWS labels of a cell. Of numbers: a label that is the answer to six digits.
 */
#ifndef TM_MONITOR_ORIGIN_JUDGE_H
#define TM_MONITOR_ORIGIN_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "metric/flips.h"
#include "tidemill/err.h"

#define TM_ORIGINS_MAX 64u    /* later ones count together as the last */
#define TM_ORIGIN_LABELS 50u  /* fewer of an origin are not judged */
#define TM_ORIGIN_OTHERS 200u /* nor by fewer of others */
#define TM_ORIGIN_SHARE 0.02  /* so many wrong ones at least (most likely), to be doubted */
#define TM_ORIGIN_BETTER 20.0 /* so many times likelier than a base rate of its own, too */
#define TM_ORIGIN_COPIES 0.5  /* so many repeated decisions, to be flagged */
#define TM_ORIGIN_ALPHA 0.001 /* chance that an honest origin of a model is ever doubted */

typedef enum tm_origin_task { TM_ORIGIN_TWO, TM_ORIGIN_CLASSES, TM_ORIGIN_NUMBERS } tm_origin_task;

/* A label with its answer. */
typedef struct tm_origin_label {
    int64_t at_us;   /* of the answer */
    uint32_t origin; /* < n_origins */
    bool hits;       /* classes: as above */
    bool is_copy;    /* it is the decision */
    double score;    /* probability of a hit; numbers: the answer */
    double claim;    /* probability of the decision; numbers: the label */
} tm_origin_label;

typedef struct tm_origin_input {
    tm_origin_task task;
    uint32_t n_classes, n_origins;
    const tm_origin_label *labels; /* [n] */
    uint64_t n;
    double error_rate; /* of decisions on the test rows; NaN: not known */
} tm_origin_input;

typedef enum tm_origin_verdict {
    TM_ORIGIN_FEW, /* too few labels, of its own or of others, to tell */
    TM_ORIGIN_FINE,
    TM_ORIGIN_WRONG,  /* of its labels a share is not what came true */
    TM_ORIGIN_COPIED, /* a share of them are the model's own decisions */
    TM_ORIGIN_VERDICTS
} tm_origin_verdict;
extern const char *const tm__origin_verdict_names[TM_ORIGIN_VERDICTS];

typedef struct tm_origin_found {
    uint64_t n, n_others; /* labels; of others in the time of its own */
    tm_flips wrong, copied;
    bool is_told; /* labels of others follow the answers at all; else nothing is wrong */
    tm_origin_verdict verdict;
} tm_origin_found;

/**
 * out [n_origins].
 *
 * Cost: O(n_origins (n log n + 10 n)), and 8 bytes a label.  Errors: TM_E_NOMEM.  Threads: any.
 */
TM_NODISCARD tm_status tm__origins_judge(const tm_origin_input *in, tm_origin_found *out,
                                         tm_err *err);

#endif
