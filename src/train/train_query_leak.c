/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether columns that a query made look at the future. Words cannot tell, so the query is run
 * again on what its files held before a moment, for several moments: rows before it must come out
 * as they did. A column whose values are others there looked at what came after.
 *
 *   all rows      ──> query ──> rows before the moment ─┐
 *   rows before   ──> query ──> rows before the moment ─┴─> column by column
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sort.h"
#include "source/source.h"
#include "source/sql_cut.h"
#include "train/train_priv.h"

#define QUERY_MAX ((size_t)1 << 21)
#define SUM_ERROR 1e-9 /* sums of doubles differ from run to run */

static const double cut_shares[] = {0.5, 0.75, 0.95};
#define N_CUTS (sizeof(cut_shares) / sizeof(cut_shares[0]))

typedef struct sql_check {
    tm_ctx *ctx;
    const tm_query_check *in;
    tm_window_set *set; /* what is said to be known later; NULL: nothing */
    tm_sql_known *known;
    uint32_t n_known;
    const tm_column *times;
    double *changed; /* [columns of the table] share of rows, the most of any moment */
} sql_check;

/* ---- Moments ---- */

static tm_status find_moments(const sql_check *c, int64_t *out, tm_err *err) {
    const uint64_t n = tm__table_rows(c->in->table);
    int64_t *sorted = tm__mem_alloc(n + 1, sizeof(*sorted));
    if (sorted == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to check a query");
    }
    memcpy(sorted, c->times->ints, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), tm__compare_i64);
    for (size_t i = 0; i < N_CUTS; i++) {
        out[i] = sorted[(uint64_t)((double)(n - 1) * cut_shares[i])];
    }
    tm__mem_free(sorted);
    return TM_OK;
}

/* ---- One moment ---- */

/* A row by what tells it apart: its time, and the rest of what one row alone should decide. Rows of
 * one time come in any order. */
typedef struct keyed_row {
    int64_t time;
    uint64_t hash;  /* of inputs that are no FLOAT */
    double numbers; /* sum of those that are */
    uint32_t row;
} keyed_row;

typedef struct keyed_rows {
    keyed_row *rows; /* [n] in their order */
    uint64_t n;
} keyed_rows;

static int compare_keyed(const void *a, const void *b) {
    const keyed_row *x = a, *y = b;
    if (x->time != y->time) {
        return x->time < y->time ? -1 : 1;
    }
    if (x->hash != y->hash) {
        return x->hash < y->hash ? -1 : 1;
    }
    return x->numbers < y->numbers ? -1 : x->numbers > y->numbers;
}

static bool is_other(const tm_column *a, uint64_t row, const tm_column *b, uint64_t other) {
    if (tm__column_is_missing(a, row) || tm__column_is_missing(b, other)) {
        return tm__column_is_missing(a, row) != tm__column_is_missing(b, other);
    }
    if (a->type == TM_TYPE_TEXT) {
        return !tm__str_eq(tm__dict_get(a->dict, a->codes[row]),
                           tm__dict_get(b->dict, b->codes[other]));
    }
    if (a->type == TM_TYPE_FLOAT) {
        const double x = a->floats[row], y = b->floats[other];
        return fabs(x - y) > SUM_ERROR * (fabs(x) + fabs(y));
    }
    return a->ints[row] != b->ints[other];
}

/* Columns that the model may read and that are said to be known with their row. */
static bool is_input(const sql_check *c, const char *name) {
    const tm_train_options *const o = c->in->options;
    bool is_so = strcmp(name, o->target) != 0 && strcmp(name, o->time) != 0;
    for (uint32_t i = 0; i < o->n_drop; i++) {
        is_so = is_so && strcmp(name, o->drop[i]) != 0;
    }
    return is_so && (c->set == NULL || (!tm__window_set_is_moment(c->set, name) &&
                                        !tm__window_set_is_later(c->set, name)));
}

static double numbers_of(const sql_check *c, const tm_table *table, uint64_t row) {
    double sum = 0;
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        const tm_column *const column = tm__table_column(table, col);
        const double value =
            column->floats != NULL && is_input(c, column->name) ? column->floats[row] : 0;
        sum += isfinite(value) ? value : 0;
    }
    return sum;
}

static tm_status rows_before(const sql_check *c, const tm_table *table, const tm_column *times,
                             int64_t at_us, keyed_rows *out, tm_err *err) {
    const uint64_t n = tm__table_rows(table);
    uint32_t n_cols = 0;
    uint32_t *cols = tm__mem_alloc((size_t)tm__table_cols(table) + 1, sizeof(*cols));
    uint64_t *hashes = tm__mem_zalloc(n + 1, sizeof(*hashes));
    out->rows = tm__mem_alloc(n + 1, sizeof(*out->rows));
    const bool is_made = cols != NULL && hashes != NULL && out->rows != NULL;
    for (uint32_t col = 0; is_made && col < tm__table_cols(c->in->table); col++) {
        const tm_column *const own = tm__table_column(c->in->table, col);
        const uint32_t at = tm__table_find(table, own->name);
        if (own->type != TM_TYPE_FLOAT && at != UINT32_MAX && is_input(c, own->name)) {
            cols[n_cols++] = at;
        }
    }
    if (is_made && n_cols > 0) {
        tm__table_row_hashes(table, cols, n_cols, hashes);
    }
    for (uint64_t i = 0; is_made && i < n; i++) {
        if (times->ints[i] != TM_INT_MISSING && times->ints[i] < at_us) {
            out->rows[out->n++] =
                (keyed_row){times->ints[i], hashes[i], numbers_of(c, table, i), (uint32_t)i};
        }
    }
    if (is_made) {
        qsort(out->rows, out->n, sizeof(*out->rows), compare_keyed);
    }
    tm__mem_free(cols);
    tm__mem_free(hashes);
    return is_made ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory to check a query");
}

static tm_status no_pairs(tm_err *err) {
    return TM_FAIL(err, TM_E_UNSUPPORTED,
                   "before a moment it gives other rows than it gave with all of its files' rows");
}

static void count_changes(sql_check *c, const tm_table *cut, const keyed_rows *rows,
                          const keyed_rows *others) {
    for (uint32_t col = 0; col < tm__table_cols(c->in->table); col++) {
        const tm_column *const a = tm__table_column(c->in->table, col);
        const uint32_t other = tm__table_find(cut, a->name);
        const tm_column *const b = other == UINT32_MAX ? NULL : tm__table_column(cut, other);
        uint64_t n_changed = 0;
        if (b == NULL || b->type != a->type || !is_input(c, a->name)) {
            continue;
        }
        for (uint64_t i = 0; i < rows->n; i++) {
            n_changed += is_other(a, rows->rows[i].row, b, others->rows[i].row) ? 1 : 0;
        }
        const double share = (double)n_changed / (double)rows->n;
        c->changed[col] = share > c->changed[col] ? share : c->changed[col];
    }
}

static tm_status compare(sql_check *c, const tm_table *cut, int64_t at_us, tm_err *err) {
    const uint32_t at = tm__table_find(cut, c->in->options->time);
    keyed_rows rows = {0}, others = {0};
    const tm_column *const times = at == UINT32_MAX ? NULL : tm__table_column(cut, at);
    tm_status st = times == NULL || times->type != c->times->type ? no_pairs(err) : TM_OK;
    st = st == TM_OK ? rows_before(c, c->in->table, c->times, at_us, &rows, err) : st;
    st = st == TM_OK ? rows_before(c, cut, times, at_us, &others, err) : st;
    st = st == TM_OK && rows.n != others.n ? no_pairs(err) : st;
    for (uint64_t i = 0; st == TM_OK && i < rows.n; i++) {
        st = rows.rows[i].time != others.rows[i].time ? no_pairs(err) : TM_OK;
    }
    if (st == TM_OK && rows.n > 0) {
        count_changes(c, cut, &rows, &others);
    }
    tm__mem_free(rows.rows);
    tm__mem_free(others.rows);
    return st;
}

static tm_status check_moment(sql_check *c, int64_t at_us, bool *out_has_cut, tm_err *err) {
    const tm_sql_cut cut = {.dir = c->in->dir,
                            .time = c->in->options->time,
                            .known = c->known,
                            .n_known = c->n_known,
                            .at_us = at_us};
    tm_schema schema;
    tm_table *table = NULL;
    tm_buf sql;
    uint32_t n_cut = 0;
    tm__buf_init(&sql, QUERY_MAX);
    tm_status st = tm__sql_cut(c->ctx, c->in->sql, &cut, &sql, &n_cut, err);
    *out_has_cut = n_cut > 0;
    if (st == TM_OK && n_cut > 0 && !tm__buf_byte(&sql, 0)) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory to check a query");
    }
    if (st == TM_OK && n_cut > 0) {
        st = tm__schema_from_table(c->in->table, &schema, err);
        if (st == TM_OK) {
            const tm_source_spec spec = {.sql = (const char *)sql.data, .schema = &schema};
            st = tm__source_read_in(c->ctx, &spec, c->in->dir, &table, err);
            tm__schema_done(&schema);
        }
        st = st == TM_OK ? compare(c, table, at_us, err) : st;
    }
    tm__table_unref(table);
    tm__buf_done(&sql);
    return st;
}

/* ---- The verdict ---- */

static tm_status refuse(const sql_check *c, tm_err *err) {
    const tm_table *const table = c->in->table;
    const char **names = tm__mem_alloc((size_t)tm__table_cols(table) + 1, sizeof(*names));
    uint32_t n = 0, most = 0;
    if (names == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to check a query");
    }
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        if (c->changed[col] > 0) {
            most = n == 0 || c->changed[col] > c->changed[most] ? col : most;
            names[n++] = tm__table_column(table, col)->name;
        }
    }
    tm_status st = TM_OK;
    if (n > 0) {
        tm_err refusal = {0};
        char others[32] = "";
        if (n > 1) {
            (void)snprintf(others, sizeof(others), " and %u more", n - 1);
        }
        st = TM_FAIL(&refusal, TM_E_REFUSED,
                     "column '%.64s'%s of the query looks at what was not known yet: by what came "
                     "later it changes in %.2g %% of rows",
                     tm__table_column(table, most)->name, others, 100.0 * c->changed[most]);
        tm_err_hint(&refusal,
                    "Let the query look at earlier rows only, make it a --feature, or "
                    "--drop %.64s.",
                    tm__table_column(table, most)->name);
        const tm_leak_input leak = {.options = c->in->options, .drop = names, .n_drop = n};
        const tm_status told =
            tm__train_leak_tell(c->ctx, c->in->table, c->in->test, &leak, &refusal, err);
        st = told != TM_OK ? told : st;
        if (told == TM_OK && err != NULL) {
            *err = refusal;
        }
    }
    tm__mem_free(names);
    return st;
}

static tm_status check_init(sql_check *c, tm_err *err) {
    const tm_train_options *const o = c->in->options;
    TM_TRY(tm__train_windows_set(o, &c->set, err));
    c->known = tm__mem_zalloc((size_t)o->n_known + 1, sizeof(*c->known));
    c->changed = tm__mem_zalloc((size_t)tm__table_cols(c->in->table) + 1, sizeof(*c->changed));
    if (c->known == NULL || c->changed == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to check a query");
    }
    for (uint32_t i = 0; c->set != NULL && i < tm__window_set_known_count(c->set); i++) {
        tm_sql_known *const k = &c->known[c->n_known++];
        tm__window_set_known_at(c->set, i, &k->column, &k->when, &k->delay_us);
    }
    return TM_OK;
}

tm_status tm__train_query_check(tm_ctx *ctx, const tm_query_check *in, tm_err *err) {
    const tm_train_options *const o = in->options;
    const uint32_t time = o->time == NULL ? UINT32_MAX : tm__table_find(in->table, o->time);
    sql_check c = {.ctx = ctx, .in = in};
    int64_t moments[N_CUTS] = {0};
    bool has_cut = true;
    if (time == UINT32_MAX || o->target == NULL || tm__table_rows(in->table) == 0 ||
        !tm__sql_looks_around(in->sql)) {
        return TM_OK;
    }
    c.times = tm__table_column(in->table, time);
    if (c.times->type != TM_TYPE_DATE && c.times->type != TM_TYPE_TIME) {
        return TM_OK; /* the training says so */
    }
    tm__ctx_progress(ctx, "check query", 0, N_CUTS, NULL);
    tm_status st = check_init(&c, err);
    st = st == TM_OK ? find_moments(&c, moments, err) : st;
    for (size_t i = 0; st == TM_OK && has_cut && i < N_CUTS; i++) {
        st = i > 0 && moments[i] == moments[i - 1] ? TM_OK
                                                   : check_moment(&c, moments[i], &has_cut, err);
    }
    st = st == TM_OK ? refuse(&c, err) : st;
    tm__window_set_free(c.set);
    tm__mem_free(c.known);
    tm__mem_free(c.changed);
    return st;
}
