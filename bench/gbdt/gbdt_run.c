/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of boosted trees by the library, measured: what Tidemill is in the comparison with its
 * peers.
 *
 *     gbdt_run fit FOLDER THREADS REPEATS OUT PARAM=VALUE...      one line of JSON on stdout
 *     gbdt_run predict FOLDER THREADS REPEATS - PARAM=VALUE...    same, of predictions
 *
 * FOLDER holds meta.json (task, n_classes, n_columns, n_train, n_test, levels: {column: count}) and
 * {train,test}_{x,y}.f32, rows of float32, as data.py writes them. OUT gets the answers for the
 * test rows, doubles by row. The columns of doubles that the library learns from are the input:
 * memory counts from when they are there.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "model/model.h"

enum { ROWS_ALONE = 20000, REPEATS_MAX = 1000 };

static _Noreturn void die(const char *what, const char *why) {
    fprintf(stderr, "gbdt_run: %s: %s\n", what, why);
    exit(1);
}

static void *memory(size_t n, size_t size) {
    void *block = tm__mem_alloc(n, size);
    if (block == NULL) {
        die("memory", "out of it");
    }
    return block;
}

typedef struct part {
    tm_view view;
    double *y;
} part;

typedef struct data {
    tm_task task;
    uint32_t n_classes;
    uint32_t n_cols;
    tm_feature *features;
    part train, test;
} data;

static tm_map map_file(const char *folder, const char *name, size_t bytes) {
    char *path = tm__fs_join(folder, name);
    tm_map map = {0};
    tm_err err = {0};
    if (path == NULL || tm__map_open(path, &map, &err) != TM_OK) {
        die(name, err.message);
    }
    if (bytes != 0 && map.len != bytes) {
        die(name, "has another size than meta.json says");
    }
    tm__mem_free(path);
    return map;
}

/* Rows of float32 become columns of doubles; a missing category gets the code that stands for it.
 */
static void read_part(const data *d, const char *folder, const char *name, uint64_t n_rows,
                      part *out) {
    char file[64];
    snprintf(file, sizeof(file), "%s_x.f32", name);
    tm_map map = map_file(folder, file, n_rows * d->n_cols * sizeof(float));
    const float *x = (const float *)(const void *)map.data;
    double *cells = memory(n_rows * d->n_cols, sizeof(double));
    const double **cols = memory(d->n_cols, sizeof(*cols));
    for (uint32_t c = 0; c < d->n_cols; c++) {
        cols[c] = cells + (size_t)c * n_rows;
    }
    for (uint64_t start = 0; start < n_rows; start += 256) {
        const uint64_t end = start + 256 < n_rows ? start + 256 : n_rows;
        for (uint32_t c = 0; c < d->n_cols; c++) {
            const double missing =
                d->features[c].is_categorical ? d->features[c].n_levels - 1 : NAN;
            for (uint64_t row = start; row < end; row++) {
                const double value = (double)x[row * d->n_cols + c];
                cells[(size_t)c * n_rows + row] = isnan(value) ? missing : value;
            }
        }
    }
    tm__map_close(&map);
    snprintf(file, sizeof(file), "%s_y.f32", name);
    map = map_file(folder, file, n_rows * sizeof(float));
    out->y = memory(n_rows, sizeof(double));
    for (uint64_t row = 0; row < n_rows; row++) {
        out->y[row] = (double)((const float *)(const void *)map.data)[row];
    }
    tm__map_close(&map);
    out->view =
        (tm_view){.n_rows = n_rows, .n_cols = d->n_cols, .cols = cols, .features = d->features};
}

static void read_data(const char *folder, data *d) {
    tm_map map = map_file(folder, "meta.json", 0);
    json_t *meta = NULL;
    tm_err err = {0};
    if (tm__json_parse(map.data, map.len, TM_MAX_JSON_DEPTH, &meta, &err) != TM_OK) {
        die("meta.json", err.message);
    }
    tm__map_close(&map);
    const char *task = tm__json_text(meta, "task", "");
    d->task = strcmp(task, "binary") == 0       ? TM_TASK_BINARY
              : strcmp(task, "multiclass") == 0 ? TM_TASK_MULTICLASS
                                                : TM_TASK_REGRESSION;
    d->n_classes = (uint32_t)tm__json_i64(meta, "n_classes", 0);
    d->n_cols = (uint32_t)tm__json_i64(meta, "n_columns", 0);
    d->features = memory(d->n_cols, sizeof(tm_feature));
    const json_t *levels = json_object_get(meta, "levels");
    for (uint32_t c = 0; c < d->n_cols; c++) {
        char key[16];
        snprintf(key, sizeof(key), "%u", c);
        const int64_t n = tm__json_i64(levels, key, 0);
        d->features[c] = (tm_feature){.name = "x",
                                      .input = c,
                                      .is_categorical = n > 0,
                                      .n_levels = n > 0 ? (uint32_t)n + 2 : 0,
                                      .has_missing = true,
                                      .weight_hint = 1};
    }
    read_part(d, folder, "train", (uint64_t)tm__json_i64(meta, "n_train", 0), &d->train);
    read_part(d, folder, "test", (uint64_t)tm__json_i64(meta, "n_test", 0), &d->test);
    json_decref(meta);
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static double status_mib(const char *key) {
    char line[256];
    double kib = 0;
    FILE *status = fopen("/proc/self/status", "re");
    if (status == NULL) {
        die("/proc/self/status", "cannot be read");
    }
    while (fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            kib = strtod(line + strlen(key) + 1, NULL);
        }
    }
    fclose(status);
    return kib / 1024;
}

/* From here on VmHWM is the most that was resident. */
static void reset_peak(void) {
    FILE *refs = fopen("/proc/self/clear_refs", "we");
    if (refs == NULL || fputs("5", refs) < 0 || fclose(refs) != 0) {
        die("/proc/self/clear_refs", "cannot be written");
    }
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n) {
    qsort(values, n, sizeof(double), compare);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void set_params(const tm_model_ops *ops, tm_params *params, int n, char **words) {
    tm__params_init(ops, params);
    for (int i = 0; i < n; i++) {
        char name[64];
        tm_err err = {0};
        const char *equal = strchr(words[i], '=');
        if (equal == NULL || (size_t)(equal - words[i]) >= sizeof(name)) {
            die(words[i], "is not PARAM=VALUE");
        }
        snprintf(name, sizeof(name), "%.*s", (int)(equal - words[i]), words[i]);
        if (tm__params_set(ops, params, name, equal + 1, &err) != TM_OK) {
            die(words[i], err.message);
        }
    }
}

static tm_model *fit(tm_ctx *ctx, const data *d, const tm_params *params) {
    const tm_fit_input in = {.task = d->task,
                             .n_classes = d->n_classes,
                             .x = &d->train.view,
                             .y = d->train.y,
                             .seed = 1};
    tm_model *model = NULL;
    tm_err err = {0};
    if (tm__model_fit(ctx, tm__model_find("gbdt"), &in, params, &model, &err) != TM_OK) {
        die("fit", err.message);
    }
    return model;
}

static void save_answers(tm_ctx *ctx, const data *d, const tm_model *model, const char *path) {
    const uint64_t n_rows = d->test.view.n_rows;
    const size_t n = n_rows * model->n_outputs;
    double *out = memory(n, sizeof(double));
    tm_err err = {0};
    tm_file *file = NULL;
    if (tm__model_predict(ctx, model, &d->test.view, out, &err) != TM_OK) {
        die("predict", err.message);
    }
    tm__model_link(tm__model_link_of(model), model->n_outputs, n_rows, out);
    if (tm__file_open(path, TM_OPEN_TRUNCATE, &file, &err) != TM_OK ||
        tm__file_write(file, out, n * sizeof(double), &err) != TM_OK) {
        die(path, err.message);
    }
    tm__file_close(file);
    tm__mem_free(out);
}

static void run_fit(tm_ctx *ctx, const data *d, const tm_params *params, int repeats,
                    const char *out_path) {
    double bin[REPEATS_MAX], boost[REPEATS_MAX], total[REPEATS_MAX];
    tm_model *model = NULL;
    if (repeats > 1) { /* times of less than a second: the first is slower and not counted */
        tm__model_free(fit(ctx, d, params));
    }
    reset_peak();
    const double before_mib = status_mib("VmRSS:"), before_cpu = cpu_seconds();
    for (int run = 0; run < repeats; run++) {
        tm__model_free(model);
        const uint64_t start_ns = tm__mono_ns();
        model = fit(ctx, d, params);
        total[run] = (double)(tm__mono_ns() - start_ns) * 1e-9;
        bin[run] = model->seconds_bin;
        boost[run] = model->seconds_fit;
    }
    const double cpu = (cpu_seconds() - before_cpu) / repeats;
    const double mib = status_mib("VmHWM:") - before_mib;
    const double input_mib =
        (double)d->train.view.n_rows * (d->n_cols + 1) * sizeof(double) / (1 << 20);
    save_answers(ctx, d, model, out_path);
    const size_t n = (size_t)repeats;
    printf("{\"bin_s\": %.6f, \"boost_s\": %.6f, \"total_s\": %.6f, \"cpu_s\": %.6f, "
           "\"memory_mib\": %.1f, \"input_mib\": %.1f, \"n_rounds\": %u}\n",
           median(bin, n), median(boost, n), median(total, n), cpu, mib, input_mib,
           model->n_rounds);
    tm__model_free(model);
}

/* One call a row with the clock around it, then all test rows at once. */
static void run_predict(tm_ctx *ctx, const data *d, const tm_params *params, int repeats) {
    tm_model *model = fit(ctx, d, params);
    const uint64_t n_rows = d->test.view.n_rows;
    const uint64_t n_alone = n_rows < ROWS_ALONE ? n_rows : ROWS_ALONE;
    const double **cols = memory(d->n_cols, sizeof(*cols));
    double *row = memory(d->n_cols, sizeof(double));
    double *us = memory(n_alone, sizeof(double));
    double *out = memory(n_rows * model->n_outputs, sizeof(double));
    double batch[REPEATS_MAX], sum = 0;
    tm_err err = {0};
    for (uint32_t c = 0; c < d->n_cols; c++) {
        cols[c] = row + c;
    }
    const tm_view view = {.n_rows = 1, .n_cols = d->n_cols, .cols = cols, .features = d->features};
    for (int warm = 0; warm < 2; warm++) {
        for (uint64_t r = 0; r < n_alone; r++) {
            for (uint32_t c = 0; c < d->n_cols; c++) {
                row[c] = d->test.view.cols[c][r];
            }
            const uint64_t start_ns = tm__mono_ns();
            tm__model_predict_row(model, &view, out);
            us[r] = (double)(tm__mono_ns() - start_ns) * 1e-3;
            sum += out[0];
        }
    }
    qsort(us, n_alone, sizeof(double), compare);
    for (int run = -1; run < repeats; run++) {
        const uint64_t start_ns = tm__mono_ns();
        if (tm__model_predict(ctx, model, &d->test.view, out, &err) != TM_OK) {
            die("predict", err.message);
        }
        if (run >= 0) {
            batch[run] = (double)(tm__mono_ns() - start_ns) * 1e-9;
        }
    }
    for (uint64_t r = 0; r < n_alone; r++) { /* the same bits alone and in a batch */
        sum -= out[r * model->n_outputs] * 2;
    }
    if (fabs(sum) > 1e-6 * (double)n_alone) {
        die("predict", "rows alone and in a batch differ");
    }
    printf("{\"row_us_p50\": %.3f, \"row_us_p99\": %.3f, \"krows_s\": %.2f}\n", us[n_alone / 2],
           us[n_alone * 99 / 100], (double)n_rows / median(batch, (size_t)repeats) * 1e-3);
    tm__model_free(model);
}

int main(int argc, char **argv) {
    if (argc < 6) {
        die("usage", "gbdt_run fit|predict FOLDER THREADS REPEATS OUT PARAM=VALUE...");
    }
    const long threads = strtol(argv[3], NULL, 10), repeats = strtol(argv[4], NULL, 10);
    if (threads < 1 || repeats < 1 || repeats > REPEATS_MAX) {
        die("usage", "THREADS and REPEATS are at least 1");
    }
    data d = {0};
    tm_params params;
    tm_ctx ctx = {.pool = threads > 1 ? tm__pool_create((uint32_t)threads) : NULL};
    if (threads > 1 && ctx.pool == NULL) {
        die("threads", "cannot be made");
    }
    set_params(tm__model_find("gbdt"), &params, argc - 6, argv + 6);
    read_data(argv[2], &d);
    if (strcmp(argv[1], "fit") == 0) {
        run_fit(&ctx, &d, &params, (int)repeats, argv[5]);
    } else {
        run_predict(&ctx, &d, &params, (int)repeats);
    }
    tm__pool_free(ctx.pool);
    return 0;
}
