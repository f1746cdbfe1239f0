/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fair sample of rows from a stream: each row has a number of a random stream, and those with the
 * smallest stay. Which ones does not depend on the order in which threads offer them.
 *
 *     heap  [ largest | ... ]   n_rows_max rows; a smaller one takes the place of the largest
 *
 * Cells are kept as texts, u32 length (all ones: missing) and bytes, since their types are not
 * known before the end.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "source/csv_priv.h"
#include "source/profile_priv.h"

typedef struct kept_row {
    uint64_t priority, place;
    uint8_t *cells;
    size_t len;
} kept_row;

struct tm_profile_sample {
    kept_row *rows; /* [n] a heap, largest priority first */
    uint32_t n, n_max;
    _Atomic uint64_t limit;
};

tm_profile_sample *tm__profile_sample_create(uint32_t n_rows_max) {
    tm_profile_sample *const s = tm__mem_zalloc(1, sizeof(*s));
    kept_row *const rows = tm__mem_zalloc(n_rows_max, sizeof(*rows));
    if (s == NULL || rows == NULL) {
        tm__mem_free(s);
        tm__mem_free(rows);
        return NULL;
    }
    s->rows = rows;
    s->n_max = n_rows_max;
    atomic_init(&s->limit, UINT64_MAX);
    return s;
}

uint64_t tm__profile_sample_limit(const tm_profile_sample *s) {
    return atomic_load_explicit(&s->limit, memory_order_relaxed);
}

static void swap(kept_row *a, kept_row *b) {
    const kept_row row = *a;
    *a = *b;
    *b = row;
}

static void sink(tm_profile_sample *s) {
    for (uint32_t at = 0;;) {
        uint32_t most = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < s->n; child++) {
            most = s->rows[child].priority > s->rows[most].priority ? child : most;
        }
        if (most == at) {
            return;
        }
        swap(&s->rows[at], &s->rows[most]);
        at = most;
    }
}

static void rise(tm_profile_sample *s) {
    for (uint32_t at = s->n - 1; at > 0; at = (at - 1) / 2) {
        if (s->rows[at].priority <= s->rows[(at - 1) / 2].priority) {
            return;
        }
        swap(&s->rows[at], &s->rows[(at - 1) / 2]);
    }
}

bool tm__profile_sample_add(tm_profile_sample *s, uint64_t priority, uint64_t place,
                            const uint8_t *cells, size_t len) {
    if (s->n == s->n_max && priority >= s->rows[0].priority) {
        return true;
    }
    uint8_t *const copy = tm__mem_small(len + 1);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, cells, len);
    const kept_row row = {priority, place, copy, len};
    if (s->n < s->n_max) {
        s->rows[s->n++] = row;
        rise(s);
    } else {
        tm__mem_free(s->rows[0].cells);
        s->rows[0] = row;
        sink(s);
    }
    if (s->n == s->n_max) {
        atomic_store_explicit(&s->limit, s->rows[0].priority, memory_order_relaxed);
    }
    return true;
}

static int compare_places(const void *a, const void *b) {
    const uint64_t x = ((const kept_row *)a)->place, y = ((const kept_row *)b)->place;
    return x < y ? -1 : x > y;
}

/* --- to a table --- */

/* What a text is in a column of a type; what does not fit is missing. */
static tm_cell make_cell(tm_str text, tm_type type, bool is_month_first) {
    tm_csv_value value = {0};
    const tm_cell none = {.type = TM_TYPE_NONE};
    if (type == TM_TYPE_TEXT) {
        return (tm_cell){.type = TM_TYPE_TEXT, .text = text};
    }
    const uint32_t kinds = tm__csv_examine(text, &value);
    const bool is_int = (kinds & TM_CAN_INT) != 0;
    if (type == TM_TYPE_FLOAT) {
        const bool is_number = is_int || (kinds & (TM_CAN_FLOAT | TM_CAN_BIG)) != 0;
        return is_number ? (tm_cell){.type = type, .f64 = value.f64} : none;
    }
    if (type == TM_TYPE_INT) {
        int64_t i64 = value.i64;
        return is_int || tm__str_to_i64(text, &i64) ? (tm_cell){.type = type, .i64 = i64} : none;
    }
    if (type == TM_TYPE_BOOL) {
        return (kinds & TM_CAN_BOOL) != 0 ? (tm_cell){.type = type, .i64 = value.i64} : none;
    }
    if ((kinds & TM_CAN_DATE) == 0) {
        return none;
    }
    const bool swaps = (kinds & TM_CAN_NATIONAL) != 0 && is_month_first;
    return (tm_cell){.type = type, .i64 = swaps ? value.month_first_us : value.i64};
}

typedef struct maker {
    const tm_profile_sheet *sheet;
    tm_type *types;       /* [n_cols] */
    bool *is_month_first; /* [n_cols] */
    tm_cell *cells;       /* [n_cols] */
    tm_table_builder *builder;
} maker;

static bool maker_init(maker *m, const tm_profile_sheet *sheet) {
    *m = (maker){.sheet = sheet};
    m->types = tm__mem_zalloc((size_t)sheet->n_cols + 1, sizeof(*m->types));
    m->is_month_first = tm__mem_zalloc((size_t)sheet->n_cols + 1, sizeof(bool));
    m->cells = tm__mem_zalloc((size_t)sheet->n_cols + 1, sizeof(*m->cells));
    m->builder = tm__builder_create();
    return m->types != NULL && m->is_month_first != NULL && m->cells != NULL && m->builder != NULL;
}

static tm_status add_columns(maker *m, tm_err *err) {
    for (uint32_t col = 0; col < m->sheet->n_cols; col++) {
        bool is_open = false;
        m->types[col] = tm__profile_type(&m->sheet->cols[col], &is_open);
        m->is_month_first[col] = tm__profile_is_month_first(&m->sheet->cols[col]);
        TM_TRY(tm__builder_add_column(m->builder, m->sheet->cols[col].name, m->types[col], err));
    }
    return TM_OK;
}

static tm_status add_row(maker *m, const kept_row *row, tm_err *err) {
    tm_reader in;
    tm__reader_init(&in, row->cells, row->len);
    for (uint32_t col = 0; col < m->sheet->n_cols; col++) {
        m->cells[col] = (tm_cell){.type = TM_TYPE_NONE};
        if (in.pos == in.len) {
            continue; /* a column that came later */
        }
        const uint32_t len = tm__reader_u32(&in);
        if (len != UINT32_MAX) {
            const tm_str text = {tm__reader_view(&in, len, 1), len};
            m->cells[col] = make_cell(text, m->types[col], m->is_month_first[col]);
        }
    }
    return tm__builder_add_row(m->builder, m->cells, err);
}

tm_status tm__profile_sample_table(tm_profile_sample *s, const tm_profile_sheet *sheet,
                                   tm_table **out, tm_err *err) {
    maker m;
    qsort(s->rows, s->n, sizeof(*s->rows), compare_places);
    tm_status st = maker_init(&m, sheet) ? add_columns(&m, err)
                                         : TM_FAIL(err, TM_E_NOMEM, "no memory for a sample");
    for (uint32_t i = 0; st == TM_OK && i < s->n; i++) {
        st = add_row(&m, &s->rows[i], err);
    }
    if (st == TM_OK) {
        tm_table_builder *const builder = m.builder;
        m.builder = NULL;
        st = tm__builder_finish(builder, out, err);
    }
    tm__builder_free(m.builder);
    tm__mem_free(m.types);
    tm__mem_free(m.is_month_first);
    tm__mem_free(m.cells);
    return st;
}

void tm__profile_sample_free(tm_profile_sample *s) {
    if (s == NULL) {
        return;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        tm__mem_free(s->rows[i].cells);
    }
    tm__mem_free(s->rows);
    tm__mem_free(s);
}
