/* SPDX-License-Identifier: Apache-2.0 */
#include "calibrate_data.h"

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"

static double bell(tm_rng *rng) {
    double sum = 0;
    for (unsigned i = 0; i < 6; i++) {
        sum += tm__rng_f64(rng) - 0.5;
    }
    return 3 * sum;
}

void calibrate_data_init(calibrate_data *data, uint64_t n, uint32_t k, double scale, double shift,
                         uint64_t seed) {
    tm_rng rng = tm__rng_split(seed, "calibrate data", 0);
    data->raw = tm__mem_alloc(n * k, sizeof(double));
    data->y = tm__mem_alloc(n, sizeof(double));
    data->weights = tm__mem_alloc(n, sizeof(double));
    for (uint64_t i = 0; i < n; i++) {
        double odds[8] = {0}, sum = 0, u;
        data->weights[i] = 1;
        for (uint32_t j = 0; j < k; j++) {
            data->raw[i * k + j] = bell(&rng);
            odds[j] = scale * data->raw[i * k + j] + (j == 0 ? shift : 0);
        }
        u = tm__rng_f64(&rng);
        if (k == 1) {
            data->y[i] = u < tm__sigmoid(odds[0]);
            continue;
        }
        for (uint32_t j = 0; j < k; j++) {
            sum += tm__exp(odds[j]);
        }
        uint32_t truth = 0;
        for (u *= sum; truth + 1 < k && u >= tm__exp(odds[truth]); truth++) {
            u -= tm__exp(odds[truth]);
        }
        data->y[i] = truth;
    }
    data->rows = (tm_calibrate_rows){
        .n_outputs = k, .n = n, .raw = data->raw, .y = data->y, .weights = data->weights};
}

void calibrate_data_done(calibrate_data *data) {
    tm__mem_free(data->raw);
    tm__mem_free(data->y);
    tm__mem_free(data->weights);
}
