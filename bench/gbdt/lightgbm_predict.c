/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictions of a LightGBM model through its C interface, timed by the same clock as gbdt_run's:
 *
 *     lightgbm_predict LIBRARY MODEL ROWS COLUMNS THREADS REPEATS      one line of JSON on stdout
 *
 * ROWS is a file of float32 by row. One row is LGBM_BoosterPredictForMatSingleRowFast, all at once
 * are LGBM_BoosterPredictForMat.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

enum { ROWS_ALONE = 20000, REPEATS_MAX = 1000, FLOAT32 = 0, FLOAT64 = 1, RAW_SCORE = 1 };

/* Its functions, as its documentation gives their parameters. */
typedef int (*create_fn)(const char *path, int *out_rounds, void **out_booster);
typedef int (*fast_init_fn)(void *booster, int kind, int start, int n_rounds, int data_type,
                            int32_t n_cols, const char *parameters, void **out_fast);
typedef int (*fast_fn)(void *fast, const void *row, int64_t *out_len, double *out);
typedef int (*mat_fn)(void *booster, const void *rows, int data_type, int32_t n_rows,
                      int32_t n_cols, int is_row_major, int kind, int start, int n_rounds,
                      const char *parameters, int64_t *out_len, double *out);

static _Noreturn void die(const char *what, const char *why) {
    fprintf(stderr, "lightgbm_predict: %s: %s\n", what, why);
    exit(1);
}

/* POSIX has dlsym() give functions as pointers to data: the bytes are the same. */
static void find(void *library, const char *name, void *out_fn, size_t size) {
    void *address = dlsym(library, name);
    if (address == NULL) {
        die(name, dlerror());
    }
    memcpy(out_fn, &address, size);
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double since_us(uint64_t start_ns) {
    return (double)(tm__mono_ns() - start_ns) * 1e-3;
}

static void *memory(size_t n, size_t size) {
    void *block = tm__mem_alloc(n, size);
    if (block == NULL) {
        die("memory", "out of it");
    }
    return block;
}

static void time_rows(void *library, void *booster, const float *rows, int32_t n_cols,
                      int64_t n_rows) {
    fast_init_fn fast_init;
    fast_fn fast;
    find(library, "LGBM_BoosterPredictForMatSingleRowFastInit", &fast_init, sizeof(fast_init));
    find(library, "LGBM_BoosterPredictForMatSingleRowFast", &fast, sizeof(fast));
    void *config = NULL;
    double *row = memory((size_t)n_cols, sizeof(double)),
           *us = memory((size_t)n_rows, sizeof(double));
    double out = 0;
    int64_t len = 0;
    if (fast_init(booster, RAW_SCORE, 0, -1, FLOAT64, n_cols, "num_threads=1", &config) != 0) {
        die("LGBM_BoosterPredictForMatSingleRowFastInit", "failed");
    }
    for (int warm = 0; warm < 2; warm++) {
        for (int64_t r = 0; r < n_rows; r++) {
            for (int32_t c = 0; c < n_cols; c++) {
                row[c] = (double)rows[r * n_cols + c];
            }
            const uint64_t start_ns = tm__mono_ns();
            if (fast(config, row, &len, &out) != 0) {
                die("LGBM_BoosterPredictForMatSingleRowFast", "failed");
            }
            us[r] = since_us(start_ns);
        }
    }
    qsort(us, (size_t)n_rows, sizeof(double), compare);
    printf("{\"row_us_p50\": %.3f, \"row_us_p99\": %.3f, ", us[n_rows / 2], us[n_rows * 99 / 100]);
}

int main(int argc, char **argv) {
    if (argc != 7) {
        die("usage", "lightgbm_predict LIBRARY MODEL ROWS COLUMNS THREADS REPEATS");
    }
    const int32_t n_cols = (int32_t)strtol(argv[4], NULL, 10);
    const long repeats = strtol(argv[6], NULL, 10);
    void *library = dlopen(argv[1], RTLD_NOW);
    if (library == NULL) {
        die(argv[1], dlerror());
    }
    create_fn create;
    mat_fn mat;
    find(library, "LGBM_BoosterCreateFromModelfile", &create, sizeof(create));
    find(library, "LGBM_BoosterPredictForMat", &mat, sizeof(mat));
    tm_map map = {0};
    tm_err err = {0};
    if (tm__map_open(argv[3], &map, &err) != TM_OK) {
        die(argv[3], err.message);
    }
    if (n_cols < 1 || repeats < 1 || repeats > REPEATS_MAX) {
        die("usage", "COLUMNS and REPEATS are at least 1");
    }
    const int64_t n_rows = (int64_t)(map.len / sizeof(float)) / n_cols;
    float *rows = memory(map.len, 1);
    memcpy(rows, map.data, map.len);
    tm__map_close(&map);
    int rounds = 0;
    void *booster = NULL;
    if (create(argv[2], &rounds, &booster) != 0) {
        die(argv[2], "is no model");
    }
    time_rows(library, booster, rows, n_cols, n_rows < ROWS_ALONE ? n_rows : ROWS_ALONE);
    char parameters[64];
    double seconds[REPEATS_MAX], *out = memory((size_t)n_rows, sizeof(double));
    int64_t len = 0;
    snprintf(parameters, sizeof(parameters), "num_threads=%s", argv[5]);
    for (long run = -1; run < repeats; run++) {
        const uint64_t start_ns = tm__mono_ns();
        if (mat(booster, rows, FLOAT32, (int32_t)n_rows, n_cols, 1, RAW_SCORE, 0, -1, parameters,
                &len, out) != 0) {
            die("LGBM_BoosterPredictForMat", "failed");
        }
        if (run >= 0) {
            seconds[run] = since_us(start_ns) * 1e-6;
        }
    }
    qsort(seconds, (size_t)repeats, sizeof(double), compare);
    printf("\"krows_s\": %.2f}\n", (double)n_rows / seconds[repeats / 2] * 1e-3);
    return 0;
}
