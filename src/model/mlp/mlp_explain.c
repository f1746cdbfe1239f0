/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each column adds: gradients along the line from the average row to this one, times the way
 * (integrated gradients, Sundararajan et al. 2017, arXiv:1703.01365, section 3). The line is cut at
 * the middles of STEPS equal parts; what a sum over them misses is shared out by size, so that a
 * row's parts add up to its score.
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/mlp/mlp_priv.h"

#define STEPS 16u

/* Inputs of the STEPS points, then of the average row, then of this one. */
static void lay_points(const tm_mlp *self, const tm_view *row, float *points) {
    const size_t width = self->code.width;
    float *here = points + (STEPS + 1) * width;
    tm__mlp_code_row(&self->code, self->params + self->shape.vectors, row, 0, here);
    memcpy(points + STEPS * width, self->mean, width * sizeof(float));
    for (uint32_t s = 0; s < STEPS; s++) {
        const float part = ((float)s + 0.5F) / (float)STEPS;
        for (size_t k = 0; k < width; k++) {
            points[s * width + k] = self->mean[k] + part * (here[k] - self->mean[k]);
        }
    }
}

/* Sums over the inputs of each column; their sum. */
static double add_up(const tm_mlp *self, const tm_mlp_pass *pass, double *out) {
    const size_t width = self->code.width;
    const float *here = pass->acts[0] + (STEPS + 1) * width;
    double total = 0.0;
    for (uint32_t j = 0; j < self->code.n_cols; j++) {
        const tm_mlp_col *col = &self->code.cols[j];
        out[j] = 0.0;
        for (uint32_t k = col->input; k < col->input + col->n_inputs; k++) {
            double slope = 0.0;
            for (uint32_t s = 0; s < STEPS; s++) {
                slope += pass->grads[0][s * width + k];
            }
            out[j] += slope / STEPS * ((double)here[k] - self->mean[k]) * self->y_scale;
        }
        total += out[j];
    }
    return total;
}

/* Share out what the sum misses. */
static void settle(double *parts, uint32_t n, double missing) {
    double size = 0.0;
    for (uint32_t j = 0; j < n; j++) {
        size += fabs(parts[j]);
    }
    for (uint32_t j = 0; j < n; j++) {
        parts[j] += missing * (size > 0.0 ? fabs(parts[j]) / size : 1.0 / n);
    }
}

tm_status tm__mlp_explain(const tm_model *model, const tm_view *row, double *out, tm_err *err) {
    const tm_mlp *self = (const tm_mlp *)model;
    const size_t width = (size_t)model->n_cols + 2;
    const uint32_t last = self->shape.n_layers;
    const size_t n_out = self->shape.n_out[last - 1];
    tm_mlp_pass pass;
    TM_TRY(tm__mlp_pass_init(&self->shape, STEPS + 2, true, &pass, err));
    lay_points(self, row, pass.acts[0]);
    tm__mlp_forward(NULL, &self->shape, self->params, STEPS + 2, NULL, &pass);
    for (uint32_t o = 0; o < model->n_outputs; o++) {
        double *parts = out + o * width;
        memset(pass.grads[last], 0, STEPS * n_out * sizeof(float));
        for (uint32_t s = 0; s < STEPS; s++) {
            pass.grads[last][s * n_out + o] = 1.0F;
        }
        const tm_mlp_backward how = {.wants_inputs = true};
        tm__mlp_backward(NULL, &self->shape, self->params, STEPS, &how, &pass);
        const double from = pass.acts[last][STEPS * n_out + o];
        const double to = pass.acts[last][(STEPS + 1) * n_out + o];
        const double total = add_up(self, &pass, parts);
        settle(parts, model->n_cols, (to - from) * self->y_scale - total);
        parts[width - 2] = 0.0;
        parts[width - 1] = self->y_mean + self->y_scale * from;
    }
    tm__mlp_pass_done(&pass);
    return TM_OK;
}
