/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of mlp/.
 *
 *   mlp_code.c    columns -> inputs of the network
 *   mlp_matrix.c  products of matrices whose bits depend on no thread and no vector width
 *   mlp_net.c     forward and backward through the layers
 *   mlp_fit.c     learning
 *   mlp_explain.c what each column adds
 *   mlp.c         what a fitted network does, its bytes
 *
 * Numbers are floats. A row of inputs is [n_inputs] wide, padded with zeros to a multiple of
 * TM_MLP_LANES, and so is each layer: [n_in x n_out] weights, then n_out biases, with n_out padded.
 */
#ifndef TM_MODEL_MLP_PRIV_H
#define TM_MODEL_MLP_PRIV_H

#include "model/mlp/mlp.h"
#include "model/mlp/mlp_matrix.h"

#define TM_MLP_LANES 32u
#define TM_MLP_LAYERS_MAX 5u /* hidden ones, and the last */
#define TM_MLP_WIDTH_MAX 1024u
#define TM_MLP_INPUTS_MAX 8192u
#define TM_MLP_BINS_MAX 64u
#define TM_MLP_VECTOR 8u        /* numbers that stand for a level */
#define TM_MLP_SAMPLE 20000u    /* rows that edges are taken from */
#define TM_MLP_VALID_ROWS 1024u /* of a block of validation rows */
#define TM_MLP_ONE_HOT 12u      /* categories of fewer levels are inputs of their own */

enum {
    TM_MLP_HIDDEN,
    TM_MLP_LAYERS,
    TM_MLP_EPOCHS,
    TM_MLP_BATCH,
    TM_MLP_RATE,
    TM_MLP_DROPOUT,
    TM_MLP_DECAY,
    TM_MLP_BINS,
    TM_MLP_ROWS
};

typedef enum tm_mlp_kind {                     /* numbers are stored in files */
                           TM_MLP_NUMBER = 1,  /* n bins, and one input more for a missing value */
                           TM_MLP_ONE = 2,     /* n levels, one input each; a last one: any other */
                           TM_MLP_LEARNED = 3, /* n levels and any other, a learned vector each */
                           TM_MLP_NOTHING = 4  /* says nothing: no input */
} tm_mlp_kind;

typedef struct tm_mlp_col {
    tm_mlp_kind kind;
    uint32_t n;        /* bins or levels */
    uint32_t input;    /* first of its inputs */
    uint32_t n_inputs; /* of its own */
    uint64_t first;    /* of edges [n + 1], or of vectors [(n + 1) x TM_MLP_VECTOR] */
} tm_mlp_col;

typedef struct tm_mlp_code {
    uint32_t n_cols, n_inputs, width; /* width: n_inputs padded */
    tm_mlp_col *cols;                 /* [n_cols] */
    double *edges;                    /* [n_edges] rising within a column */
    uint64_t n_edges, n_vectors;      /* n_vectors: floats of learned vectors */
} tm_mlp_code;

/** Fit on rows [n] of a view. */
TM_NODISCARD tm_status tm__mlp_code_fit(const tm_view *x, const uint32_t *rows, uint64_t n,
                                        uint32_t n_bins, tm_mlp_code *out, tm_err *err);
/** Inputs of one row of a view: out [width]. vectors: the learned ones. */
void tm__mlp_code_row(const tm_mlp_code *code, const float *vectors, const tm_view *x, uint64_t row,
                      float *out);
/** Level of a row in a learned column. */
uint32_t tm__mlp_level(const tm_mlp_col *col, double value);
void tm__mlp_code_done(tm_mlp_code *code);

/* The shape and the place of each layer in one array of parameters: layers in order, weights then
 * biases, then the learned vectors. */
typedef struct tm_mlp_shape {
    uint32_t n_layers;                                          /* hidden ones and the last */
    uint32_t n_in[TM_MLP_LAYERS_MAX], n_out[TM_MLP_LAYERS_MAX]; /* padded */
    size_t weights[TM_MLP_LAYERS_MAX], biases[TM_MLP_LAYERS_MAX];
    size_t vectors, n_params;
} tm_mlp_shape;
void tm__mlp_shape(const tm_mlp_code *code, uint32_t hidden, uint32_t n_hidden, uint32_t n_outputs,
                   tm_mlp_shape *out);

typedef struct tm_mlp {
    tm_model base;
    tm_mlp_code code;
    tm_mlp_shape shape;
    uint32_t hidden;
    double y_mean, y_scale; /* of regression: answers are y_mean + y_scale * output */
    float *params;          /* [shape.n_params] */
    float *mean;            /* [code.width] inputs of the training rows on average */
    double *shares;         /* [n_cols + 1] importance */
} tm_mlp;

tm_mlp *tm__mlp_create(const tm_model *shape, const tm_mlp_code *code, uint32_t hidden,
                       uint32_t n_hidden);
void tm__mlp_free(tm_model *model);

/* mlp_net.c: activations of a block of rows. */
typedef struct tm_mlp_pass {
    size_t n_max;
    float *acts[TM_MLP_LAYERS_MAX + 1];  /* [n_max x n_in or n_out]: inputs, then each layer's */
    float *grads[TM_MLP_LAYERS_MAX + 1]; /* of the loss by them; NULL: forward only */
    float *turned;                       /* a layer's weights, transposed */
} tm_mlp_pass;
TM_NODISCARD tm_status tm__mlp_pass_init(const tm_mlp_shape *shape, size_t n_max, bool is_backward,
                                         tm_mlp_pass *out, tm_err *err);
void tm__mlp_pass_done(tm_mlp_pass *pass);
/* What dropout leaves out: a function of (key, row of the step, unit). */
typedef struct tm_mlp_drop {
    uint64_t key;
    uint32_t share; /* of 256; 0: nothing */
} tm_mlp_drop;
/** From acts[0] to the last. ctx NULL: on the caller's thread. */
void tm__mlp_forward(tm_ctx *ctx, const tm_mlp_shape *shape, const float *params, size_t n,
                     const tm_mlp_drop *drop, tm_mlp_pass *pass);
typedef struct tm_mlp_backward {
    uint32_t drop_share; /* of the forward pass */
    bool wants_inputs;   /* gradients by the inputs, too */
    float *grad; /* [n_params] by the weights and biases; the vectors' are left; NULL: not wanted */
} tm_mlp_backward;
/** From grads of the last layer back. ctx NULL: on the caller's thread. */
void tm__mlp_backward(tm_ctx *ctx, const tm_mlp_shape *shape, const float *params, size_t n,
                      const tm_mlp_backward *how, tm_mlp_pass *pass);

TM_NODISCARD tm_status tm__mlp_fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                                   tm_model **out_model, tm_err *err);
TM_NODISCARD tm_status tm__mlp_explain(const tm_model *model, const tm_view *row, double *out,
                                       tm_err *err);
/** False when some row could get a score that is not finite. */
bool tm__mlp_is_bounded(const tm_mlp *self);

#endif
