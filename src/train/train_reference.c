/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   rows learned from -> at most TM_REF_ROWS_MAX of them, each in a block -> cells and counts
 *   rows held out     -> the model's loss on each -> its mean in each cell of each column
 *
 * Blocks are parts of time when rows have one: a column that went up and down with the weeks may go
 * on to. A level that one training row alone has counts as new there: were that row not known, its
 * level would be, so the share of such rows is what a stream like it brings of new levels (Good
 * 1953, doi:10.1093/biomet/40.3-4.237).
 */
#include "train/train_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/sort.h"

#define BLOCKS 10u
#define BLOCK_ROWS 200u    /* at the least, or there are fewer blocks */
#define COARSE_COLUMNS 40u /* from so many on, cells are fewer */
#define CELLS_COLUMNS 200u /* columns that have more cells than two: those of most worth */
#define FREE_TEXT_ROWS 50u
#define LOSS_FLOOR 1e-15

typedef struct maker {
    const tm_reference_input *in;
    tm_reference *out;
    const tm_schema *schema;
    uint32_t *rows;  /* [n] of the table */
    uint8_t *blocks; /* [n] */
    uint64_t n;
    bool is_coarse; /* few cells, as for tables of many columns */
    uint32_t n_blocks, n_bins, n_levels, n_filter;
    double *values;  /* [n] room */
    double *losses;  /* [n_held] */
    uint64_t n_held; /* held-out rows that are looked at */
} maker;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for what the columns are like");
}

/* ---- rows and blocks ---- */

typedef struct timed_row {
    int64_t at;
    uint32_t row;
} timed_row;

static int compare_timed(const void *a, const void *b) {
    const timed_row *x = a, *y = b;
    if (x->at != y->at) {
        return x->at < y->at ? -1 : 1;
    }
    return x->row < y->row ? -1 : x->row > y->row;
}

static bool sort_by_time(maker *m, const int64_t *times) {
    timed_row *const order = tm__mem_alloc(m->n, sizeof(*order));
    for (uint64_t i = 0; order != NULL && i < m->n; i++) {
        order[i] = (timed_row){times[m->rows[i]], m->rows[i]};
    }
    if (order != NULL) {
        qsort(order, m->n, sizeof(*order), compare_timed);
    }
    for (uint64_t i = 0; order != NULL && i < m->n; i++) {
        m->rows[i] = order[i].row;
    }
    const bool ok = order != NULL;
    tm__mem_free(order);
    return ok;
}

static uint32_t count_blocks(uint64_t n) {
    const uint64_t fit = n / BLOCK_ROWS;
    return fit < 1 ? 1 : fit < BLOCKS ? (uint32_t)fit : BLOCKS;
}

static uint8_t block_of(const maker *m, uint64_t i, uint64_t n, uint32_t n_blocks) {
    if (m->out->is_ordered) {
        return (uint8_t)(i * n_blocks / n);
    }
    const tm_rng rng = tm__rng_split(m->in->seed, "reference", 0);
    return (uint8_t)(tm__rng_at(rng.key, i) % n_blocks);
}

static bool pick_rows(maker *m) {
    const tm_train_data *const data = m->in->data;
    m->n = data->n_train < TM_REF_ROWS_MAX ? data->n_train : TM_REF_ROWS_MAX;
    m->n_blocks = count_blocks(m->n);
    m->rows = tm__mem_alloc(m->n, sizeof(*m->rows));
    m->blocks = tm__mem_alloc(m->n, sizeof(*m->blocks));
    m->values = tm__mem_alloc(m->n, sizeof(*m->values));
    if (m->rows == NULL || m->blocks == NULL || m->values == NULL) {
        return false;
    }
    for (uint64_t i = 0; i < m->n; i++) {
        m->rows[i] = data->train[i * data->n_train / m->n];
    }
    m->out->is_ordered = data->is_time_ordered;
    if (data->time != UINT32_MAX && !data->is_time_ordered) {
        const int64_t *const times = tm__table_column(data->table, data->time)->ints;
        m->out->is_ordered = times != NULL;
        if (times != NULL && !sort_by_time(m, times)) {
            return false;
        }
    }
    for (uint64_t i = 0; i < m->n; i++) {
        m->blocks[i] = block_of(m, i, m->n, m->n_blocks);
    }
    return true;
}

/* ---- cells of a column ---- */

/* Bins of about as many rows each, of sorted values. */
static bool make_edges(tm_ref_column *c, const double *sorted, uint64_t n, uint32_t n_bins) {
    c->edges = tm__mem_alloc((size_t)n_bins + 1, sizeof(double));
    if (c->edges == NULL) {
        return false;
    }
    c->edges[c->n_edges++] = sorted[0];
    for (uint32_t k = 1; k <= n_bins; k++) {
        const double q = sorted[(k * n + n_bins - 1) / n_bins - 1];
        if (c->n_edges == 1 || q > c->edges[c->n_edges - 1]) {
            c->edges[c->n_edges++] = q;
        }
    }
    return true;
}

static double number_of(const tm_column *column, uint64_t row) {
    if (column->type == TM_TYPE_TEXT) {
        return (double)tm__dict_get(column->dict, column->codes[row]).len;
    }
    return tm__column_number(column, row);
}

/* Values that a bin can have, in the order of rows. */
static uint64_t take_values(const maker *m, const tm_column *column) {
    uint64_t n = 0;
    for (uint64_t i = 0; i < m->n; i++) {
        if (!tm__column_is_missing(column, m->rows[i])) {
            const double x = number_of(column, m->rows[i]);
            m->values[n] = x == 0 ? 0.0 : x; /* no -0: its bits are others */
            n += isfinite(x) ? 1 : 0;
        }
    }
    return n;
}

/* A column that most of each block of time has beyond all that was before, such as a date or a
 * running number: where its values are says nothing. */
static bool has_trend(const maker *m, const tm_column *column) {
    double least = INFINITY, most = -INFINITY, block_least = INFINITY, block_most = -INFINITY;
    uint64_t n = 0, n_beyond = 0;
    uint32_t n_blocks = 0, n_beyond_blocks = 0;
    for (uint64_t i = 0; m->out->is_ordered && i < m->n; i++) {
        const double x =
            tm__column_is_missing(column, m->rows[i]) ? (double)NAN : number_of(column, m->rows[i]);
        if (isfinite(x)) {
            n++;
            n_beyond += x < least || x > most ? 1 : 0;
            block_least = x < block_least ? x : block_least;
            block_most = x > block_most ? x : block_most;
        }
        if (i + 1 == m->n || m->blocks[i + 1] != m->blocks[i]) {
            n_blocks += m->blocks[i] > 0 ? 1 : 0;
            n_beyond_blocks += m->blocks[i] > 0 && 2 * n_beyond > n ? 1 : 0;
            least = block_least;
            most = block_most;
            n = n_beyond = 0;
        }
    }
    return n_blocks > 0 && 2 * n_beyond_blocks > n_blocks;
}

static bool number_cells(maker *m, const tm_column *column, tm_ref_column *c) {
    const uint64_t n = take_values(m, column);
    if (n == 0 || (column->type != TM_TYPE_TEXT && has_trend(m, column))) {
        return true; /* PRESENCE */
    }
    c->kind = column->type == TM_TYPE_TEXT ? TM_REF_LENGTHS : TM_REF_NUMBERS;
    return tm__sort_f64(m->values, n) && make_edges(c, m->values, n, m->n_bins);
}

/* Rows of each code among those learned from. */
static uint32_t *count_codes(const maker *m, const tm_column *column, uint32_t n_codes) {
    const tm_train_data *const data = m->in->data;
    uint32_t *const counts = tm__mem_zalloc((size_t)n_codes + 1, sizeof(*counts));
    for (uint64_t i = 0; counts != NULL && i < data->n_train; i++) {
        const uint32_t code = column->codes[data->train[i]];
        if (code != TM_CODE_MISSING) {
            counts[code]++;
        }
    }
    return counts;
}

/* The most frequent levels, equal ones in the order of codes; their counts become 0. */
static bool take_levels(const maker *m, const tm_column *column, uint32_t *counts, uint32_t n_codes,
                        tm_ref_column *c) {
    c->levels = tm__mem_zalloc((size_t)m->n_levels + 1, sizeof(*c->levels));
    while (c->levels != NULL && c->n_levels < m->n_levels) {
        uint32_t best = 0;
        for (uint32_t k = 1; k < n_codes; k++) {
            best = counts[k] > counts[best] ? k : best;
        }
        if (n_codes == 0 || counts[best] < 2) {
            break;
        }
        tm__ref_level_set(&c->levels[c->n_levels++], tm__dict_get(column->dict, best));
        counts[best] = 0;
    }
    return c->levels != NULL;
}

/* The filter of the levels that were not kept; none when they are too many for it. */
static bool make_filter(const maker *m, const tm_column *column, const uint32_t *counts,
                        uint32_t n_codes, tm_ref_column *c) {
    uint64_t n = 0;
    for (uint32_t k = 0; k < n_codes; k++) {
        n += counts[k] > 0 ? 1 : 0;
    }
    uint32_t size = 8;
    while (size < n && size < m->n_filter) {
        size *= 2;
    }
    if (n > 2 * (uint64_t)size) {
        return true;
    }
    c->filter = tm__mem_zalloc(size, 1);
    c->n_filter = size;
    for (uint32_t k = 0; c->filter != NULL && k < n_codes; k++) {
        if (counts[k] > 0) {
            tm__ref_filter_add(c, tm__ref_hash(tm__dict_get(column->dict, k)));
        }
    }
    return c->filter != NULL;
}

static bool is_free_text(const maker *m, const uint32_t *counts, uint32_t n_codes) {
    uint64_t n_rows = 0, n_distinct = 0;
    for (uint32_t k = 0; k < n_codes; k++) {
        n_rows += counts[k];
        n_distinct += counts[k] > 0 ? 1 : 0;
    }
    (void)m;
    return n_rows >= FREE_TEXT_ROWS && 2 * n_distinct > n_rows;
}

/* counts: of codes, those of kept levels 0 afterwards. */
static bool level_cells(maker *m, const tm_column *column, uint32_t *counts, uint32_t n_codes,
                        tm_ref_column *c) {
    if (is_free_text(m, counts, n_codes)) {
        return number_cells(m, column, c);
    }
    c->kind = TM_REF_LEVELS;
    return take_levels(m, column, counts, n_codes, c) && make_filter(m, column, counts, n_codes, c);
}

static bool count_rows(const maker *m, const tm_column *column, const uint32_t *codes,
                       tm_ref_column *c) {
    c->n_blocks = m->n_blocks;
    if (!tm__ref_column_settle(c)) {
        return false;
    }
    const uint32_t cell_new = tm__ref_unseen(c);
    for (uint64_t i = 0; i < m->n; i++) {
        const tm_cell value = tm__column_cell(column, m->rows[i]);
        uint32_t cell = tm__ref_cell(c, &value);
        if (cell_new != UINT32_MAX && cell == c->n_levels &&
            codes[column->codes[m->rows[i]]] == 1) {
            cell = cell_new;
        }
        c->counts[(size_t)m->blocks[i] * c->n_cells + cell]++;
    }
    return true;
}

static bool make_column(maker *m, uint32_t input, bool has_cells) {
    const tm_train_data *const data = m->in->data;
    const uint32_t at = tm__table_find(data->table, m->schema->cols[input].name);
    const tm_column *const column = tm__table_column(data->table, at);
    tm_ref_column *const c = &m->out->columns[input];
    const bool is_text = column->type == TM_TYPE_TEXT;
    const uint32_t n_codes = is_text ? tm__dict_count(column->dict) : 0;
    uint32_t *const codes = is_text ? count_codes(m, column, n_codes) : NULL;
    bool ok = !is_text || codes != NULL;
    if (ok && has_cells) {
        ok = is_text ? level_cells(m, column, codes, n_codes, c) : number_cells(m, column, c);
    }
    ok = ok && count_rows(m, column, codes, c);
    tm__mem_free(codes);
    return ok;
}

/* ---- losses ---- */

static double target_of(const maker *m, uint64_t i) {
    const tm_held_out *const held = &m->in->held_out;
    return held->y != NULL ? held->y[i] : m->in->data->y[held->rows[i]];
}

static double log_loss(double p) {
    return -tm__log(p < LOSS_FLOOR ? LOSS_FLOOR : p > 1 ? 1 : p);
}

static double loss_of(const maker *m, const double *pred, double y) {
    const tm_train_data *const data = m->in->data;
    if (data->task == TM_TASK_BINARY) {
        return log_loss(y > 0.5 ? pred[0] : 1 - pred[0]);
    }
    if (data->task == TM_TASK_MULTICLASS) {
        return log_loss(y >= 0 && y < data->n_classes ? pred[(uint32_t)y] : 0);
    }
    return (pred[0] - y) * (pred[0] - y);
}

/* The answer that is best without a column: shares of classes, or the mean. */
static bool constant_answer(const maker *m, double *out, uint32_t n_outputs) {
    const tm_train_data *const data = m->in->data;
    memset(out, 0, n_outputs * sizeof(*out));
    for (uint64_t i = 0; i < data->n_train; i++) {
        const double y = data->y[data->train[i]];
        if (data->task != TM_TASK_MULTICLASS) {
            out[0] += y;
        } else if (y >= 0 && y < n_outputs) {
            out[(uint32_t)y] += 1;
        }
    }
    for (uint32_t k = 0; k < n_outputs; k++) {
        out[k] /= data->n_train > 0 ? (double)data->n_train : 1;
    }
    return true;
}

static uint64_t held_row(const maker *m, uint64_t i) {
    return i * m->in->held_out.n / m->n_held;
}

static bool make_losses(maker *m) {
    const tm_held_out *const held = &m->in->held_out;
    const uint32_t n_outputs = tm__train_outputs(m->in->data);
    double *const constant = tm__mem_alloc(n_outputs, sizeof(double));
    double sum = 0, sum_constant = 0;
    m->losses = tm__mem_alloc(m->n_held, sizeof(double));
    if (m->losses == NULL || constant == NULL) {
        tm__mem_free(constant);
        return false;
    }
    bool is_sound = constant_answer(m, constant, n_outputs);
    for (uint64_t i = 0; i < m->n_held; i++) {
        const uint64_t at = held_row(m, i);
        const double y = target_of(m, at);
        m->losses[i] = loss_of(m, held->pred + at * n_outputs, y);
        sum += m->losses[i];
        sum_constant += loss_of(m, constant, y);
        is_sound = is_sound && m->losses[i] >= 0 && m->losses[i] < 1e290;
    }
    tm__mem_free(constant);
    const bool is_log = m->in->data->task != TM_TASK_REGRESSION;
    if (is_sound && sum_constant < 1e290) {
        m->out->loss_kind = is_log ? TM_REF_LOSS_LOG : TM_REF_LOSS_SQUARED;
        m->out->loss = sum / (double)m->n_held;
        m->out->loss_constant = sum_constant / (double)m->n_held;
    }
    return true;
}

static void end_losses(tm_ref_column *c) {
    for (uint32_t i = 0; i < c->n_cells; i++) {
        c->loss[i] = c->loss_rows[i] > 0 ? c->loss[i] / c->loss_rows[i] : 0;
    }
}

static void column_losses(const maker *m, uint32_t input) {
    const uint32_t at = tm__table_find(m->in->data->table, m->schema->cols[input].name);
    const tm_column *const column = tm__table_column(m->in->data->table, at);
    tm_ref_column *const c = &m->out->columns[input];
    for (uint64_t i = 0; i < m->n_held; i++) {
        const tm_cell value = tm__column_cell(column, m->in->held_out.rows[held_row(m, i)]);
        const uint32_t cell = tm__ref_cell(c, &value);
        c->loss_rows[cell]++;
        c->loss[cell] += m->losses[i];
    }
    end_losses(c);
}

/* ---- answers ---- */

static bool output_cells(maker *m, tm_ref_column *c) {
    const uint32_t n_outputs = tm__train_outputs(m->in->data);
    if (m->in->data->task == TM_TASK_MULTICLASS) {
        c->kind = TM_REF_CLASSES;
        c->n_classes = n_outputs < TM_REF_CLASSES_MAX ? n_outputs : TM_REF_CLASSES_MAX;
        return true;
    }
    double *const sorted = tm__mem_alloc(m->n_held, sizeof(double));
    bool ok = sorted != NULL;
    for (uint64_t i = 0; ok && i < m->n_held; i++) {
        const double x = m->in->held_out.pred[held_row(m, i)];
        sorted[i] = x == 0 || !isfinite(x) ? 0.0 : x;
    }
    if (ok) {
        c->kind = TM_REF_NUMBERS;
        ok = tm__sort_f64(sorted, m->n_held) && make_edges(c, sorted, m->n_held, m->n_bins);
    }
    tm__mem_free(sorted);
    return ok;
}

static bool make_output(maker *m) {
    tm_ref_column *const c = &m->out->columns[m->out->n_columns];
    const uint32_t n_outputs = tm__train_outputs(m->in->data);
    c->n_blocks = count_blocks(m->n_held);
    if (!output_cells(m, c) || !tm__ref_column_settle(c)) {
        return false;
    }
    m->out->has_output = true;
    for (uint64_t i = 0; i < m->n_held; i++) {
        const double *const pred = m->in->held_out.pred + held_row(m, i) * n_outputs;
        const uint32_t cell = tm__ref_output_cell(c, pred, n_outputs);
        const uint8_t block = block_of(m, i, m->n_held, c->n_blocks);
        c->counts[(size_t)block * c->n_cells + cell]++;
        if (m->out->loss_kind != TM_REF_LOSS_NONE) {
            c->loss_rows[cell]++;
            c->loss[cell] += m->losses[i];
        }
    }
    end_losses(c);
    return true;
}

/* ---- all ---- */

/* Whether a column is among the CELLS_COLUMNS of most worth. */
static bool is_worth_cells(const double *shares, uint32_t n, uint32_t at) {
    uint32_t n_before = 0;
    for (uint32_t i = 0; n > CELLS_COLUMNS && i < n; i++) {
        n_before += shares[i] > shares[at] || (shares[i] == shares[at] && i < at) ? 1 : 0;
    }
    return n_before < CELLS_COLUMNS;
}

static bool make_all(maker *m, double *shares) {
    const tm_held_out *const held = &m->in->held_out;
    const uint32_t n = m->schema->n_cols;
    const bool is_coarse = m->is_coarse || n > COARSE_COLUMNS;
    const bool ranks = m->in->data->task == TM_TASK_RANKING; /* losses are of queries there */
    m->n_bins = is_coarse ? 8 : 16;
    m->n_levels = is_coarse ? 8 : 24;
    m->n_filter = is_coarse ? 512 : TM_REF_FILTER_MAX;
    m->n_held = held->n < TM_REF_ROWS_MAX ? held->n : TM_REF_ROWS_MAX;
    if (!pick_rows(m) || !tm__train_shares(m->in->program, m->in->model, shares) ||
        (m->n_held > 0 && !ranks && !make_losses(m))) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        m->out->columns[i].importance = shares[i] < 1 ? shares[i] : 1;
        if (!make_column(m, i, is_worth_cells(shares, n, i))) {
            return false;
        }
        if (m->out->loss_kind != TM_REF_LOSS_NONE && held->rows != NULL) {
            column_losses(m, i);
        }
    }
    return m->n_held == 0 || make_output(m);
}

static tm_status make(const tm_reference_input *in, bool is_coarse, tm_reference **out,
                      tm_err *err) {
    maker m = {.in = in, .schema = tm__program_schema(in->program), .is_coarse = is_coarse};
    double *const shares = tm__mem_alloc((size_t)m.schema->n_cols + 1, sizeof(double));
    m.out = tm__reference_create(m.schema->n_cols);
    const bool ok = shares != NULL && m.out != NULL && make_all(&m, shares);
    tm__mem_free(shares);
    tm__mem_free(m.rows);
    tm__mem_free(m.blocks);
    tm__mem_free(m.values);
    tm__mem_free(m.losses);
    if (!ok) {
        tm__reference_free(m.out);
        return no_memory(err);
    }
    *out = m.out;
    return TM_OK;
}

/* False: it takes more than it may. */
static tm_status has_room(const tm_reference *reference, size_t bytes_max, bool *out, tm_err *err) {
    tm_buf buf;
    *out = true;
    if (bytes_max == 0) {
        return TM_OK;
    }
    tm__buf_init(&buf, bytes_max);
    tm__reference_save(reference, &buf);
    *out = !buf.failed;
    const bool is_short = buf.no_memory;
    tm__buf_done(&buf);
    return is_short ? no_memory(err) : TM_OK;
}

tm_status tm__train_reference(const tm_reference_input *in, tm_reference **out, tm_err *err) {
    tm_reference *made = NULL;
    bool fits = false;
    for (int coarse = 0; coarse < 2 && !fits; coarse++) {
        tm__reference_free(made);
        made = NULL;
        TM_TRY(make(in, coarse == 1, &made, err));
        const tm_status st = has_room(made, in->bytes_max, &fits, err);
        if (st != TM_OK) {
            tm__reference_free(made);
            return st;
        }
    }
    if (!fits) {
        tm__reference_free(made);
        made = NULL;
    }
    *out = made;
    return TM_OK;
}
