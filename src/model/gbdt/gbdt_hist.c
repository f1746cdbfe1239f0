/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gbdt/gbdt_hist.h"

#include <string.h>

#include "base/comm.h"
#include "base/simd.h"
#include "model/gbdt/gbdt_loss.h"

enum {
    AHEAD = 40,            /* rows from a prefetch to its use */
    NEAR_CELLS = 32 * 256, /* about what the first cache holds */
    /* More go by tiles: the cells of a tile's columns stay in the first cache, the bins of its rows
     * in the second. */
    TILE_COLUMNS = 16,
    TILE_ROWS = 2048
};

/* Add one row to its columns' cells: one load of four bins, then load, add and store for each. The
 * last one to three of the columns come one by one. */
static TM_ALWAYS_INLINE void row_add(const uint8_t *bins, uint32_t n_fours, uint32_t n_rest,
                                     uint64_t stride, int64_t value, int64_t *cells) {
#pragma GCC unroll 16
    for (uint32_t j = 0; j < n_fours; j++, bins += 4, cells += 4 * stride) {
        uint32_t four;
        memcpy(&four, bins, sizeof(four));
        cells[four & 255] += value;
        cells[stride + ((four >> 8) & 255)] += value;
        cells[2 * stride + ((four >> 16) & 255)] += value;
        cells[3 * stride + (four >> 24)] += value;
    }
    if (n_rest > 0) {
        cells[bins[0]] += value;
    }
    if (n_rest > 1) {
        cells[stride + bins[1]] += value;
    }
    if (n_rest > 2) {
        cells[2 * stride + bins[2]] += value;
    }
}

static TM_ALWAYS_INLINE void rows_add(const tm_hist_source *source, tm_hist_columns columns,
                                      uint32_t n_fours, uint64_t stride, tm_hist_rows r,
                                      int64_t *cells) {
    const uint8_t *by_row = source->by_row + columns.first;
    const uint64_t bytes = source->row_bytes;
    const uint32_t n_rest = columns.count % 4;
    uint64_t i = 0;
    for (; i + AHEAD < r.n; i++) {
        __builtin_prefetch(by_row + r.rows[i + AHEAD] * bytes);
        row_add(by_row + r.rows[i] * bytes, n_fours, n_rest, stride, tm__packed_wide(r.packed[i]),
                cells);
    }
    for (; i < r.n; i++) {
        row_add(by_row + r.rows[i] * bytes, n_fours, n_rest, stride, tm__packed_wide(r.packed[i]),
                cells);
    }
}

/*
 * A stride and a number of columns known to the compiler make straight code in which each address
 * has a constant in it: on sparse leaves a quarter faster, because more rows are under way.
 */
#define TM_CASE(n, stride)                                                                         \
    case n:                                                                                        \
        rows_add(source, columns, n, stride, rows, cells);                                         \
        return;
#define TM_CASES(stride)                                                                           \
    TM_CASE(1, stride)                                                                             \
    TM_CASE(2, stride)                                                                             \
    TM_CASE(3, stride)                                                                             \
    TM_CASE(4, stride)                                                                             \
    TM_CASE(5, stride)                                                                             \
    TM_CASE(6, stride)                                                                             \
    TM_CASE(7, stride)                                                                             \
    TM_CASE(8, stride)

static void columns_add_64(const tm_hist_source *source, tm_hist_columns columns, tm_hist_rows rows,
                           int64_t *cells) {
    switch (columns.count / 4) {
        TM_CASES(64)
    default:
        rows_add(source, columns, columns.count / 4, 64, rows, cells);
    }
}

static void columns_add_256(const tm_hist_source *source, tm_hist_columns columns,
                            tm_hist_rows rows, int64_t *cells) {
    switch (columns.count / 4) {
        TM_CASES(256)
    default:
        rows_add(source, columns, columns.count / 4, 256, rows, cells);
    }
}

#undef TM_CASES
#undef TM_CASE

static void columns_add(const tm_hist_source *source, tm_hist_columns columns, tm_hist_rows rows,
                        int64_t *cells) {
    if (source->stride == 64) {
        columns_add_64(source, columns, rows, cells);
    } else if (source->stride == 256) {
        columns_add_256(source, columns, rows, cells);
    } else {
        rows_add(source, columns, columns.count / 4, source->stride, rows, cells);
    }
}

void tm__hist_add(const tm_hist_source *source, tm_hist_columns columns, tm_hist_rows rows,
                  int64_t *cells) {
    if (columns.count * source->stride <= NEAR_CELLS) {
        columns_add(source, columns, rows, cells);
        return;
    }
    for (uint64_t i = 0; i < rows.n; i += TILE_ROWS) {
        const uint64_t n = rows.n - i < TILE_ROWS ? rows.n - i : (uint64_t)TILE_ROWS;
        const tm_hist_rows tile = {rows.rows + i, rows.packed + i, n};
        for (uint32_t j = 0; j < columns.count; j += TILE_COLUMNS) {
            const uint32_t left = columns.count - j;
            const tm_hist_columns some = {columns.first + j,
                                          left < TILE_COLUMNS ? left : (uint32_t)TILE_COLUMNS};
            columns_add(source, some, tile, cells + (uint64_t)j * source->stride);
        }
    }
}

void tm__hist_add_ref(const tm_hist_source *source, tm_hist_columns columns, tm_hist_rows rows,
                      int64_t *cells) {
    for (uint64_t i = 0; i < rows.n; i++) {
        const uint8_t *bins = source->by_row + (uint64_t)rows.rows[i] * source->row_bytes;
        for (uint32_t j = 0; j < columns.count; j++) {
            cells[(uint64_t)j * source->stride + bins[columns.first + j]] +=
                tm__packed_wide(rows.packed[i]);
        }
    }
}

uint64_t tm__hist_share(struct tm_comm *comm, const tm_hist_wire *wire, int64_t *cells,
                        uint64_t count) {
    const tm_bundle *bundles = wire->bundles->bundles;
    uint64_t at = 0;
    for (uint32_t b = 0; b < wire->bundles->n_bundles; b++) {
        const int64_t *from = cells + (uint64_t)b * wire->stride;
        memcpy(wire->cells + at, from, bundles[b].n_codes * sizeof(int64_t));
        at += bundles[b].n_codes;
    }
    wire->cells[at] = (int64_t)count;
    tm__comm_sum(comm, wire->cells, at + 1);
    count = (uint64_t)wire->cells[at];
    at = 0;
    for (uint32_t b = 0; b < wire->bundles->n_bundles; b++) {
        int64_t *to = cells + (uint64_t)b * wire->stride;
        memcpy(to, wire->cells + at, bundles[b].n_codes * sizeof(int64_t));
        at += bundles[b].n_codes;
    }
    return count;
}
