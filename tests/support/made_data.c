/* SPDX-License-Identifier: Apache-2.0 */
#include "made_data.h"

#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"

double made_random(uint64_t seed, uint64_t number) {
    return (double)(tm__rng_at(seed, number) >> 11) * 0x1p-53;
}

void made_init(made_data *data, const made_options *options) {
    memset(data, 0, sizeof(*data));
    data->cells = tm__mem_alloc(options->n_rows * options->n_cols, sizeof(double));
    for (uint32_t c = 0; c < options->n_cols; c++) {
        double *cells = data->cells + c * options->n_rows;
        const uint32_t levels = options->levels[c];
        for (uint64_t row = 0; row < options->n_rows; row++) {
            const uint64_t number = c * options->n_rows + row;
            const double u = made_random(options->seed, number);
            cells[row] = levels > 0 ? (double)(uint32_t)(u * levels) : u * 4 - 2;
            if (made_random(options->seed + 1, number) < options->missing[c]) {
                cells[row] = tm__nan();
            }
        }
        data->cols[c] = cells;
        data->features[c] = (tm_feature){.name = "made",
                                         .input = c,
                                         .is_categorical = levels > 0,
                                         .n_levels = levels,
                                         .has_missing = options->missing[c] > 0,
                                         .weight_hint = 1};
    }
    data->view = (tm_view){.n_rows = options->n_rows,
                           .n_cols = options->n_cols,
                           .cols = data->cols,
                           .features = data->features};
}

tm_view made_row(const made_data *data, uint64_t row, const double *cols[MADE_COLS_MAX]) {
    tm_view view = data->view;
    for (uint32_t c = 0; c < view.n_cols; c++) {
        cols[c] = data->cols[c] + row;
    }
    view.n_rows = 1;
    view.cols = cols;
    return view;
}

void made_done(made_data *data) {
    tm__mem_free(data->cells);
    memset(data, 0, sizeof(*data));
}
