/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One model, asked for single rows and for all rows at once through one library's C interface:
 *
 *     imports_run tidemill|lightgbm|xgboost|onnxruntime LIBRARY MODEL ROWS COLUMNS ROUNDS OUT
 *
 * One line of JSON on stdout: for each round the microseconds of a row that comes alone and the
 * milliseconds of all rows, on one thread. ROWS is a file of float32 by row. OUT gets the answers,
 * doubles: of the rows alone, then of the batch. Each library gets its rows in the type that it
 * takes without a conversion, and whatever can be made before the first row is made before.
 * LIBRARY of tidemill is "-": it is part of this program.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "model/bundle.h"
#include "tidemill/bundle.h"

enum { ROUNDS_MAX = 1000, COLS_MAX = 1024 };

typedef struct run {
    const char *library, *model;
    const float *floats; /* [n_rows x n_cols] */
    double *doubles;     /* same */
    int64_t n_rows;
    int32_t n_cols;
    double *alone, *batch; /* [n_rows] answers */
} run;

/* A library with its model: rows one at a time, then all of them. */
typedef struct peer {
    void (*load)(run *r);
    void (*row)(run *r, int64_t row);
    void (*rows)(run *r);
} peer;

static _Noreturn void die(const char *what, const char *why) {
    fprintf(stderr, "imports_run: %s: %s\n", what, why);
    exit(1);
}

static void *memory(size_t n, size_t size) {
    void *block = tm__mem_zalloc(n, size);
    if (block == NULL) {
        die("memory", "out of it");
    }
    return block;
}

/* POSIX has dlsym() give functions as pointers to data: the bytes are the same. */
static void find(void *library, const char *name, void *out_fn, size_t size) {
    void *address = dlsym(library, name);
    if (address == NULL) {
        die(name, dlerror());
    }
    memcpy(out_fn, &address, size);
}

static void *library_open(const run *r) {
    void *library = dlopen(r->library, RTLD_NOW);
    if (library == NULL) {
        die(r->library, dlerror());
    }
    return library;
}

static void want(const char *what, bool is_good) {
    if (!is_good) {
        die(what, "failed");
    }
}

/* ---- Tidemill ---- */

static struct {
    tm_bundle *bundle;
    tm_row *row;
    tm_table *table;
} own;

static void own_load(run *r) {
    tm_err err = {0};
    if (tm_bundle_open(r->model, &own.bundle, &err) != TM_OK ||
        tm_row_create(own.bundle, &own.row, &err) != TM_OK) {
        die(r->model, err.message);
    }
    if (tm_bundle_columns(own.bundle) != (uint32_t)r->n_cols ||
        tm_bundle_outputs(own.bundle) != 1) {
        die(r->model, "has other columns, or several outputs");
    }
    tm_table_builder *builder = tm__builder_create();
    want("table", builder != NULL);
    for (int32_t c = 0; c < r->n_cols; c++) {
        double *column = memory((size_t)r->n_rows, sizeof(double));
        const char *name = NULL, *type = NULL;
        for (int64_t row = 0; row < r->n_rows; row++) {
            column[row] = r->doubles[row * r->n_cols + c];
        }
        want("table", tm_bundle_column(own.bundle, (uint32_t)c, &name, &type, &err) == TM_OK &&
                          tm__builder_give_column(builder, name, TM_TYPE_FLOAT, column, NULL,
                                                  (uint64_t)r->n_rows, &err) == TM_OK);
    }
    tm__builder_set_rows(builder, (uint64_t)r->n_rows);
    want("table", tm__builder_finish(builder, &own.table, &err) == TM_OK);
}

static void own_row(run *r, int64_t row) {
    const double *x = r->doubles + row * r->n_cols;
    for (uint32_t c = 0; c < (uint32_t)r->n_cols; c++) {
        want("tm_row_set_number", tm_row_set_number(own.row, c, x[c], NULL) == TM_OK);
    }
    tm_bundle_predict_row(own.bundle, own.row, r->alone + row);
}

static void own_rows(run *r) {
    tm_ctx ctx = {0};
    want("tm__bundle_predict",
         tm__bundle_predict(&ctx, own.bundle, own.table, NULL, 0, r->batch, NULL) == TM_OK);
}

/* ---- LightGBM ---- */

enum { LGBM_FLOAT64 = 1, LGBM_NORMAL = 0 };

static struct {
    void *booster, *fast;
    int (*fast_row)(void *fast, const void *row, int64_t *out_len, double *out);
    int (*mat)(void *booster, const void *rows, int data_type, int32_t n_rows, int32_t n_cols,
               int is_row_major, int kind, int start, int n_rounds, const char *parameters,
               int64_t *out_len, double *out);
} lightgbm;

static void lightgbm_load(run *r) {
    int (*create)(const char *path, int *out_rounds, void **out_booster);
    int (*fast_init)(void *booster, int kind, int start, int n_rounds, int data_type,
                     int32_t n_cols, const char *parameters, void **out_fast);
    void *library = library_open(r);
    int rounds = 0;
    find(library, "LGBM_BoosterCreateFromModelfile", &create, sizeof(create));
    find(library, "LGBM_BoosterPredictForMatSingleRowFastInit", &fast_init, sizeof(fast_init));
    find(library, "LGBM_BoosterPredictForMatSingleRowFast", &lightgbm.fast_row,
         sizeof(lightgbm.fast_row));
    find(library, "LGBM_BoosterPredictForMat", &lightgbm.mat, sizeof(lightgbm.mat));
    want(r->model, create(r->model, &rounds, &lightgbm.booster) == 0);
    want("LGBM_BoosterPredictForMatSingleRowFastInit",
         fast_init(lightgbm.booster, LGBM_NORMAL, 0, -1, LGBM_FLOAT64, r->n_cols, "num_threads=1",
                   &lightgbm.fast) == 0);
}

static void lightgbm_row(run *r, int64_t row) {
    int64_t len = 0;
    want("LGBM_BoosterPredictForMatSingleRowFast",
         lightgbm.fast_row(lightgbm.fast, r->doubles + row * r->n_cols, &len, r->alone + row) == 0);
}

static void lightgbm_rows(run *r) {
    int64_t len = 0;
    want("LGBM_BoosterPredictForMat",
         lightgbm.mat(lightgbm.booster, r->doubles, LGBM_FLOAT64, (int32_t)r->n_rows, r->n_cols, 1,
                      LGBM_NORMAL, 0, -1, "num_threads=1", &len, r->batch) == 0);
}

/* ---- XGBoost ---- */

static const char xgboost_config[] =
    "{\"type\": 0, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": 0, "
    "\"strict_shape\": false, \"missing\": NaN, \"cache_id\": 0}";

static struct {
    void *booster, *proxy;
    float *one;
    char one_text[160], all_text[160]; /* where their numbers are */
    int (*dense)(void *booster, const char *rows, const char *config, void *proxy,
                 const uint64_t **out_shape, uint64_t *out_dim, const float **out);
} xgboost;

/* numpy's array interface, in which it takes rows in place. */
static void array_write(char *out, size_t size, const float *x, int64_t n_rows, int32_t n_cols) {
    snprintf(out, size,
             "{\"data\": [%zu, true], \"shape\": [%lld, %d], \"strides\": null, "
             "\"typestr\": \"<f4\", \"version\": 3}",
             (size_t)(uintptr_t)x, (long long)n_rows, (int)n_cols);
}

static void xgboost_load(run *r) {
    int (*create)(const void *const *matrices, uint64_t n, void **out);
    int (*load)(void *booster, const char *path);
    int (*set)(void *booster, const char *name, const char *value);
    int (*proxy)(void **out);
    void *library = library_open(r);
    find(library, "XGBoosterCreate", &create, sizeof(create));
    find(library, "XGBoosterLoadModel", &load, sizeof(load));
    find(library, "XGBoosterSetParam", &set, sizeof(set));
    find(library, "XGProxyDMatrixCreate", &proxy, sizeof(proxy));
    find(library, "XGBoosterPredictFromDense", &xgboost.dense, sizeof(xgboost.dense));
    want("XGBoosterCreate", create(NULL, 0, &xgboost.booster) == 0);
    want(r->model, load(xgboost.booster, r->model) == 0);
    want("nthread", set(xgboost.booster, "nthread", "1") == 0);
    want("XGProxyDMatrixCreate", proxy(&xgboost.proxy) == 0);
    xgboost.one = memory((size_t)r->n_cols, sizeof(float));
    array_write(xgboost.one_text, sizeof(xgboost.one_text), xgboost.one, 1, r->n_cols);
    array_write(xgboost.all_text, sizeof(xgboost.all_text), r->floats, r->n_rows, r->n_cols);
}

static void xgboost_ask(const char *rows, int64_t n, double *out) {
    const uint64_t *shape = NULL;
    const float *answers = NULL;
    uint64_t dim = 0;
    want("XGBoosterPredictFromDense", xgboost.dense(xgboost.booster, rows, xgboost_config,
                                                    xgboost.proxy, &shape, &dim, &answers) == 0);
    for (int64_t i = 0; i < n; i++) {
        out[i] = (double)answers[i];
    }
}

static void xgboost_row(run *r, int64_t row) {
    memcpy(xgboost.one, r->floats + row * r->n_cols, (size_t)r->n_cols * sizeof(float));
    xgboost_ask(xgboost.one_text, 1, r->alone + row);
}

static void xgboost_rows(run *r) {
    xgboost_ask(xgboost.all_text, r->n_rows, r->batch);
}

/* ---- ONNX Runtime ---- */

/* Places in the table of functions that OrtGetApiBase() gives: they never change. */
enum {
    ORT_CREATE_ENV = 3,
    ORT_CREATE_SESSION = 7,
    ORT_RUN = 9,
    ORT_CREATE_OPTIONS = 10,
    ORT_SET_INTRA_THREADS = 24,
    ORT_SET_INTER_THREADS = 25,
    ORT_CREATE_TENSOR = 49,
    ORT_CREATE_CPU_INFO = 69,
    ORT_API_VERSION = 17,
    ORT_FLOAT = 1
};

typedef void *(*ort_fn)(void);

static struct {
    const ort_fn *api;
    void *session, *info;
    void *one, *one_out, *all, *all_out; /* tensors over the arrays below */
    float *row, *row_answer, *answers;
    void *(*run)(void *session, const void *options, const char *const *names,
                 const void *const *inputs, size_t n_inputs, const char *const *out_names,
                 size_t n_outputs, void **outputs);
} ort;

static void ort_get(size_t place, void *out_fn, size_t size) {
    memcpy(out_fn, &ort.api[place], size);
}

static void *ort_tensor(float *data, int64_t n_rows, int64_t n_cols) {
    void *(*create)(const void *info, void *data, size_t len, const int64_t *shape, size_t n,
                    int kind, void **out);
    void *tensor = NULL;
    const int64_t shape[2] = {n_rows, n_cols};
    ort_get(ORT_CREATE_TENSOR, &create, sizeof(create));
    want("CreateTensorWithDataAsOrtValue",
         create(ort.info, data, (size_t)(n_rows * n_cols) * sizeof(float), shape, 2, ORT_FLOAT,
                &tensor) == NULL);
    return tensor;
}

static void ort_load(run *r) {
    const struct { const ort_fn *(*get)(uint32_t version); } * (*base)(void);
    void *(*create_env)(int level, const char *name, void **out);
    void *(*create_options)(void **out);
    void *(*set_threads)(void *options, int n);
    void *(*create_session)(void *env, const char *path, const void *options, void **out);
    void *(*create_info)(int allocator, int kind, void **out);
    void *env = NULL, *options = NULL;
    find(library_open(r), "OrtGetApiBase", &base, sizeof(base));
    ort.api = base()->get(ORT_API_VERSION);
    want("OrtGetApi", ort.api != NULL);
    ort_get(ORT_CREATE_ENV, &create_env, sizeof(create_env));
    ort_get(ORT_CREATE_OPTIONS, &create_options, sizeof(create_options));
    ort_get(ORT_CREATE_SESSION, &create_session, sizeof(create_session));
    ort_get(ORT_CREATE_CPU_INFO, &create_info, sizeof(create_info));
    ort_get(ORT_RUN, &ort.run, sizeof(ort.run));
    want("CreateEnv", create_env(3, "bench", &env) == NULL && create_options(&options) == NULL);
    ort_get(ORT_SET_INTRA_THREADS, &set_threads, sizeof(set_threads));
    want("SetIntraOpNumThreads", set_threads(options, 1) == NULL);
    ort_get(ORT_SET_INTER_THREADS, &set_threads, sizeof(set_threads));
    want("SetInterOpNumThreads", set_threads(options, 1) == NULL);
    want(r->model, create_session(env, r->model, options, &ort.session) == NULL);
    want("CreateCpuMemoryInfo", create_info(1, 0, &ort.info) == NULL);
    ort.row = memory((size_t)r->n_cols, sizeof(float));
    ort.row_answer = memory(1, sizeof(float));
    ort.answers = memory((size_t)r->n_rows, sizeof(float));
    float *all = memory((size_t)(r->n_rows * r->n_cols), sizeof(float));
    memcpy(all, r->floats, (size_t)(r->n_rows * r->n_cols) * sizeof(float));
    ort.one = ort_tensor(ort.row, 1, r->n_cols);
    ort.one_out = ort_tensor(ort.row_answer, 1, 1);
    ort.all = ort_tensor(all, r->n_rows, r->n_cols);
    ort.all_out = ort_tensor(ort.answers, r->n_rows, 1);
}

static void ort_ask(const void *input, void *output) {
    static const char *const name = "x", *const out_name = "score";
    want("Run", ort.run(ort.session, NULL, &name, &input, 1, &out_name, 1, &output) == NULL);
}

static void ort_row(run *r, int64_t row) {
    memcpy(ort.row, r->floats + row * r->n_cols, (size_t)r->n_cols * sizeof(float));
    ort_ask(ort.one, ort.one_out);
    r->alone[row] = (double)*ort.row_answer;
}

static void ort_rows(run *r) {
    ort_ask(ort.all, ort.all_out);
    for (int64_t i = 0; i < r->n_rows; i++) {
        r->batch[i] = (double)ort.answers[i];
    }
}

/* ---- the run ---- */

static const struct {
    const char *name;
    peer peer;
} peers[] = {{"tidemill", {own_load, own_row, own_rows}},
             {"lightgbm", {lightgbm_load, lightgbm_row, lightgbm_rows}},
             {"xgboost", {xgboost_load, xgboost_row, xgboost_rows}},
             {"onnxruntime", {ort_load, ort_row, ort_rows}}};

static const peer *peer_find(const char *name) {
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
        if (strcmp(name, peers[i].name) == 0) {
            return &peers[i].peer;
        }
    }
    die(name, "is no library that is known here");
}

static void rows_read(const char *path, run *r) {
    tm_map map = {0};
    tm_err err = {0};
    if (tm__map_open(path, &map, &err) != TM_OK) {
        die(path, err.message);
    }
    const size_t n = map.len / sizeof(float);
    float *floats = memory(n, sizeof(float));
    memcpy(floats, map.data, n * sizeof(float));
    tm__map_close(&map);
    r->floats = floats;
    r->n_rows = (int64_t)n / r->n_cols;
    r->doubles = memory(n, sizeof(double));
    for (size_t i = 0; i < n; i++) {
        r->doubles[i] = (double)floats[i];
    }
    r->alone = memory((size_t)r->n_rows, sizeof(double));
    r->batch = memory((size_t)r->n_rows, sizeof(double));
}

static void answers_save(const run *r, const char *path) {
    tm_err err = {0};
    tm_file *file = NULL;
    const size_t len = (size_t)r->n_rows * sizeof(double);
    if (tm__file_open(path, TM_OPEN_TRUNCATE, &file, &err) != TM_OK ||
        tm__file_write(file, r->alone, len, &err) != TM_OK ||
        tm__file_write(file, r->batch, len, &err) != TM_OK) {
        die(path, err.message);
    }
    tm__file_close(file);
}

static void times_print(const char *name, const double *times, long n, const char *end) {
    printf("\"%s\": [", name);
    for (long i = 0; i < n; i++) {
        printf("%s%.4f", i > 0 ? ", " : "", times[i]);
    }
    printf("]%s", end);
}

int main(int argc, char **argv) {
    if (argc != 8) {
        die("usage",
            "imports_run tidemill|lightgbm|xgboost|onnxruntime LIBRARY MODEL ROWS COLUMNS ROUNDS "
            "OUT");
    }
    const peer *p = peer_find(argv[1]);
    const long n_cols = strtol(argv[5], NULL, 10), rounds = strtol(argv[6], NULL, 10);
    if (n_cols < 1 || n_cols > COLS_MAX || rounds < 1 || rounds > ROUNDS_MAX) {
        die("usage", "COLUMNS are 1 to 1024, ROUNDS 1 to 1000");
    }
    run r = {.library = argv[2], .model = argv[3], .n_cols = (int32_t)n_cols};
    double row_us[ROUNDS_MAX], batch_ms[ROUNDS_MAX];
    rows_read(argv[4], &r);
    p->load(&r);
    for (long round = -1; round < rounds; round++) { /* the first warms up */
        uint64_t start_ns = tm__mono_ns();
        for (int64_t row = 0; row < r.n_rows; row++) {
            p->row(&r, row);
        }
        const double us = (double)(tm__mono_ns() - start_ns) * 1e-3 / (double)r.n_rows;
        start_ns = tm__mono_ns();
        p->rows(&r);
        const double ms = (double)(tm__mono_ns() - start_ns) * 1e-6;
        if (round >= 0) {
            row_us[round] = us;
            batch_ms[round] = ms;
        }
    }
    answers_save(&r, argv[7]);
    printf("{");
    times_print("row_us", row_us, rounds, ", ");
    times_print("batch_ms", batch_ms, rounds, "}\n");
    return 0;
}
