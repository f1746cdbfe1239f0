/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters are atomic so that a reader sees whole numbers; the owner alone writes, so a relaxed
 * load and a relaxed store do, which are plain moves.
 *
 * Registers are those of HyperLogLog (Flajolet et al. 2007): of hashes of new levels with the same
 * first bits, the longest run of zeros behind them. They only grow, so a window's registers are
 * those that its threads had when it ended: new levels since the server took the version.
 *
 * Edges are held as floats: half the memory, which a row of many columns goes through once, and
 * four at a time. Rounding keeps order, so an edge whose float is below that of a value is below
 * it; where both are equal the edges of the reference decide, and a cell is that of tm__ref_cell()
 * always.
 *
 * Bytes: 'W', 1, then numbers of 7 bits a byte, low ones first: n_counts, each count, the number of
 * registers that are not 0, and for each its distance from the one before and its value.
 */
#include "monitor/sketch_cells.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/fmath.h"
#include "base/hash.h"
#include "base/mem.h"

#define REGISTER_BITS 7u /* of TM_CELLS_REGISTERS */
_Static_assert(TM_CELLS_REGISTERS == 1u << REGISTER_BITS, "registers are picked by these bits");

struct tm_cells {
    const tm_cells_plan *plan;
    _Atomic uint64_t *counts;   /* [n_counts] */
    _Atomic uint8_t *registers; /* [n_registers] */
};

/* ---- plans ---- */

#define LANES 4u
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t lanes_i32 __attribute__((vector_size(LANES * sizeof(int32_t))));

static uint32_t n_padded(const tm_ref_column *c) {
    return c->n_ordered > 0 ? (c->n_edges + LANES - 1) / LANES * LANES : 0;
}

static bool place_edges(tm_cells_plan *self) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < self->n_columns; i++) {
        n += n_padded(&self->reference->columns[i]);
    }
    self->columns = tm__mem_zalloc((size_t)self->n_columns + 1, sizeof(*self->columns));
    self->edges = tm__mem_alloc((size_t)n + LANES, sizeof(*self->edges));
    if (self->columns == NULL || self->edges == NULL) {
        return false;
    }
    for (uint32_t i = 0, at = 0; i < self->n_columns; i++) {
        const tm_ref_column *const c = &self->reference->columns[i];
        self->columns[i] = (tm_cells_column){.first = self->first[i],
                                             .edges = at,
                                             .n_edges = (uint16_t)n_padded(c),
                                             .n_cells = (uint16_t)c->n_cells,
                                             .is_of_length = c->kind == TM_REF_LENGTHS};
        for (uint32_t k = 0; k < n_padded(c); k++) {
            self->edges[at++] = k < c->n_edges ? (float)c->edges[k] : INFINITY;
        }
    }
    return true;
}

tm_cells_plan *tm__cells_plan_create(const tm_reference *reference) {
    tm_cells_plan *const self = tm__mem_zalloc(1, sizeof(*self));
    const uint32_t n = reference->n_columns + (reference->has_output ? 1 : 0);
    if (self == NULL) {
        return NULL;
    }
    self->reference = reference;
    self->n_columns = n;
    self->n_counts = TM_CELLS_FAR + 1;
    self->first = tm__mem_zalloc((size_t)n + 1, sizeof(*self->first));
    self->registers = tm__mem_zalloc((size_t)n + 1, sizeof(*self->registers));
    if (self->first == NULL || self->registers == NULL) {
        tm__cells_plan_free(self);
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        const tm_ref_column *const c = &reference->columns[i];
        const bool has_new = tm__ref_unseen(c) != UINT32_MAX;
        self->first[i] = self->n_counts;
        self->n_counts += c->n_cells;
        self->registers[i] = has_new ? self->n_registers : UINT32_MAX;
        self->n_registers += has_new ? TM_CELLS_REGISTERS : 0;
    }
    if (!place_edges(self)) {
        tm__cells_plan_free(self);
        return NULL;
    }
    return self;
}

void tm__cells_plan_free(tm_cells_plan *plan) {
    if (plan != NULL) {
        tm__mem_free(plan->first);
        tm__mem_free(plan->registers);
        tm__mem_free(plan->columns);
        tm__mem_free(plan->edges);
        tm__mem_free(plan);
    }
}

/* ---- counting ---- */

tm_cells *tm__cells_create(const tm_cells_plan *plan) {
    tm_cells *const self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    self->plan = plan;
    self->counts = tm__mem_zalloc(plan->n_counts, sizeof(*self->counts));
    self->registers = tm__mem_zalloc((size_t)plan->n_registers + 1, sizeof(*self->registers));
    if (self->counts == NULL || self->registers == NULL) {
        tm__cells_free(self);
        return NULL;
    }
    return self;
}

void tm__cells_free(tm_cells *cells) {
    if (cells != NULL) {
        tm__mem_free((void *)cells->counts);
        tm__mem_free((void *)cells->registers);
        tm__mem_free(cells);
    }
}

static void count_one(tm_cells *self, uint32_t at) {
    const uint64_t n = atomic_load_explicit(&self->counts[at], memory_order_relaxed);
    atomic_store_explicit(&self->counts[at], n + 1, memory_order_relaxed);
}

/* The hash's low bits pick the register, zeros among the others are counted. */
static void note_new(tm_cells *self, uint32_t registers, tm_str text) {
    const uint64_t hash = tm__ref_hash(text);
    uint64_t rest = hash >> REGISTER_BITS;
    uint8_t zeros = 1;
    while ((rest & 1) == 0 && zeros < 57) {
        rest >>= 1;
        zeros++;
    }
    _Atomic uint8_t *const at = &self->registers[registers + (hash & (TM_CELLS_REGISTERS - 1))];
    if (atomic_load_explicit(at, memory_order_relaxed) < zeros) {
        atomic_store_explicit(at, zeros, memory_order_relaxed);
    }
}

/* The bin of x: 1 when the first edge is not above it, and of the others those that are below. */
static uint32_t bin_of(const tm_cells_plan *plan, uint32_t column, double x) {
    const tm_cells_column *const c = &plan->columns[column];
    const float *const edges = plan->edges + c->edges;
    const float rounded = (float)x;
    const lanes all = {rounded, rounded, rounded, rounded};
    lanes_i32 below = {0};
    for (uint32_t i = 0; i < c->n_edges; i += LANES) {
        lanes some;
        memcpy(&some, edges + i, sizeof(some));
        below -= some < all;
    }
    uint32_t n = (uint32_t)(below[0] + below[1] + below[2] + below[3]);
    if (n < c->n_edges && edges[n] == rounded) {
        const tm_ref_column *const exact = &plan->reference->columns[column];
        for (uint32_t k = n; k < exact->n_edges && edges[k] == rounded; k++) {
            n += k == 0 ? exact->edges[0] <= x : exact->edges[k] < x;
        }
    }
    return n;
}

/* A column with bins. */
static uint32_t ordered_cell(const tm_cells_plan *plan, uint32_t column, const tm_cell *value) {
    const tm_cells_column *const c = &plan->columns[column];
    if (value->type == TM_TYPE_FLOAT && !c->is_of_length) {
        return isnan(value->f64) ? c->n_cells - 1u : bin_of(plan, column, value->f64);
    }
    if (value->type == TM_TYPE_TEXT && c->is_of_length) {
        return bin_of(plan, column, (double)value->text.len);
    }
    if (value->type == TM_TYPE_INT && !c->is_of_length && value->i64 != TM_INT_MISSING) {
        return bin_of(plan, column, (double)value->i64);
    }
    return tm__ref_cell(&plan->reference->columns[column], value);
}

void tm__cells_add(tm_cells *self, const tm_cell *row, const double *outputs, uint32_t n_outputs) {
    const tm_cells_plan *const plan = self->plan;
    const tm_reference *const reference = plan->reference;
    uint32_t n_far = 0;
    for (uint32_t i = 0; i < reference->n_columns; i++) {
        const tm_cells_column *const column = &plan->columns[i];
        if (column->n_edges > 0) {
            const uint32_t cell = ordered_cell(plan, i, &row[i]);
            count_one(self, column->first + cell);
            n_far += cell == 0 || cell == column->n_cells - 2u ? 1 : 0;
            continue;
        }
        const tm_ref_column *const c = &reference->columns[i];
        const uint32_t cell = tm__ref_cell(c, &row[i]);
        count_one(self, column->first + cell);
        if (plan->registers[i] != UINT32_MAX && cell == c->n_levels + 1) {
            n_far++;
            if (row[i].type == TM_TYPE_TEXT) {
                note_new(self, plan->registers[i], row[i].text);
            }
        }
    }
    if (reference->has_output) {
        const tm_ref_column *const c = &reference->columns[reference->n_columns];
        count_one(self,
                  plan->first[reference->n_columns] + tm__ref_output_cell(c, outputs, n_outputs));
    }
    count_one(self, TM_CELLS_ROWS);
    if (n_far >= 2 || (n_far == 1 && reference->n_columns == 1)) {
        count_one(self, TM_CELLS_FAR);
    }
}

/* ---- added up ---- */

bool tm__counts_init(tm_counts *counts, const tm_cells_plan *plan) {
    *counts = (tm_counts){.n_counts = plan->n_counts, .n_registers = plan->n_registers};
    counts->counts = tm__mem_zalloc(plan->n_counts, sizeof(*counts->counts));
    counts->registers = tm__mem_zalloc((size_t)plan->n_registers + 1, 1);
    if (counts->counts == NULL || counts->registers == NULL) {
        tm__counts_done(counts);
        return false;
    }
    return true;
}

void tm__counts_reset(tm_counts *counts) {
    memset(counts->counts, 0, counts->n_counts * sizeof(*counts->counts));
    memset(counts->registers, 0, counts->n_registers);
}

void tm__counts_done(tm_counts *counts) {
    tm__mem_free(counts->counts);
    tm__mem_free(counts->registers);
    *counts = (tm_counts){0};
}

void tm__cells_read(const tm_cells *cells, tm_counts *io) {
    for (uint32_t i = 0; i < io->n_counts; i++) {
        io->counts[i] += atomic_load_explicit(&cells->counts[i], memory_order_relaxed);
    }
    for (uint32_t i = 0; i < io->n_registers; i++) {
        const uint8_t value = atomic_load_explicit(&cells->registers[i], memory_order_relaxed);
        io->registers[i] = value > io->registers[i] ? value : io->registers[i];
    }
}

void tm__counts_add(tm_counts *io, const tm_counts *from) {
    for (uint32_t i = 0; i < io->n_counts; i++) {
        io->counts[i] += from->counts[i];
    }
    for (uint32_t i = 0; i < io->n_registers; i++) {
        const uint8_t value = from->registers[i];
        io->registers[i] = value > io->registers[i] ? value : io->registers[i];
    }
}

void tm__counts_since(tm_counts *io_now, const tm_counts *before) {
    for (uint32_t i = 0; i < io_now->n_counts; i++) {
        io_now->counts[i] -= before->counts[i];
    }
}

/* Few: by the registers that are still 0, which is nearer then (linear counting). */
double tm__counts_distinct(const tm_counts *counts, const tm_cells_plan *plan, uint32_t column) {
    const double m = TM_CELLS_REGISTERS;
    double sum = 0;
    uint32_t n_zero = 0;
    if (plan->registers[column] == UINT32_MAX) {
        return 0;
    }
    for (uint32_t i = 0; i < TM_CELLS_REGISTERS; i++) {
        const uint8_t value = counts->registers[plan->registers[column] + i];
        sum += 1.0 / (double)(UINT64_C(1) << (value < 63 ? value : 63));
        n_zero += value == 0 ? 1 : 0;
    }
    const double estimate = 0.7213 / (1 + 1.079 / m) * m * m / sum;
    return estimate < 2.5 * m && n_zero > 0 ? m * tm__log(m / n_zero) : estimate;
}

/* ---- bytes ---- */

static void put(tm_buf *out, uint64_t value) {
    while (value >= 128) {
        tm__buf_u8(out, (uint8_t)(value | 128));
        value >>= 7;
    }
    tm__buf_u8(out, (uint8_t)value);
}

static uint64_t get(tm_reader *in) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) {
        const uint8_t byte = tm__reader_u8(in);
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            return value;
        }
    }
    in->failed = true;
    return 0;
}

void tm__counts_write(const tm_counts *counts, tm_buf *out) {
    uint32_t n = 0, last = 0;
    tm__buf_u8(out, 'W');
    tm__buf_u8(out, 1);
    put(out, counts->n_counts);
    for (uint32_t i = 0; i < counts->n_counts; i++) {
        put(out, counts->counts[i]);
    }
    for (uint32_t i = 0; i < counts->n_registers; i++) {
        n += counts->registers[i] != 0 ? 1 : 0;
    }
    put(out, n);
    for (uint32_t i = 0; i < counts->n_registers; i++) {
        if (counts->registers[i] != 0) {
            put(out, i - last);
            tm__buf_u8(out, counts->registers[i]);
            last = i;
        }
    }
}

static bool check(tm_reader *in, const tm_counts *of) {
    uint64_t at = 0;
    if (tm__reader_u16(in) != ('W' | 1 << 8) || get(in) != of->n_counts) {
        return false;
    }
    for (uint32_t i = 0; i < of->n_counts; i++) {
        in->failed = in->failed || get(in) > UINT64_MAX / 4;
    }
    const uint64_t n = get(in);
    for (uint64_t i = 0; i < n && !in->failed; i++) {
        at += get(in);
        const uint8_t value = tm__reader_u8(in);
        in->failed = in->failed || at >= of->n_registers || value == 0 || value > 57;
    }
    return tm__reader_is_done(in);
}

bool tm__counts_read(tm_counts *io, tm_str bytes) {
    tm_reader in;
    uint64_t at = 0;
    tm__reader_init(&in, bytes.ptr, bytes.len);
    if (!check(&in, io)) {
        return false;
    }
    tm__reader_init(&in, bytes.ptr, bytes.len);
    (void)tm__reader_u16(&in);
    (void)get(&in);
    for (uint32_t i = 0; i < io->n_counts; i++) {
        io->counts[i] += get(&in);
    }
    const uint64_t n = get(&in);
    for (uint64_t i = 0; i < n; i++) {
        at += get(&in);
        const uint8_t value = tm__reader_u8(&in);
        io->registers[at] = value > io->registers[at] ? value : io->registers[at];
    }
    return true;
}
