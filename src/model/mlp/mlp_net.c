/* SPDX-License-Identifier: Apache-2.0 */
/* Through the layers and back. */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/mlp/mlp_kernel.h"
#include "model/mlp/mlp_priv.h"

static uint32_t padded(uint32_t n) {
    return (n + TM_MLP_LANES - 1) / TM_MLP_LANES * TM_MLP_LANES;
}

void tm__mlp_shape(const tm_mlp_code *code, uint32_t hidden, uint32_t n_hidden, uint32_t n_outputs,
                   tm_mlp_shape *out) {
    size_t at = 0;
    uint32_t n_in = code->width;
    memset(out, 0, sizeof(*out));
    out->n_layers = n_hidden + 1;
    for (uint32_t l = 0; l < out->n_layers; l++) {
        out->n_in[l] = n_in;
        out->n_out[l] = padded(l < n_hidden ? hidden : n_outputs);
        out->weights[l] = at;
        at += (size_t)n_in * out->n_out[l];
        out->biases[l] = at;
        at += out->n_out[l];
        n_in = out->n_out[l];
    }
    out->vectors = at;
    out->n_params = at + code->n_vectors;
}

tm_status tm__mlp_pass_init(const tm_mlp_shape *shape, size_t n_max, bool is_backward,
                            tm_mlp_pass *out, tm_err *err) {
    size_t largest = 0;
    bool is_made = true;
    memset(out, 0, sizeof(*out));
    out->n_max = n_max;
    for (uint32_t l = 0; l <= shape->n_layers; l++) {
        const size_t width = l == 0 ? shape->n_in[0] : shape->n_out[l - 1];
        out->acts[l] = tm__mem_alloc(n_max * width, sizeof(float));
        out->grads[l] = is_backward ? tm__mem_alloc(n_max * width, sizeof(float)) : NULL;
        is_made = is_made && out->acts[l] != NULL && (!is_backward || out->grads[l] != NULL);
        if (l < shape->n_layers) {
            const size_t size = (size_t)shape->n_in[l] * shape->n_out[l];
            largest = size > largest ? size : largest;
        }
    }
    out->turned = is_backward ? tm__mem_alloc(largest, sizeof(float)) : NULL;
    if (!is_made || (is_backward && out->turned == NULL)) {
        tm__mlp_pass_done(out);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the layers of a network");
    }
    return TM_OK;
}

void tm__mlp_pass_done(tm_mlp_pass *pass) {
    for (uint32_t l = 0; l <= TM_MLP_LAYERS_MAX; l++) {
        tm__mem_free(pass->acts[l]);
        tm__mem_free(pass->grads[l]);
    }
    tm__mem_free(pass->turned);
    memset(pass, 0, sizeof(*pass));
}

/* Units whose byte of the stream is below the share are 0; the others make up for them. */
static void drop_out(const tm_mlp_drop *drop, uint64_t layer, float *acts, size_t n) {
    const float scale = 256.0F / (float)(256u - drop->share);
    uint64_t bits[32];
    for (size_t from = 0; from < n; from += 256) { /* n is a multiple of 32 */
        const uint32_t words = (uint32_t)((n - from < 256 ? n - from : 256) / 8);
        tm__rng_fill(drop->key, (layer << 40) + from / 8, words, bits);
        for (uint32_t i = 0; i < words * 8; i++) {
            const uint32_t byte = (uint32_t)(bits[i / 8] >> (i % 8 * 8)) & 0xFF;
            acts[from + i] = byte < drop->share ? 0.0F : acts[from + i] * scale;
        }
    }
}

void tm__mlp_forward(tm_ctx *ctx, const tm_mlp_shape *shape, const float *params, size_t n,
                     const tm_mlp_drop *drop, tm_mlp_pass *pass) {
    for (uint32_t l = 0; l < shape->n_layers; l++) {
        const tm_product p = {
            .a = pass->acts[l],
            .b = params + shape->weights[l],
            .bias = params + shape->biases[l],
            .out = pass->acts[l + 1],
            .m = n,
            .n = shape->n_out[l],
            .k = shape->n_in[l],
            .a_row = shape->n_in[l],
            .a_col = 1,
        };
        tm__product_pool(ctx, &p);
        if (l + 1 < shape->n_layers) {
            tm__rectify(pass->acts[l + 1], n * shape->n_out[l]);
            if (drop != NULL && drop->share > 0) {
                drop_out(drop, l, pass->acts[l + 1], n * shape->n_out[l]);
            }
        }
    }
}

static void turn(const float *from, size_t n_rows, size_t n_cols, float *out) {
    for (size_t i = 0; i < n_rows; i += 16) { /* both are multiples of 32 */
        for (size_t j = 0; j < n_cols; j += 16) {
            for (size_t r = i; r < i + 16; r++) {
                for (size_t c = j; c < j + 16; c++) {
                    out[c * n_rows + r] = from[r * n_cols + c];
                }
            }
        }
    }
}

void tm__mlp_backward(tm_ctx *ctx, const tm_mlp_shape *shape, const float *params, size_t n,
                      const tm_mlp_backward *how, tm_mlp_pass *pass) {
    const float scale = 256.0F / (float)(256u - how->drop_share);
    for (uint32_t l = shape->n_layers; l-- > 0;) {
        const size_t n_in = shape->n_in[l], n_out = shape->n_out[l];
        if (how->grad != NULL) {
            const tm_product by_weights = {
                .a = pass->acts[l],
                .b = pass->grads[l + 1],
                .out = how->grad + shape->weights[l],
                .m = n_in,
                .n = n_out,
                .k = n,
                .a_row = 1,
                .a_col = n_in,
            };
            tm__product_pool(ctx, &by_weights);
            tm__rows_sum(pass->grads[l + 1], n, n_out, how->grad + shape->biases[l]);
        }
        if (l == 0 && !how->wants_inputs) {
            break;
        }
        turn(params + shape->weights[l], n_in, n_out, pass->turned);
        const tm_product by_inputs = {
            .a = pass->grads[l + 1],
            .b = pass->turned,
            .out = pass->grads[l],
            .m = n,
            .n = n_in,
            .k = n_out,
            .a_row = n_out,
            .a_col = 1,
        };
        tm__product_pool(ctx, &by_inputs);
        if (l > 0) {
            tm__rectify_back(pass->acts[l], scale, pass->grads[l], n * n_in);
        }
    }
}
