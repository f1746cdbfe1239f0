/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/mlp/mlp_priv.h"

enum { ROWS = 5 };

typedef struct net {
    tm_mlp_shape shape;
    tm_mlp_pass pass;
    float *params;
} net;

static net net_create(void) {
    net made;
    const tm_mlp_code code = {.width = 32, .n_inputs = 20};
    tm__mlp_shape(&code, 32, 2, 3, &made.shape);
    made.params = tm__mem_alloc(made.shape.n_params, sizeof(float));
    for (size_t i = 0; i < made.shape.n_params; i++) {
        made.params[i] = (float)((double)(tm__rng_at(5, i) >> 11) * 0x1p-53 - 0.5);
    }
    assert_int_equal(tm__mlp_pass_init(&made.shape, ROWS, true, &made.pass, NULL), TM_OK);
    for (size_t i = 0; i < (size_t)ROWS * 32; i++) {
        made.pass.acts[0][i] = (float)((double)(tm__rng_at(6, i) >> 11) * 0x1p-53);
    }
    return made;
}

static void net_done(net *n) {
    tm__mlp_pass_done(&n->pass);
    tm__mem_free(n->params);
}

/* A sum of the outputs with weights of their own, in double precision. */
static double loss(net *n, const tm_mlp_drop *drop) {
    double sum = 0.0;
    tm__mlp_forward(NULL, &n->shape, n->params, ROWS, drop, &n->pass);
    for (uint32_t i = 0; i < ROWS * 32; i++) {
        sum += (double)n->pass.acts[3][i] * (i % 32 < 3 ? 1.0 + i % 7 : 0.0);
    }
    return sum;
}

static void gradients_are_the_slopes_of_the_loss(void **state) {
    (void)state;
    net n = net_create();
    float *grad = tm__mem_zalloc(n.shape.n_params, sizeof(float));
    for (uint32_t share = 0; share <= 64; share += 64) {
        const tm_mlp_drop drop = {.key = 9, .share = share};
        (void)loss(&n, &drop);
        for (uint32_t i = 0; i < ROWS * 32; i++) {
            n.pass.grads[3][i] = i % 32 < 3 ? (float)(1 + i % 7) : 0.0F;
        }
        const tm_mlp_backward how = {.drop_share = share, .wants_inputs = true, .grad = grad};
        tm__mlp_backward(NULL, &n.shape, n.params, ROWS, &how, &n.pass);
        for (size_t i = 0; i < n.shape.n_params + ROWS * 32; i += 61) {
            const bool is_input = i >= n.shape.n_params;
            float *at = is_input ? &n.pass.acts[0][i - n.shape.n_params] : &n.params[i];
            const double got = is_input ? n.pass.grads[0][i - n.shape.n_params] : grad[i];
            const float was = *at, step = 0.001F;
            *at = was + step;
            const double above = loss(&n, &drop);
            *at = was - step;
            const double slope = (above - loss(&n, &drop)) / (2.0 * (double)step);
            *at = was;
            assert_true(fabs(slope - got) <= 0.02 * fmax(1.0, fabs(slope)));
        }
    }
    tm__mem_free(grad);
    net_done(&n);
}

static void dropout_leaves_out_its_share_and_keeps_the_mean(void **state) {
    (void)state;
    net n = net_create();
    const tm_mlp_drop drop = {.key = 1, .share = 64};
    uint32_t n_out = 0, n_all = 0;
    for (uint64_t key = 0; key < 200; key++) {
        const tm_mlp_drop one = {.key = key, .share = drop.share};
        float plain[ROWS * 32];
        tm__mlp_forward(NULL, &n.shape, n.params, ROWS, NULL, &n.pass);
        memcpy(plain, n.pass.acts[1], sizeof(plain));
        tm__mlp_forward(NULL, &n.shape, n.params, ROWS, &one, &n.pass);
        for (uint32_t i = 0; i < ROWS * 32; i++) {
            if (plain[i] > 0.0F) {
                n_all++;
                n_out += n.pass.acts[1][i] == 0.0F;
                assert_true(n.pass.acts[1][i] == 0.0F ||
                            n.pass.acts[1][i] == plain[i] * (256.0F / 192.0F));
            }
        }
    }
    assert_true(fabs((double)n_out / n_all - 0.25) < 0.02);
    net_done(&n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_the_slopes_of_the_loss),
        cmocka_unit_test(dropout_leaves_out_its_share_and_keeps_the_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
