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
 * test rows, doubles by row.
 *
 * The input, from which on memory and time count: columns of doubles where all columns are numbers;
 * a table with text columns where some are categories, since the library makes numbers of them by
 * a feature program, whose seconds are those of binning here.
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
    tm_view view;    /* all columns are numbers */
    tm_table *table; /* some are not */
    uint64_t n_rows;
    double *y;
} part;

/* A model and what makes its columns. */
typedef struct fitted {
    tm_program *program; /* NULL: the columns are the input's */
    tm_model *model;
    double seconds_features;
} fitted;

typedef struct data {
    tm_task task;
    uint32_t n_classes;
    uint32_t n_cols;
    uint32_t *n_levels; /* [n_cols] 0: a number */
    bool has_categories;
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

/* Rows of float32 become columns of doubles. */
static void read_view(const data *d, const float *x, uint64_t n_rows, part *out) {
    double *cells = memory(n_rows * d->n_cols, sizeof(double));
    const double **cols = memory(d->n_cols, sizeof(*cols));
    for (uint32_t c = 0; c < d->n_cols; c++) {
        cols[c] = cells + (size_t)c * n_rows;
    }
    for (uint64_t start = 0; start < n_rows; start += 256) {
        const uint64_t end = start + 256 < n_rows ? start + 256 : n_rows;
        for (uint32_t c = 0; c < d->n_cols; c++) {
            for (uint64_t row = start; row < end; row++) {
                cells[(size_t)c * n_rows + row] = (double)x[row * d->n_cols + c];
            }
        }
    }
    out->view =
        (tm_view){.n_rows = n_rows, .n_cols = d->n_cols, .cols = cols, .features = d->features};
}

/* Same, but a category becomes the text that write_csv() of data.py writes: "v17". */
static void read_table(const data *d, const float *x, uint64_t n_rows, part *out) {
    tm_table_builder *builder = tm__builder_create();
    tm_err err = {0};
    bool ok = builder != NULL;
    for (uint32_t c = 0; ok && c < d->n_cols; c++) {
        char name[16];
        snprintf(name, sizeof(name), "c%u", c);
        ok = tm__builder_add_column(
                 builder, name, d->n_levels[c] > 0 ? TM_TYPE_TEXT : TM_TYPE_FLOAT, &err) == TM_OK;
    }
    if (!ok || tm__builder_reserve(builder, n_rows, &err) != TM_OK) {
        die("table", err.message);
    }
    for (uint32_t c = 0; c < d->n_cols; c++) {
        for (uint64_t row = 0; row < n_rows; row++) {
            const float value = x[row * d->n_cols + c];
            if (d->n_levels[c] == 0) {
                tm__builder_floats(builder, c)[row] = isnan(value) ? NAN : (double)value;
                continue;
            }
            char text[16];
            const int len = snprintf(text, sizeof(text), "v%.0f", (double)value);
            tm__builder_codes(builder, c)[row] =
                isnan(value) ? TM_CODE_MISSING
                             : tm__dict_add(tm__builder_dict(builder, c),
                                            (tm_str){.ptr = text, .len = (size_t)len});
        }
    }
    tm__builder_set_rows(builder, n_rows);
    if (tm__builder_finish(builder, &out->table, &err) != TM_OK) {
        die("table", err.message);
    }
}

static void read_part(const data *d, const char *folder, const char *name, uint64_t n_rows,
                      part *out) {
    char file[64];
    snprintf(file, sizeof(file), "%s_x.f32", name);
    tm_map map = map_file(folder, file, n_rows * d->n_cols * sizeof(float));
    const float *x = (const float *)(const void *)map.data;
    if (d->has_categories) {
        read_table(d, x, n_rows, out);
    } else {
        read_view(d, x, n_rows, out);
    }
    tm__map_close(&map);
    snprintf(file, sizeof(file), "%s_y.f32", name);
    map = map_file(folder, file, n_rows * sizeof(float));
    out->n_rows = n_rows;
    out->y = memory(n_rows, sizeof(double));
    for (uint64_t row = 0; row < n_rows; row++) {
        out->y[row] = (double)((const float *)(const void *)map.data)[row];
    }
    tm__map_close(&map);
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
    d->n_levels = memory(d->n_cols, sizeof(uint32_t));
    const json_t *levels = json_object_get(meta, "levels");
    for (uint32_t c = 0; c < d->n_cols; c++) {
        char key[16];
        snprintf(key, sizeof(key), "%u", c);
        d->n_levels[c] = (uint32_t)tm__json_i64(levels, key, 0);
        d->has_categories = d->has_categories || d->n_levels[c] > 0;
        d->features[c] =
            (tm_feature){.name = "x", .input = c, .has_missing = true, .weight_hint = 1};
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

static fitted fit(tm_ctx *ctx, const data *d, const tm_params *params) {
    const tm_program_options options = {.task = d->task, .n_classes = d->n_classes, .seed = 1};
    fitted out = {0};
    tm_matrix *matrix = NULL;
    tm_err err = {0};
    const tm_view *view = &d->train.view;
    if (d->has_categories) {
        const uint64_t start_ns = tm__mono_ns();
        tm_schema schema = {0};
        uint32_t *rows = memory(d->train.n_rows, sizeof(uint32_t));
        for (uint32_t row = 0; row < d->train.n_rows; row++) {
            rows[row] = row;
        }
        if (tm__schema_from_table(d->train.table, &schema, &err) != TM_OK ||
            tm__program_fit(ctx, d->train.table, &schema, d->train.y, rows, d->train.n_rows,
                            &options, &out.program, &matrix, &err) != TM_OK) {
            die("features", err.message);
        }
        tm__mem_free(rows);
        tm__schema_done(&schema);
        view = tm__matrix_view(matrix);
        out.seconds_features = (double)(tm__mono_ns() - start_ns) * 1e-9;
    }
    const tm_fit_input in = {
        .task = d->task, .n_classes = d->n_classes, .x = view, .y = d->train.y, .seed = 1};
    if (tm__model_fit(ctx, tm__model_find("gbdt"), &in, params, &out.model, &err) != TM_OK) {
        die("fit", err.message);
    }
    tm__matrix_free(matrix);
    return out;
}

static void fitted_done(fitted *f) {
    tm__model_free(f->model);
    tm__program_free(f->program);
    *f = (fitted){0};
}

static void save_answers(tm_ctx *ctx, const data *d, const fitted *f, const char *path) {
    const tm_model *model = f->model;
    const size_t n = d->test.n_rows * model->n_outputs;
    double *out = memory(n, sizeof(double));
    tm_err err = {0};
    tm_file *file = NULL;
    tm_matrix *matrix = NULL;
    const tm_view *view = &d->test.view;
    if (f->program != NULL) {
        if (tm__program_apply(ctx, f->program, d->test.table, NULL, d->test.n_rows, &matrix,
                              &err) != TM_OK) {
            die("features", err.message);
        }
        view = tm__matrix_view(matrix);
    }
    if (tm__model_predict(ctx, model, view, out, &err) != TM_OK) {
        die("predict", err.message);
    }
    tm__model_link(tm__model_link_of(model), model->n_outputs, d->test.n_rows, out);
    if (tm__file_open(path, TM_OPEN_TRUNCATE, &file, &err) != TM_OK ||
        tm__file_write(file, out, n * sizeof(double), &err) != TM_OK) {
        die(path, err.message);
    }
    tm__file_close(file);
    tm__matrix_free(matrix);
    tm__mem_free(out);
}

static void run_fit(tm_ctx *ctx, const data *d, const tm_params *params, int repeats,
                    const char *out_path) {
    double bin[REPEATS_MAX], boost[REPEATS_MAX], total[REPEATS_MAX];
    fitted f = {0};
    if (repeats > 1) { /* times of less than a second: the first is slower and not counted */
        f = fit(ctx, d, params);
    }
    reset_peak();
    const double before_mib = status_mib("VmRSS:"), before_cpu = cpu_seconds();
    for (int run = 0; run < repeats; run++) {
        fitted_done(&f);
        const uint64_t start_ns = tm__mono_ns();
        f = fit(ctx, d, params);
        total[run] = (double)(tm__mono_ns() - start_ns) * 1e-9;
        bin[run] = f.seconds_features + f.model->seconds_bin;
        boost[run] = f.model->seconds_fit;
    }
    const double cpu = (cpu_seconds() - before_cpu) / repeats;
    const double mib = status_mib("VmHWM:") - before_mib;
    double input_bytes = (double)d->train.n_rows * sizeof(double);
    for (uint32_t c = 0; c < d->n_cols; c++) {
        input_bytes += (double)d->train.n_rows *
                       (double)(d->n_levels[c] > 0 ? sizeof(uint32_t) : sizeof(double));
    }
    save_answers(ctx, d, &f, out_path);
    const size_t n = (size_t)repeats;
    printf("{\"bin_s\": %.6f, \"boost_s\": %.6f, \"total_s\": %.6f, \"cpu_s\": %.6f, "
           "\"memory_mib\": %.1f, \"input_mib\": %.1f, \"n_rounds\": %u}\n",
           median(bin, n), median(boost, n), median(total, n), cpu, mib, input_bytes / (1 << 20),
           f.model->n_rounds);
    fitted_done(&f);
}

/* One call a row with the clock around it, then all test rows at once. */
static void run_predict(tm_ctx *ctx, const data *d, const tm_params *params, int repeats) {
    if (d->has_categories) {
        die("predict", "wants numbers only");
    }
    fitted f = fit(ctx, d, params);
    const tm_model *model = f.model;
    const uint64_t n_rows = d->test.n_rows;
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
    fitted_done(&f);
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
