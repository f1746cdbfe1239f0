/* SPDX-License-Identifier: Apache-2.0 */
#include "model_data.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

#define N_TERMS 40u
#define TERMS_A_ROW 3u

static const tm_feature features[] = {
    {.name = "a"},
    {.name = "b"},
    {.name = "c"},
    {.name = "d", .has_missing = true},
    {.name = "e", .is_categorical = true, .n_levels = 5, .has_missing = true},
};

double model_uniform(uint64_t i, uint64_t stream) {
    uint32_t h = (uint32_t)(i * UINT64_C(2654435761) + stream * UINT64_C(2246822519) + 374761393u);
    h ^= h >> 15;
    h *= UINT32_C(2246822519);
    h ^= h >> 13;
    h *= UINT32_C(3266489917);
    h ^= h >> 16;
    return (double)h / 4294967296.0;
}

static void *must(void *block) {
    if (block == NULL) {
        abort();
    }
    return block;
}

static void fill_row(model_data *data, uint64_t i) {
    const double a = model_uniform(i, 0) * 10 - 3, b = model_uniform(i, 1) * 2;
    const double c = model_uniform(i, 0) * 3 + model_uniform(i, 2), noise = model_uniform(i, 9);
    const double signal = 0.4 * a - 1.5 * b + 0.2 * c;
    data->cols[0][i] = a;
    data->cols[1][i] = b;
    data->cols[2][i] = c;
    data->cols[3][i] = model_uniform(i, 5) < 0.2 ? NAN : signal + model_uniform(i, 6);
    data->cols[4][i] = model_uniform(i, 7) < 0.1 ? NAN : floor(model_uniform(i, 8) * 5);
    data->weights[i] = 1.0 + (double)(i % 3);
    data->y2[i] = signal + 4 * noise > 2.0 ? 1.0 : 0.0;
    data->y3[i] = fmin(2, floor(fmax(0, signal + 3 * noise + 1)));
    data->yr[i] = 100 + 7 * (signal + noise);
    for (uint32_t t = 0; t < TERMS_A_ROW; t++) {
        const uint32_t width = N_TERMS / TERMS_A_ROW;
        const uint64_t at = i * TERMS_A_ROW + t;
        data->terms[at] = t * width + (uint32_t)(model_uniform(i, 20 + t) * width);
        data->values[at] = (float)(0.25 + 0.5 * model_uniform(i, 30 + t));
    }
    data->starts[i + 1] = (i + 1) * TERMS_A_ROW;
}

model_data *model_data_create(uint64_t n_rows) {
    model_data *data = must(tm__mem_zalloc(1, sizeof(*data)));
    double **const vectors[] = {&data->cols[0], &data->cols[1], &data->cols[2],
                                &data->cols[3], &data->cols[4], &data->y2,
                                &data->y3,      &data->yr,      &data->weights};
    for (size_t v = 0; v < sizeof(vectors) / sizeof(vectors[0]); v++) {
        *vectors[v] = must(tm__mem_zalloc(n_rows, sizeof(double)));
    }
    data->starts = must(tm__mem_zalloc(n_rows + 1, sizeof(uint64_t)));
    data->terms = must(tm__mem_alloc(n_rows * TERMS_A_ROW, sizeof(uint32_t)));
    data->values = must(tm__mem_alloc(n_rows * TERMS_A_ROW, sizeof(float)));
    for (uint64_t i = 0; i < n_rows; i++) {
        fill_row(data, i);
    }
    data->sparse = (tm_sparse){N_TERMS, data->starts, data->terms, data->values};
    data->numbers = (tm_view){.n_rows = n_rows,
                              .n_cols = 3,
                              .cols = (const double *const *)data->cols,
                              .features = features};
    data->full = data->numbers;
    data->full.n_cols = 5;
    data->full.sparse = &data->sparse;
    return data;
}

void model_data_free(model_data *data) {
    for (uint32_t c = 0; c < 5; c++) {
        tm__mem_free(data->cols[c]);
    }
    tm__mem_free(data->y2);
    tm__mem_free(data->y3);
    tm__mem_free(data->yr);
    tm__mem_free(data->weights);
    tm__mem_free(data->starts);
    tm__mem_free(data->terms);
    tm__mem_free(data->values);
    tm__mem_free(data);
}

const tm_view *model_row_view(const tm_view *x, uint64_t row, model_row *storage) {
    storage->view = *x;
    storage->view.n_rows = 1;
    for (uint32_t c = 0; c < x->n_cols; c++) {
        storage->cols[c] = x->cols[c] + row;
    }
    storage->view.cols = storage->cols;
    if (x->sparse != NULL) {
        /* Starts count from the same arrays, so two of them are a row. */
        storage->sparse = *x->sparse;
        storage->sparse.starts += row;
        storage->view.sparse = &storage->sparse;
    }
    return &storage->view;
}
