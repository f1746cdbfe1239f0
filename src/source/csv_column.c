/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One column of a CSV file, block by block. Columns do not know each other, so threads share the
 * columns of a block and no result depends on their number.
 *
 *     learning --(the first block with values settles a type)--> reading
 *         ^                                                        |
 *         +----------------(a cell does not fit the type)----------+
 *
 * 1. `kinds` is what all cells so far can be; the type of a column is a function of the kinds of
 *    all its cells, so it depends neither on blocks nor on which pass reads the values.
 * 2. A column that falls back to learning is read again in a further pass over the files, where
 *    its type is known. Two changes need no pass, since the values stay what they are: an int
 *    column becomes float, a date column gets times of day.
 * 3. A column whose type is given never changes it; a cell that does not fit is a failure.
 */
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "source/csv_priv.h"

#define DAY_US INT64_C(86400000000)
#define NUMBERS (TM_CAN_INT | TM_CAN_FLOAT | TM_CAN_BIG)
#define ABSENT (TM_CAN_MISSING | TM_CAN_MARK)

static void fail(tm_csv_column *c, tm_status status, uint64_t record) {
    if (c->status == TM_OK) {
        c->status = status;
        c->bad_record = record;
    }
}

tm_str tm__csv_column_text(tm_csv_column *c, const tm_csv_block *b, uint64_t record) {
    const tm_csv_field field = b->fields[record * b->n_cols + c->field];
    if ((field.len & TM_CSV_MADE) != 0 && (field.len & ~TM_CSV_MADE) > c->room_size) {
        const size_t size = field.len & ~TM_CSV_MADE;
        char *const room = tm__mem_realloc(c->room, size * 2, 1);
        if (room == NULL) {
            fail(c, TM_E_NOMEM, record);
            return (tm_str){"", 0};
        }
        c->room = room;
        c->room_size = size * 2;
    }
    return tm__csv_text(b->scanner, field, c->room);
}

/* --- values --- */

static size_t value_size(tm_type type) {
    return type == TM_TYPE_TEXT ? sizeof(uint32_t) : sizeof(int64_t);
}

static void fill_missing(tm_csv_column *c, uint64_t row, uint64_t row_end) {
    for (; row < row_end; row++) {
        if (c->type == TM_TYPE_TEXT) {
            ((uint32_t *)c->values)[row] = TM_CODE_MISSING;
        } else if (c->type == TM_TYPE_FLOAT) {
            ((double *)c->values)[row] = tm__nan();
        } else {
            ((int64_t *)c->values)[row] = TM_INT_MISSING;
        }
    }
}

static bool grow(tm_csv_column *c, uint64_t n_rows) {
    if (c->type == TM_TYPE_TEXT && c->dict == NULL) {
        c->dict = tm__dict_create();
        if (c->dict == NULL) {
            return false;
        }
    }
    if (n_rows <= c->capacity) {
        return true;
    }
    const uint64_t capacity = c->capacity == 0 ? n_rows : n_rows + n_rows / 2;
    void *const values = tm__mem_realloc(c->values, capacity, value_size(c->type));
    if (values == NULL) {
        return false;
    }
    c->values = values;
    c->capacity = capacity;
    return true;
}

bool tm__csv_column_fit(tm_csv_column *c, uint64_t n_rows) {
    if (c->values == NULL) {
        /* No cell had a value, so the column never started. */
        if (!grow(c, n_rows)) {
            return false;
        }
        fill_missing(c, 0, n_rows);
    }
    if (n_rows < c->capacity - c->capacity / 8) {
        void *const values = tm__mem_realloc(c->values, n_rows, value_size(c->type));
        c->values = values != NULL ? values : c->values;
    }
    c->capacity = n_rows;
    return true;
}

void tm__csv_column_reset(tm_csv_column *c) {
    tm__mem_free(c->values);
    tm__dict_free(c->dict);
    c->values = NULL;
    c->dict = NULL;
    c->capacity = 0;
}

void tm__csv_column_done(tm_csv_column *c) {
    tm__csv_column_reset(c);
    tm__mem_free(c->name);
    tm__mem_free(c->room);
    *c = (tm_csv_column){0};
}

/* --- reading --- */

static void store_number(tm_csv_column *c, uint64_t row, const tm_csv_value *value) {
    if (c->type == TM_TYPE_FLOAT) {
        ((double *)c->values)[row] = value->f64;
    } else {
        ((int64_t *)c->values)[row] = value->i64;
    }
}

/* True when a cell of these kinds has a value of the column's type. */
static bool store(tm_csv_column *c, uint64_t row, uint32_t kinds, const tm_csv_value *value) {
    int64_t us = value->i64;
    switch (c->type) {
    case TM_TYPE_INT:
        if (kinds != TM_CAN_INT) {
            return false;
        }
        break;
    case TM_TYPE_FLOAT:
        if ((kinds & NUMBERS) == 0) {
            return false;
        }
        break;
    case TM_TYPE_BOOL:
        if (kinds != TM_CAN_BOOL) {
            return false;
        }
        break;
    default:
        if ((kinds & TM_CAN_DATE) == 0) {
            return false;
        }
        if ((kinds & TM_CAN_NATIONAL) != 0) {
            if ((!c->is_day_first && !c->is_month_first) ||
                (c->is_day_first && (kinds & TM_CAN_MONTH_FIRST) != 0) ||
                (c->is_month_first && (kinds & TM_CAN_DAY_FIRST) != 0)) {
                return false;
            }
            us = c->is_month_first ? value->month_first_us : us;
        }
        if (c->wanted != NULL && c->type == TM_TYPE_DATE) {
            us -= us % DAY_US < 0 ? us % DAY_US + DAY_US : us % DAY_US;
        }
        ((int64_t *)c->values)[row] = us;
        return true;
    }
    store_number(c, row, value);
    return true;
}

/* The type is given, and the plain reading does not fit: "yes", 2.0 for an int, ... */
static bool store_fitted(tm_csv_column *c, uint64_t row, tm_str text) {
    char room[32];
    bool is_coerced = false;
    tm_cell cell = {.type = TM_TYPE_TEXT, .text = text};
    if (tm__cell_fit(c->wanted, &cell, room, &is_coerced, NULL) != TM_OK) {
        return false;
    }
    if (cell.type == TM_TYPE_NONE) {
        fill_missing(c, row, row + 1);
    } else {
        store_number(c, row, &(tm_csv_value){.i64 = cell.i64, .f64 = cell.f64});
    }
    return true;
}

static void widen(tm_csv_column *c, uint64_t n_rows) {
    for (uint64_t row = 0; row < n_rows; row++) {
        int64_t value;
        memcpy(&value, (int64_t *)c->values + row, sizeof(value));
        const double number = value == TM_INT_MISSING ? tm__nan() : (double)value;
        memcpy((double *)c->values + row, &number, sizeof(number));
    }
    c->type = TM_TYPE_FLOAT;
}

/* A cell does not fit: widen, or go back to learning; false ends the reading of this block. */
static bool adapt(tm_csv_column *c, const tm_csv_block *b, uint64_t record, uint32_t kinds,
                  const tm_csv_value *value) {
    const uint64_t row = b->row + (record - b->record);
    if (c->wanted != NULL) {
        if ((kinds & TM_CAN_NATIONAL) != 0 && !c->needs_pass && !c->is_day_first &&
            !c->is_month_first && (c->type == TM_TYPE_DATE || c->type == TM_TYPE_TIME)) {
            c->is_learning = true;
            c->needs_pass = true;
            return false;
        }
        if (store_fitted(c, row, tm__csv_column_text(c, b, record))) {
            return true;
        }
        fail(c, TM_E_DATA, record);
        return false;
    }
    if (c->type == TM_TYPE_INT && tm__csv_decide(c->kinds) == TM_TYPE_FLOAT) {
        widen(c, row);
        return store(c, row, kinds, value);
    }
    c->is_learning = true;
    c->needs_pass = true;
    return false;
}

/* Record where reading stopped: all were read when it is block->record_end. */
static uint64_t read_values(tm_csv_column *c, const tm_csv_block *b) {
    for (uint64_t record = b->record; record < b->record_end; record++) {
        const uint64_t row = b->row + (record - b->record);
        tm_csv_value value;
        const uint32_t kinds = tm__csv_examine(tm__csv_column_text(c, b, record), &value);
        c->kinds |= kinds;
        if ((kinds & ABSENT) != 0) {
            fill_missing(c, row, row + 1);
        } else if (!store(c, row, kinds, &value) && !adapt(c, b, record, kinds, &value)) {
            return record;
        }
    }
    return b->record_end;
}

/* Room for the texts with doubled quotes among some records. */
static bool make_room(tm_csv_column *c, const tm_csv_block *b, uint64_t record, uint64_t end) {
    size_t size = 0;
    for (; record < end; record++) {
        const tm_csv_field field = b->fields[record * b->n_cols + c->field];
        size += (field.len & TM_CSV_MADE) != 0 ? field.len & ~TM_CSV_MADE : 0;
    }
    if (size > c->room_size) {
        char *const room = tm__mem_realloc(c->room, size * 2, 1);
        if (room == NULL) {
            return false;
        }
        c->room = room;
        c->room_size = size * 2;
    }
    return true;
}

/* Most texts are longer than any mark and have no blanks around them. */
static bool is_missing_text(tm_str text) {
    return (text.len <= 4 || (uint8_t)text.ptr[0] <= ' ' ||
            (uint8_t)text.ptr[text.len - 1] <= ' ') &&
           tm__csv_is_missing(text);
}

/* At most TM_DICT_MANY records, whose texts are looked up together. */
static void read_some_texts(tm_csv_column *c, const tm_csv_block *b, uint64_t record,
                            uint64_t end) {
    tm_str texts[TM_DICT_MANY];
    uint64_t records[TM_DICT_MANY];
    uint32_t found[TM_DICT_MANY], n = 0;
    uint32_t *const codes = (uint32_t *)c->values + b->row;
    if (!make_room(c, b, record, end)) {
        fail(c, TM_E_NOMEM, record);
        return;
    }
    for (char *room = c->room; record < end; record++) {
        const tm_csv_field field = b->fields[record * b->n_cols + c->field];
        const tm_str text = tm__csv_text(b->scanner, field, room);
        if ((field.len & TM_CSV_MADE) != 0) {
            room += text.len;
        }
        if (is_missing_text(text)) {
            codes[record - b->record] = TM_CODE_MISSING;
            continue;
        }
        texts[n] = text;
        records[n++] = record;
    }
    uint32_t n_known = tm__dict_count(c->dict);
    tm__dict_add_many(c->dict, texts, n, found);
    for (uint32_t i = 0; i < n && c->status == TM_OK; i++) {
        codes[records[i] - b->record] = found[i];
        if (found[i] == TM_CODE_MISSING) {
            fail(c, TM_E_NOMEM, records[i]);
        } else if (found[i] >= n_known) { /* a new text: codes come in order */
            n_known = found[i] + 1;
            if (!tm__str_is_utf8(texts[i])) {
                fail(c, TM_E_DATA, records[i]);
            }
        }
    }
}

static void read_texts(tm_csv_column *c, const tm_csv_block *b) {
    for (uint64_t record = b->record; record < b->record_end && c->status == TM_OK;) {
        const uint64_t left = b->record_end - record;
        const uint64_t end = record + (left < TM_DICT_MANY ? left : TM_DICT_MANY);
        read_some_texts(c, b, record, end);
        record = end;
    }
}

/* --- learning --- */

static bool has_both_orders(uint32_t kinds) {
    return (kinds & TM_CAN_DAY_FIRST) != 0 && (kinds & TM_CAN_MONTH_FIRST) != 0;
}

static void learn(tm_csv_column *c, const tm_csv_block *b, uint64_t record) {
    for (; record < b->record_end && (c->kinds & TM_CAN_TEXT) == 0; record++) {
        tm_csv_value value;
        const uint32_t kinds = tm__csv_examine(tm__csv_column_text(c, b, record), &value);
        c->kinds |= kinds;
        if (c->odd_path == NULL && ((kinds & TM_CAN_HUGE) != 0 || has_both_orders(c->kinds))) {
            c->odd_path = b->path;
            c->odd_line = tm__csv_line(b->scanner, b->fields[record * b->n_cols + c->field]);
        }
    }
}

/* Every value of the column is a number, or every one a date, but no type holds them all. As texts
 * they would be kept, and a column of numbers be lost without a word. */
static tm_status odd_value(const tm_csv_column *c, tm_err *err) {
    if ((c->kinds & TM_CAN_HUGE) != 0) {
        (void)TM_FAIL(err, TM_E_DATA, "a number of column '%s' is larger than a double", c->name);
        tm_err_hint(err, "Correct or remove it, or read the column as text by --sql with "
                         "read_csv(..., types = {...}).");
    } else {
        (void)TM_FAIL(err, TM_E_DATA, "dates of column '%s' begin with the day and with the month",
                      c->name);
        tm_err_hint(err, "Write all as 2001-12-31, or read the column as text by --sql with "
                         "read_csv(..., types = {...}).");
    }
    if (c->odd_path != NULL) {
        tm_err_at(err, c->odd_path, c->odd_line, c->field + 1);
    }
    return TM_E_DATA;
}

static void settle_order(tm_csv_column *c) {
    c->is_day_first = (c->kinds & TM_CAN_DAY_FIRST) != 0;
    c->is_month_first = !c->is_day_first && (c->kinds & TM_CAN_MONTH_FIRST) != 0;
}

/* Whether the kinds so far settle a type that later cells can only confirm or refuse. Numbers of
 * many digits do not: a point in a later one makes them floats. */
static bool can_start(const tm_csv_column *c, uint32_t kinds_before) {
    return (kinds_before & ~TM_CAN_MISSING) == 0 && (c->kinds & ~ABSENT) != 0 &&
           tm__csv_decide(c->kinds) != TM_TYPE_NONE &&
           ((c->kinds & TM_CAN_BIG) == 0 || (c->kinds & (TM_CAN_FLOAT | TM_CAN_TEXT)) != 0);
}

void tm__csv_column_block(tm_csv_column *c, const tm_csv_block *b) {
    if (!c->is_active || c->status != TM_OK) {
        return;
    }
    if (c->is_learning) {
        const uint32_t kinds_before = c->kinds;
        learn(c, b, b->record);
        if (b->is_learning_only || c->needs_pass || !can_start(c, kinds_before)) {
            c->needs_pass |= (c->kinds & ~TM_CAN_MISSING) != 0;
            return;
        }
        c->is_learning = false;
        c->type = tm__csv_decide(c->kinds);
        settle_order(c);
        if (!grow(c, b->row + (b->record_end - b->record))) {
            fail(c, TM_E_NOMEM, b->record);
            return;
        }
        fill_missing(c, 0, b->row);
    }
    if (!grow(c, b->row + (b->record_end - b->record))) {
        fail(c, TM_E_NOMEM, b->record);
    } else if (c->type == TM_TYPE_TEXT) {
        read_texts(c, b);
    } else {
        const uint64_t stop = read_values(c, b);
        if (stop < b->record_end && c->is_learning) {
            tm__csv_column_reset(c);
            learn(c, b, stop);
        }
    }
}

tm_status tm__csv_column_settle(tm_csv_column *c, tm_err *err) {
    settle_order(c);
    if (c->wanted == NULL) {
        c->type = tm__csv_decide(c->kinds);
        if (c->type == TM_TYPE_NONE &&
            ((c->kinds & TM_CAN_HUGE) != 0 || has_both_orders(c->kinds))) {
            return odd_value(c, err);
        }
        c->type = c->type == TM_TYPE_NONE ? TM_TYPE_TEXT : c->type;
    } else if ((c->kinds & TM_CAN_NATIONAL) != 0 && c->type != TM_TYPE_TEXT && !c->is_day_first &&
               !c->is_month_first) {
        (void)TM_FAIL(err, TM_E_DATA, "dates of column '%s' may start with the day or the month",
                      c->name);
        tm_err_hint(err, "Write dates as 2001-12-31.");
        return TM_E_DATA;
    }
    c->is_learning = false;
    return TM_OK;
}

tm_status tm__csv_column_fail(tm_csv_column *c, const tm_csv_block *b, const char *path,
                              tm_err *err) {
    const tm_csv_field field = b->fields[c->bad_record * b->n_cols + c->field];
    tm_status st = c->status;
    if (st == TM_E_NOMEM) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for column '%s'", c->name);
    }
    if (c->type == TM_TYPE_TEXT) {
        st = TM_FAIL(err, TM_E_DATA, "a text of column '%s' is not UTF-8", c->name);
        tm_err_hint(err, "Convert the file: iconv -f LATIN1 -t UTF-8 FILE > NEW.");
    } else {
        char room[32];
        bool is_coerced = false;
        tm_cell cell = {.type = TM_TYPE_TEXT, .text = tm__csv_column_text(c, b, c->bad_record)};
        st = tm__cell_fit(c->wanted, &cell, room, &is_coerced, err);
    }
    tm_err_at(err, path, tm__csv_line(b->scanner, field), c->field + 1);
    return st;
}
