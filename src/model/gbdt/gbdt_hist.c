/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gbdt/gbdt_hist.h"

#include <string.h>

#include "base/simd.h"
#include "model/gbdt/gbdt_loss.h"

enum {
    AHEAD = 24 /* rows from a prefetch to its use */
};

/* Add one row to its columns' cells: one load of eight bins, then load, add and store for each. */
static TM_ALWAYS_INLINE void row_add(const uint8_t *bins, uint32_t n_columns, uint64_t stride,
                                     int64_t value, int64_t *cells) {
    uint32_t j = 0;
    for (; j + 8 <= n_columns; j += 8, cells += 8 * stride) {
        uint64_t eight;
        memcpy(&eight, bins + j, sizeof(eight));
        cells[eight & 255] += value;
        cells[stride + ((eight >> 8) & 255)] += value;
        cells[2 * stride + ((eight >> 16) & 255)] += value;
        cells[3 * stride + ((eight >> 24) & 255)] += value;
        cells[4 * stride + ((eight >> 32) & 255)] += value;
        cells[5 * stride + ((eight >> 40) & 255)] += value;
        cells[6 * stride + ((eight >> 48) & 255)] += value;
        cells[7 * stride + (eight >> 56)] += value;
    }
    if (j < n_columns) {
        uint32_t four;
        memcpy(&four, bins + j, sizeof(four));
        cells[four & 255] += value;
        cells[stride + ((four >> 8) & 255)] += value;
        cells[2 * stride + ((four >> 16) & 255)] += value;
        cells[3 * stride + (four >> 24)] += value;
    }
}

static TM_ALWAYS_INLINE void rows_add(const tm_hist_source *source, tm_hist_columns columns,
                                      uint64_t stride, tm_hist_rows r, int64_t *cells) {
    const uint8_t *by_row = source->by_row + columns.first;
    const uint64_t bytes = source->row_bytes;
    uint64_t i = 0;
    for (; i + AHEAD < r.n; i++) {
        __builtin_prefetch(by_row + r.rows[i + AHEAD] * bytes);
        row_add(by_row + r.rows[i] * bytes, columns.count, stride, tm__packed_wide(r.packed[i]),
                cells);
    }
    for (; i < r.n; i++) {
        row_add(by_row + r.rows[i] * bytes, columns.count, stride, tm__packed_wide(r.packed[i]),
                cells);
    }
}

void tm__hist_add(const tm_hist_source *source, tm_hist_columns columns, tm_hist_rows rows,
                  int64_t *cells) {
    /* A stride known to the compiler is part of an address; else it is an addition each. */
    if (source->stride == 256) {
        rows_add(source, columns, 256, rows, cells);
    } else if (source->stride == 128) {
        rows_add(source, columns, 128, rows, cells);
    } else {
        rows_add(source, columns, 64, rows, cells);
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
