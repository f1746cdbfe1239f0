/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gbdt/gbdt_binned.h"

#include "base/mem.h"
#include "base/pool.h"

enum {
    LANES = 8, /* rows that walk side by side: a step waits for the one before it */
    CHUNK_ROWS = 4096
};

typedef struct binned_job {
    const tm_bins *bins;
    const tm_view *x;
    const tm_binned_rows *rows;
    tm_binned_tree tree;
    double *scores;
} binned_job;

static uint64_t chunk_end(const tm_binned_rows *rows, uint64_t begin) {
    return rows->n_rows - begin < CHUNK_ROWS ? rows->n_rows : begin + CHUNK_ROWS;
}

static void bin_task(void *arg, uint64_t chunk, uint32_t worker) {
    const binned_job *job = arg;
    const uint64_t begin = chunk * CHUNK_ROWS, end = chunk_end(job->rows, begin);
    (void)worker;
    for (uint32_t c = 0; c < job->bins->n_columns; c++) {
        const tm_bin_column *column = &job->bins->columns[c];
        tm__bin_values(column, job->x->cols[column->col] + begin, end - begin,
                       job->rows->bins + begin * job->rows->row_bytes + c, job->rows->row_bytes);
    }
}

tm_status tm__binned_init(struct tm_pool *pool, const tm_bins *bins, const tm_view *x,
                          tm_binned_rows *out, tm_err *err) {
    tm_binned_rows rows = {.n_rows = x->n_rows,
                           .row_bytes = bins->n_columns > 0 ? bins->n_columns : 1};
    binned_job job = {.bins = bins, .x = x, .rows = &rows};
    rows.bins = tm__mem_zalloc(x->n_rows, rows.row_bytes);
    if (rows.bins == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the bins of %llu validation rows",
                       (unsigned long long)x->n_rows);
    }
    tm__pool_run(pool, (x->n_rows + CHUNK_ROWS - 1) / CHUNK_ROWS, bin_task, &job);
    *out = rows;
    return TM_OK;
}

void tm__binned_done(tm_binned_rows *rows) {
    tm__mem_free(rows->bins);
    *rows = (tm_binned_rows){0};
}

static inline uint32_t node_next(const tm_binned_node *nodes, uint32_t at, const uint8_t *row) {
    const tm_binned_node *node = &nodes[at];
    const uint32_t bin = row[node->column];
    return node->left + !((node->left_bins.bits[bin >> 6] >> (bin & 63)) & 1);
}

static void add_task(void *arg, uint64_t chunk, uint32_t worker) {
    const binned_job *job = arg;
    const tm_binned_node *nodes = job->tree.nodes;
    const uint32_t row_bytes = job->rows->row_bytes;
    const uint64_t end = chunk_end(job->rows, chunk * CHUNK_ROWS);
    uint64_t row = chunk * CHUNK_ROWS;
    (void)worker;
    for (; row + LANES <= end; row += LANES) {
        const uint8_t *first = job->rows->bins + row * row_bytes;
        uint32_t at[LANES] = {0}, moved;
        do {
            moved = 0;
            for (uint32_t k = 0; k < LANES; k++) {
                const uint32_t next = node_next(nodes, at[k], first + (size_t)k * row_bytes);
                moved |= next ^ at[k];
                at[k] = next;
            }
        } while (moved != 0);
        for (uint32_t k = 0; k < LANES; k++) {
            job->scores[row + k] += job->tree.values[at[k]];
        }
    }
    for (; row < end; row++) {
        const uint8_t *first = job->rows->bins + row * row_bytes;
        uint32_t at = 0, last;
        do {
            last = at;
            at = node_next(nodes, at, first);
        } while (at != last);
        job->scores[row] += job->tree.values[at];
    }
}

void tm__binned_add_scores(struct tm_pool *pool, const tm_binned_rows *rows, tm_binned_tree tree,
                           double *scores) {
    binned_job job = {.rows = rows, .tree = tree, .scores = scores};
    tm__pool_run(pool, (rows->n_rows + CHUNK_ROWS - 1) / CHUNK_ROWS, add_task, &job);
}
