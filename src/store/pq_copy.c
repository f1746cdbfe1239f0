/* SPDX-License-Identifier: Apache-2.0 */
/* Rows into a table by COPY, as text: the server turns each into the type of its column. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/str.h"
#include "store/pq_priv.h"

#define SEND_BYTES 65536u

tm_status tm__pq_copy_open(tm_pq *pq, const char *sql, tm_err *err) {
    TM_ASSERT(!pq->is_copying);
    TM_TRY(tm__pq_check(pq, err));
    if (pq->api.PQsendQuery(pq->conn, sql) == 0) {
        return tm__pq_lost(pq, err);
    }
    PGresult *result = NULL;
    TM_TRY(tm__pq_next(pq, &result, err));
    const bool is_open = result != NULL && pq->api.PQresultStatus(result) == PGRES_COPY_IN;
    tm_status st = TM_OK;
    if (!is_open) {
        st = result == NULL ? tm__pq_lost(pq, err) : tm__pq_result_fail(pq, result, err);
        tm__pq_drain(pq);
    }
    pq->api.PQclear(result);
    pq->is_copying = is_open;
    tm__buf_reset(&pq->text);
    return st;
}

/* Send bytes that are COPY's text format already. */
static tm_status copy_bytes(tm_pq *pq, const void *data, size_t len, tm_err *err) {
    TM_ASSERT(pq->is_copying && len <= INT32_MAX);
    TM_TRY(tm__pq_check(pq, err));
    for (;;) {
        const int sent = pq->api.PQputCopyData(pq->conn, data, (int)len);
        if (sent > 0) {
            return TM_OK;
        }
        if (sent < 0) {
            return tm__pq_lost(pq, err);
        }
        TM_TRY(tm__pq_wait(pq, true, err));
        if (pq->api.PQconsumeInput(pq->conn) == 0) {
            return tm__pq_lost(pq, err);
        }
    }
}

static bool add_text(tm_buf *out, tm_str text) {
    bool fits = true;
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        const char escape = c == '\\'   ? '\\'
                            : c == '\n' ? 'n'
                            : c == '\r' ? 'r'
                            : c == '\t' ? 't'
                                        : 0;
        if (escape != 0) {
            const char pair[2] = {'\\', escape};
            fits = fits && tm__buf_append(out, text.ptr + from, i - from) &&
                   tm__buf_append(out, pair, sizeof(pair));
            from = i + 1;
        }
    }
    return fits && tm__buf_append(out, text.ptr + from, text.len - from);
}

static bool add_float(tm_buf *out, double value) {
    char text[40];
    if (isinf(value)) {
        return tm__buf_text(out, value > 0 ? "Infinity" : "-Infinity");
    }
    return tm__buf_append(out, text, tm__f64_to_text(value, text));
}

static bool add_int(tm_buf *out, tm_type type, int64_t value) {
    char text[48];
    switch (type) {
    case TM_TYPE_BOOL:
        return tm__buf_byte(out, value != 0 ? 't' : 'f');
    case TM_TYPE_DATE:
        return tm__buf_append(out, text, tm__date_to_text(value, text));
    case TM_TYPE_TIME:
        return tm__buf_append(out, text, tm__time_to_text(value, text));
    default:
        return (value >= 0 || tm__buf_byte(out, '-')) &&
               tm__buf_decimal(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    }
}

static bool add_cell(tm_buf *out, const tm_column *column, uint64_t row) {
    if (tm__column_is_missing(column, row)) {
        return tm__buf_append(out, "\\N", 2);
    }
    switch (column->type) {
    case TM_TYPE_TEXT:
        return add_text(out, tm__dict_get(column->dict, column->codes[row]));
    case TM_TYPE_FLOAT:
        return add_float(out, column->floats[row]);
    default:
        return add_int(out, column->type, column->ints[row]);
    }
}

static tm_status send_text(tm_pq *pq, tm_err *err) {
    tm_status st = tm__buf_status(&pq->text);
    if (st != TM_OK) {
        return TM_FAIL(err, st, "no memory for rows on their way to PostgreSQL");
    }
    st = pq->text.len == 0 ? TM_OK : copy_bytes(pq, pq->text.data, pq->text.len, err);
    tm__buf_reset(&pq->text);
    return st;
}

bool tm__pq_copy_text(const tm_table *table, uint64_t row, uint64_t row_end, tm_buf *out) {
    const uint32_t n_cols = tm__table_cols(table);
    TM_ASSERT(row <= row_end && row_end <= tm__table_rows(table));
    for (; row < row_end && !out->failed; row++) {
        for (uint32_t col = 0; col < n_cols; col++) {
            (void)(col == 0 || tm__buf_byte(out, '\t'));
            (void)add_cell(out, tm__table_column(table, col), row);
        }
        (void)tm__buf_byte(out, '\n');
    }
    return !out->failed;
}

tm_status tm__pq_copy_rows(tm_pq *pq, const tm_table *table, uint64_t row, uint64_t row_end,
                           tm_err *err) {
    TM_ASSERT(pq->is_copying);
    while (row < row_end) {
        (void)tm__pq_copy_text(table, row, row + 1, &pq->text);
        row++;
        if (pq->text.len >= SEND_BYTES || pq->text.failed || row == row_end) {
            TM_TRY(send_text(pq, err));
        }
    }
    return TM_OK;
}

static tm_status put_end(tm_pq *pq, const char *why, tm_err *err) {
    for (;;) {
        const int sent = pq->api.PQputCopyEnd(pq->conn, why);
        if (sent > 0) {
            return TM_OK;
        }
        if (sent < 0) {
            return tm__pq_lost(pq, err);
        }
        TM_TRY(tm__pq_wait(pq, true, err));
        if (pq->api.PQconsumeInput(pq->conn) == 0) {
            return tm__pq_lost(pq, err);
        }
    }
}

tm_status tm__pq_copy_close(tm_pq *pq, uint64_t *out_rows, tm_err *err) {
    TM_ASSERT(pq->is_copying);
    pq->is_copying = false;
    TM_TRY(tm__pq_check(pq, err));
    TM_TRY(put_end(pq, NULL, err));
    PGresult *result = NULL;
    TM_TRY(tm__pq_finish(pq, &result, err));
    uint64_t n = 0;
    const bool is_known =
        result != NULL && tm__str_to_u64(tm__str(pq->api.PQcmdTuples(result)), &n);
    pq->api.PQclear(result);
    if (!is_known) {
        return TM_FAIL(err, TM_E_INTERNAL, "PostgreSQL does not say how many rows a COPY wrote");
    }
    if (out_rows != NULL) {
        *out_rows = n;
    }
    return TM_OK;
}

void tm__pq_copy_cancel(tm_pq *pq) {
    if (!pq->is_copying) {
        return;
    }
    pq->is_copying = false;
    if (tm__pq_check(pq, NULL) == TM_OK && put_end(pq, "not wanted any more", NULL) == TM_OK) {
        tm__pq_drain(pq);
    }
}
