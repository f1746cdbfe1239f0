/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gbdt/gbdt_roots.h"

#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/simd.h"

enum {
    LANES = TM_ROOTS_LANES,
    TILE_COLUMNS = 4,  /* whose cells, 16 KiB of 63 bins, stay in the first cache */
    CHUNK_ROWS = 2048, /* a thread's, when rows are rounded */
    OUTPUTS_MIN = 3,   /* fewer leave most of a vector empty */
    COLUMNS_MAX = 256,
    ROWS_A_CELL = 4 /* of a column: less is not worth the clearing and taking */
};
#define VALUES_MAX (UINT64_C(1) << 21) /* gradients of all outputs: 16 MiB */

typedef int64_t lanes_i64 __attribute__((vector_size(LANES * sizeof(int64_t)), aligned(8)));
typedef int32_t lanes_i32 __attribute__((vector_size(LANES * sizeof(int32_t))));

static uint64_t groups_of(uint64_t n_outputs) {
    return (n_outputs + LANES - 1) / LANES;
}

bool tm__roots_pay(uint64_t n_rows, uint64_t n_cols, uint64_t n_outputs) {
    return n_outputs >= OUTPUTS_MIN && n_cols <= COLUMNS_MAX && n_rows >= ROWS_A_CELL * 64 &&
           n_rows * n_outputs <= VALUES_MAX;
}

uint64_t tm__roots_bytes(uint64_t n_rows, uint64_t n_cols, uint64_t n_outputs) {
    const uint64_t gradients = 8 * n_rows + n_rows / TM_LOSS_CHUNK * 32 + 32;
    const uint64_t lanes = groups_of(n_outputs) * LANES;
    return n_outputs * (gradients + sizeof(tm_gradients)) + lanes * 4 * n_rows +
           lanes * 8 * 256 * n_cols;
}

static uint64_t cells_of_group(const tm_roots *roots) {
    return (uint64_t)roots->bins->bundles.n_bundles * roots->bins->stride * LANES;
}

tm_status tm__roots_init(const tm_loss *loss, const tm_bins *bins, tm_roots *out, tm_err *err) {
    const uint32_t k = loss->spec.n_outputs;
    *out = (tm_roots){.bins = bins, .n_groups = (uint32_t)groups_of(k)};
    out->gradients = tm__mem_zalloc(k, sizeof(tm_gradients));
    out->n_outputs = out->gradients != NULL ? k : 0;
    out->packed = tm__mem_zalloc(out->n_groups * bins->n_rows, LANES * sizeof(int32_t));
    out->cells = tm__mem_alloc(out->n_groups * cells_of_group(out), sizeof(int64_t));
    if (out->gradients == NULL || out->packed == NULL || out->cells == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the first histograms of trees");
    }
    for (uint32_t output = 0; output < k; output++) {
        TM_TRY(tm__gradients_init_part(loss, &out->gradients[output], err));
    }
    return TM_OK;
}

void tm__roots_done(tm_roots *roots) {
    for (uint32_t output = 0; output < roots->n_outputs; output++) {
        tm__gradients_done(&roots->gradients[output]);
    }
    tm__mem_free(roots->gradients);
    tm__mem_free(roots->packed);
    tm__mem_free(roots->cells);
    *roots = (tm_roots){0};
}

/* ---- rounding ---- */

static int32_t *packed_of(const tm_roots *roots, uint32_t output) {
    return roots->packed + output / LANES * roots->bins->n_rows * LANES + output % LANES;
}

static void pack_task(void *arg, uint64_t chunk, uint32_t worker) {
    const tm_roots *roots = arg;
    const uint64_t n_rows = roots->bins->n_rows, begin = chunk * CHUNK_ROWS;
    const uint64_t end = n_rows - begin < CHUNK_ROWS ? n_rows : begin + CHUNK_ROWS;
    TM_UNSET int32_t packed[CHUNK_ROWS];
    (void)worker;
    for (uint32_t output = 0; output < roots->n_outputs; output++) {
        int32_t *const out = packed_of(roots, output);
        tm__gradients_pack_rows(&roots->gradients[output], begin, end, packed);
        for (uint64_t row = begin; row < end; row++) {
            out[row * LANES] = packed[row - begin];
        }
    }
}

/* ---- adding ---- */

/* Four columns of all rows, as tm__packed_wide() widens: cells [4 x stride x 8]. */
typedef struct roots_tile {
    const uint8_t *by_row; /* of the first column */
    const int32_t *packed;
    uint64_t n_rows, row_bytes, stride;
    int64_t *cells;
} roots_tile;

static TM_ALWAYS_INLINE void tile_add_loop(const roots_tile *tile) {
    const roots_tile t = *tile;
    lanes_i64 *const a = (lanes_i64 *)(void *)t.cells, *const b = a + t.stride;
    lanes_i64 *const c = b + t.stride, *const d = c + t.stride;
    for (uint64_t row = 0; row < t.n_rows; row++) {
        uint32_t bins;
        lanes_i32 packed;
        memcpy(&bins, t.by_row + row * t.row_bytes, sizeof(bins));
        memcpy(&packed, t.packed + row * LANES, sizeof(packed));
        const lanes_i64 wide = __builtin_convertvector(packed, lanes_i64);
        const lanes_i64 value = ((wide >> 16) << 32) + (wide & 0xFFFF);
        a[bins & 255] += value;
        b[bins >> 8 & 255] += value;
        c[bins >> 16 & 255] += value;
        d[bins >> 24] += value;
    }
}

TM_SIMD_KERNEL(tile_add, (const roots_tile *tile), (tile));

/* What is left of the columns, one at a time. */
static TM_ALWAYS_INLINE void column_add_loop(const roots_tile *tile) {
    const roots_tile t = *tile;
    lanes_i64 *const cells = (lanes_i64 *)(void *)t.cells;
    for (uint64_t row = 0; row < t.n_rows; row++) {
        lanes_i32 packed;
        memcpy(&packed, t.packed + row * LANES, sizeof(packed));
        const lanes_i64 wide = __builtin_convertvector(packed, lanes_i64);
        cells[t.by_row[row * t.row_bytes]] += ((wide >> 16) << 32) + (wide & 0xFFFF);
    }
}

TM_SIMD_KERNEL(column_add, (const roots_tile *tile), (tile));

static uint32_t tiles_of(const tm_roots *roots) {
    return (roots->bins->bundles.n_bundles + TILE_COLUMNS - 1) / TILE_COLUMNS;
}

static void tile_task(void *arg, uint64_t item, uint32_t worker) {
    const tm_roots *roots = arg;
    const tm_bins *bins = roots->bins;
    const uint64_t group = item / tiles_of(roots);
    const uint32_t first = (uint32_t)(item % tiles_of(roots)) * TILE_COLUMNS;
    const uint32_t left = bins->bundles.n_bundles - first;
    const uint32_t n = left < TILE_COLUMNS ? left : (uint32_t)TILE_COLUMNS;
    roots_tile tile = {.by_row = bins->by_row + first,
                       .packed = roots->packed + group * bins->n_rows * LANES,
                       .n_rows = bins->n_rows,
                       .row_bytes = bins->row_bytes,
                       .stride = bins->stride,
                       .cells = roots->cells + group * cells_of_group(roots) +
                                (uint64_t)first * bins->stride * LANES};
    (void)worker;
    memset(tile.cells, 0, (uint64_t)n * bins->stride * LANES * sizeof(int64_t));
    if (n == TILE_COLUMNS) {
        tile_add(&tile);
        return;
    }
    for (uint32_t c = 0; c < n; c++) {
        column_add(&tile);
        tile.by_row++;
        tile.cells += (uint64_t)bins->stride * LANES;
    }
}

void tm__roots_fit(struct tm_pool *pool, tm_roots *roots) {
    tm__pool_run(pool, (roots->bins->n_rows + CHUNK_ROWS - 1) / CHUNK_ROWS, pack_task, roots);
    for (uint32_t output = 0; output < roots->n_outputs; output++) {
        roots->gradients[output].packed = packed_of(roots, output);
        roots->gradients[output].packed_step = LANES;
    }
    tm__pool_run(pool, (uint64_t)roots->n_groups * tiles_of(roots), tile_task, roots);
}

void tm__roots_take(const tm_roots *roots, uint32_t output, int64_t *cells) {
    const tm_bins *bins = roots->bins;
    const int64_t *from = roots->cells + output / LANES * cells_of_group(roots) + output % LANES;
    for (uint32_t at = 0; at < bins->bundles.n_bundles; at++) {
        const uint64_t first = (uint64_t)at * bins->stride;
        const uint32_t n = (bins->bundles.bundles[at].n_codes + 7) / 8 * 8;
        for (uint64_t cell = first; cell < first + n; cell++) {
            cells[cell] = from[cell * LANES];
        }
    }
}

void tm__roots_take_ref(const tm_roots *roots, uint32_t output, int64_t *cells) {
    const tm_bins *bins = roots->bins;
    const int32_t *packed = packed_of(roots, output);
    for (uint64_t row = 0; row < bins->n_rows; row++) {
        for (uint32_t at = 0; at < bins->bundles.n_bundles; at++) {
            cells[(uint64_t)at * bins->stride + bins->by_row[row * bins->row_bytes + at]] +=
                tm__packed_wide(packed[row * LANES]);
        }
    }
}
