/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boosted trees of one rank beside those of all, in the same processes on the same rows, one after
 * the other: mpirun -n 2 build/bench/model_ranks [ROWS [TREES [LEAVES [PAIRS]]]]. While rank 0 fits
 * alone the others wait. The least of all pairs counts, because ranks wait for each other and so
 * for whoever else uses a core. One line of JSON; bench/mpi.py reads it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/comm.h"
#include "base/fmath.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/model.h"

enum { COLS = 28, RANKS_MAX = 64 };

typedef struct times {
    double bin, fit;
    double work; /* processor seconds of a fit, bins too, without those of waits */
} times;

static void fail(const char *message) {
    (void)fprintf(stderr, "%s\n", message);
    exit(1);
}

static times fit(struct tm_comm *comm, const tm_fit_input *in, const char *n_trees,
                 const char *n_leaves, tm_hash *out) {
    const tm_model_ops *ops = tm__model_find("gbdt");
    tm_ctx ctx = {.comm = comm};
    tm_params params;
    tm_model *model = NULL;
    tm_err err = {0};
    tm_buf bytes;
    const tm_comm_traffic before = tm__comm_traffic(comm);
    const uint64_t started_ns = tm__thread_cpu_ns();
    tm__params_init(ops, &params);
    tm__buf_init(&bytes, (size_t)1 << 30);
    if (tm__params_set(ops, &params, "n_trees", n_trees, &err) != TM_OK ||
        tm__params_set(ops, &params, "max_leaves", n_leaves, &err) != TM_OK ||
        tm__model_fit(&ctx, ops, in, &params, &model, &err) != TM_OK) {
        fail(err.message);
    }
    const tm_comm_traffic traffic = tm__comm_traffic(comm);
    const uint64_t waited_ns = traffic.waited_cpu_ns - before.waited_cpu_ns;
    const double work = (double)(tm__thread_cpu_ns() - started_ns - waited_ns) * 1e-9;
    if (ops->save(model, &bytes, &err) != TM_OK) {
        fail(err.message);
    }
    tm__hash_bytes(bytes.data, bytes.len, out);
    const times took = {model->seconds_bin, model->seconds_fit, work};
    tm__model_free(model);
    tm__buf_done(&bytes);
    return took;
}

static void rows_make(double *cells, double *y, uint64_t n_rows) {
    for (uint64_t i = 0; i < n_rows * COLS; i++) {
        cells[i] = (double)(tm__rng_at(1, i) >> 11) * 0x1p-51 - 2;
    }
    for (uint64_t row = 0; row < n_rows; row++) {
        const double *x = cells + row;
        const double score = x[0] * x[n_rows] + x[2 * n_rows] - (x[3 * n_rows] > 1);
        y[row] = (double)(tm__rng_at(2, row) >> 11) * 0x1p-53 < tm__sigmoid(score);
    }
}

static double less(double a, double b) {
    return a == 0 || b < a ? b : a;
}

static times least(times a, times b) {
    return (times){less(a.bin, b.bin), less(a.fit, b.fit), less(a.work, b.work)};
}

/* The most work that a rank had. */
static double work_most(tm_comm *comm, double work) {
    double all[RANKS_MAX] = {0};
    all[tm__comm_rank(comm)] = work;
    tm__comm_gather(comm, (tm_row_deal){tm__comm_ranks(comm), 1}, sizeof(double), all);
    for (uint32_t r = 0; r < tm__comm_ranks(comm); r++) {
        work = all[r] > work ? all[r] : work;
    }
    return work;
}

static void pairs_run(tm_comm *comm, const tm_fit_input *in, char **words) {
    const int n_pairs = atoi(words[3]);
    times one = {0}, all = {0};
    tm_hash alone = {0}, together = {0};
    for (int pair = 0; pair < n_pairs; pair++) {
        if (tm__comm_rank(comm) == 0) {
            one = least(one, fit(NULL, in, words[1], words[2], &alone));
        }
        (void)tm__comm_total(comm, 1);
        all = least(all, fit(comm, in, words[1], words[2], &together));
    }
    all.work = work_most(comm, all.work);
    if (tm__comm_rank(comm) == 0) {
        printf("{\"ranks\": %u, \"same\": %s, \"one\": {\"bin\": %.3f, \"fit\": %.3f, \"work\": "
               "%.3f}, \"all\": {\"bin\": %.3f, \"fit\": %.3f, \"work\": %.3f}}\n",
               tm__comm_ranks(comm), tm__hash_eq(&alone, &together) ? "true" : "false", one.bin,
               one.fit, one.work, all.bin, all.fit, all.work);
    }
}

int main(int argc, char **argv) {
    char *words[] = {"4000000", "3", "255", "5"};
    for (int i = 1; i < argc && i <= 4; i++) {
        words[i - 1] = argv[i];
    }
    const uint64_t n_rows = strtoull(words[0], NULL, 10);
    const tm_comm_wait wait = {.timeout_ns = UINT64_C(600000000000)};
    tm_comm *comm = NULL;
    tm_err err = {0};
    if (tm__comm_open(&wait, &comm, &err) != TM_OK || tm__comm_ranks(comm) == 1 ||
        tm__comm_ranks(comm) > RANKS_MAX) {
        fail(err.status != TM_OK ? err.message : "start it by mpirun -n 2");
    }
    double *cells = tm__mem_alloc(n_rows * COLS, sizeof(double));
    double *y = tm__mem_alloc(n_rows, sizeof(double));
    static const double *cols[COLS];
    static tm_feature features[COLS];
    if (cells == NULL || y == NULL) {
        fail("no memory for the rows");
    }
    rows_make(cells, y, n_rows);
    for (uint32_t c = 0; c < COLS; c++) {
        cols[c] = cells + c * n_rows;
        features[c].name = "x";
    }
    const tm_view view = {.n_rows = n_rows, .n_cols = COLS, .cols = cols, .features = features};
    const tm_fit_input in = {.task = TM_TASK_BINARY, .x = &view, .y = y, .seed = 1};
    pairs_run(comm, &in, words);
    tm__mem_free(cells);
    tm__mem_free(y);
    tm__comm_close(comm, true);
    return 0;
}
