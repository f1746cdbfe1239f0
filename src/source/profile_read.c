/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source to its profile, in one pass and on all threads.
 *
 *     part of the source ──> profile of the part, rows that may be in the sample   one thread each
 *                                  └──> merged in the order of the parts           one at a time
 *
 * 1. Parts are cut by bytes or rows, never by threads, and merged in their order: the profile is
 *    the same for any number of threads.
 * 2. A profile of a part is used again for a later one. There are never more than threads and the
 *    parts that wait for their turn.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "source/csv_priv.h"
#include "source/profile_priv.h"

#define PART_BYTES ((size_t)4 << 20)
#define SHEETS_MAX 1024u
#define SAMPLE_ROWS 20000u
#define SAMPLE_ROWS_LEAST 500u
#define SAMPLE_CELLS 2000000u
#define TEXT_MAX 256u /* bytes of a text in the sample */
#define CELLS_BYTES_MAX ((size_t)1 << 30)
#define MIX UINT64_C(0x9e3779b97f4a7c15)
#define NO_HASH UINT64_C(0x6d697373696e6721) /* of a missing value */

/* The profile of a part and the rows it offers. */
typedef struct part_sheet {
    tm_profile_sheet *sheet;
    tm_buf rows;                /* priority, place, length, cells of each */
    uint64_t *hashes, *targets; /* [n_capacity] of rows */
    bool *is_offered;           /* [n_capacity] */
    uint64_t *priorities;       /* [n_capacity] */
    uint64_t n_capacity;
} part_sheet;

typedef struct reading {
    const tm_profile_options *options;
    tm_profile_sheet *sheet; /* of all parts so far */
    tm_profile_sample *sample;
    tm_mutex *mutex; /* guards what follows */
    part_sheet *all[SHEETS_MAX];
    part_sheet *idle[SHEETS_MAX];
    uint32_t n_all, n_idle;
    uint32_t n_cols; /* 0: no part yet */
    uint64_t key;    /* of the sample's random stream */
} reading;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for a profile");
}

/* --- profiles of parts --- */

static void part_free(part_sheet *p) {
    if (p != NULL) {
        tm__profile_free(p->sheet);
        tm__buf_done(&p->rows);
        tm__mem_free(p->hashes);
        tm__mem_free(p->targets);
        tm__mem_free(p->is_offered);
        tm__mem_free(p->priorities);
        tm__mem_free(p);
    }
}

static part_sheet *part_create(const reading *r) {
    part_sheet *const p = tm__mem_zalloc(1, sizeof(*p));
    if (p == NULL) {
        return NULL;
    }
    tm__buf_init(&p->rows, CELLS_BYTES_MAX);
    p->sheet = tm__profile_create();
    if (p->sheet != NULL) {
        p->sheet->same = tm__sketch_rows_create();
        p->sheet->same_input = r->options->target != NULL ? tm__sketch_rows_create() : NULL;
    }
    if (p->sheet == NULL || p->sheet->same == NULL ||
        (r->options->target != NULL && p->sheet->same_input == NULL)) {
        part_free(p);
        return NULL;
    }
    return p;
}

static part_sheet *part_take(reading *r) {
    part_sheet *p = NULL;
    tm__mutex_lock(r->mutex);
    if (r->n_idle > 0) {
        p = r->idle[--r->n_idle];
    } else if (r->n_all < SHEETS_MAX) {
        p = part_create(r);
        if (p != NULL) {
            r->all[r->n_all++] = p;
        }
    }
    tm__mutex_unlock(r->mutex);
    return p;
}

static void part_give(reading *r, part_sheet *p) {
    tm__profile_reset(p->sheet);
    tm__buf_reset(&p->rows);
    tm__mutex_lock(r->mutex);
    r->idle[r->n_idle++] = p;
    tm__mutex_unlock(r->mutex);
}

static bool part_fit(part_sheet *p, uint64_t n_rows) {
    if (p->n_capacity >= n_rows) {
        return true;
    }
    tm__mem_free(p->hashes);
    tm__mem_free(p->targets);
    tm__mem_free(p->is_offered);
    tm__mem_free(p->priorities);
    p->n_capacity = 0;
    p->hashes = tm__mem_alloc(n_rows, sizeof(*p->hashes));
    p->targets = tm__mem_alloc(n_rows, sizeof(*p->targets));
    p->is_offered = tm__mem_alloc(n_rows, sizeof(*p->is_offered));
    p->priorities = tm__mem_alloc(n_rows, sizeof(*p->priorities));
    if (p->hashes == NULL || p->targets == NULL || p->is_offered == NULL || p->priorities == NULL) {
        return false;
    }
    p->n_capacity = n_rows;
    return true;
}

/* --- cells --- */

/* A text of a file as a cell of a sketch; false when it is missing in every column. */
static bool examine(tm_str text, tm_sketch_cell *out, uint32_t *out_kinds) {
    tm_csv_value value = {0};
    const uint32_t kinds = tm__csv_examine(text, &value);
    *out_kinds = kinds;
    if ((kinds & TM_CAN_MISSING) != 0) {
        return false;
    }
    const bool is_number = (kinds & (TM_CAN_INT | TM_CAN_FLOAT | TM_CAN_BIG)) != 0;
    *out = (tm_sketch_cell){
        .text = tm__str_trim(text),
        .evidence = kinds,
        .is_mark = (kinds & TM_CAN_MARK) != 0,
        .is_bool = (kinds & TM_CAN_BOOL) != 0,
        .has_number = is_number,
        .has_int = (kinds & TM_CAN_INT) != 0,
        .has_time = (kinds & TM_CAN_DATE) != 0,
        .has_other_time = (kinds & TM_CAN_DATE) != 0 && (kinds & TM_CAN_DAY_FIRST) == 0,
        .i64 = value.i64,
        .f64 = value.f64,
        .time_us = value.i64,
        .other_us = (kinds & TM_CAN_NATIONAL) != 0 ? value.month_first_us : value.i64,
    };
    if ((kinds & TM_CAN_MONTH_FIRST) != 0) { /* has no other reading */
        out->time_us = value.month_first_us;
    }
    out->hash = tm__sketch_hash(out->text);
    return true;
}

static uint64_t mix(uint64_t hash, uint64_t value) {
    return tm__rng_at(hash * MIX + 1, value);
}

static bool is_target(const reading *r, const char *name) {
    return r->options->target != NULL && strcmp(r->options->target, name) == 0;
}

static void note_hash(part_sheet *p, uint64_t row, uint64_t hash, bool is_of_target) {
    if (is_of_target) {
        p->targets[row] = hash;
    } else {
        p->hashes[row] = mix(p->hashes[row], hash);
    }
}

static bool raw_column(reading *r, part_sheet *p, const tm_source_part *part, uint32_t raw) {
    const char *const name = part->raw_names[raw];
    tm_profile_column *const column = tm__sheet_column(p->sheet, name, raw);
    const bool is_of_target = is_target(r, name);
    bool ok = column != NULL;
    for (uint64_t row = 0; ok && row < part->n_rows; row++) {
        tm_sketch_cell cell;
        uint32_t kinds = 0;
        if (examine(tm__source_part_raw(part, raw, row), &cell, &kinds)) {
            ok = tm__sketch_add(column->sketch, &cell);
            note_hash(p, row, cell.hash, is_of_target);
        } else {
            tm__sketch_add_missing(column->sketch, 1);
            note_hash(p, row, NO_HASH, is_of_target);
        }
    }
    return ok;
}

/* Text of a typed cell, in room of 64 bytes or its own. */
static tm_str cell_text(const tm_column *column, uint64_t row, char *room) {
    const tm_cell cell = tm__column_cell(column, row);
    switch (cell.type) {
    case TM_TYPE_TEXT:
        return cell.text;
    case TM_TYPE_FLOAT:
        return (tm_str){room, tm__f64_to_text(cell.f64, room)};
    case TM_TYPE_DATE:
        return (tm_str){room, tm__date_to_text(cell.i64, room)};
    case TM_TYPE_TIME:
        return (tm_str){room, tm__time_to_text(cell.i64, room)};
    case TM_TYPE_BOOL:
        return tm__str(cell.i64 != 0 ? "true" : "false");
    default:
        return (tm_str){room, (size_t)snprintf(room, 64, "%lld", (long long)cell.i64)};
    }
}

static tm_status table_columns(reading *r, part_sheet *p, const tm_table *table, tm_err *err) {
    const uint32_t target =
        r->options->target != NULL ? tm__table_find(table, r->options->target) : UINT32_MAX;
    TM_TRY(tm__profile_add_table(p->sheet, table, err));
    uint32_t *const cols = tm__mem_alloc((size_t)tm__table_cols(table) + 1, sizeof(*cols));
    uint32_t n = 0;
    for (uint32_t col = 0; cols != NULL && col < tm__table_cols(table); col++) {
        if (col != target) {
            cols[n++] = col;
        }
    }
    if (cols != NULL) {
        tm__table_row_hashes(table, cols, n, p->hashes);
        if (target != UINT32_MAX) {
            tm__table_row_hashes(table, &target, 1, p->targets);
        }
    }
    tm__mem_free(cols);
    return cols != NULL ? TM_OK : no_memory(err);
}

/* --- the sample --- */

static void offer_cell(tm_buf *out, tm_str text) {
    text.len = text.len < TEXT_MAX ? text.len : TEXT_MAX;
    while (text.len > 0 && !tm__str_is_utf8(text)) {
        text.len--; /* no half a character */
    }
    (void)tm__buf_str(out, text);
}

static void offer_row(part_sheet *p, const tm_source_part *part, uint64_t row) {
    tm_buf *const out = &p->rows;
    (void)tm__buf_u64(out, p->priorities[row]);
    (void)tm__buf_u64(out, part->number << 32 | row);
    const size_t at = out->len;
    (void)tm__buf_u32(out, 0);
    for (uint32_t raw = 0; raw < part->n_raw; raw++) {
        tm_csv_value value;
        const tm_str text = tm__source_part_raw(part, raw, row);
        if ((tm__csv_examine(text, &value) & TM_CAN_MISSING) != 0) {
            (void)tm__buf_u32(out, UINT32_MAX);
        } else {
            offer_cell(out, tm__str_trim(text));
        }
    }
    for (uint32_t col = 0; col < tm__table_cols(part->table); col++) {
        char room[64];
        const tm_column *const column = tm__table_column(part->table, col);
        if (tm__column_is_missing(column, row)) {
            (void)tm__buf_u32(out, UINT32_MAX);
        } else {
            offer_cell(out, cell_text(column, row, room));
        }
    }
    if (!out->failed) {
        const uint32_t len = (uint32_t)(out->len - at - 4);
        memcpy(out->data + at, &len, sizeof(len));
    }
}

static void offer_rows(reading *r, part_sheet *p, const tm_source_part *part) {
    const uint64_t limit = tm__profile_sample_limit(r->sample);
    const uint64_t key = tm__rng_at(r->key, part->number);
    for (uint64_t row = 0; row < part->n_rows; row++) {
        p->priorities[row] = tm__rng_at(key, row);
        if (p->priorities[row] < limit) {
            offer_row(p, part, row);
        }
    }
}

static tm_status take_rows(reading *r, const tm_buf *rows, tm_err *err) {
    tm_reader in;
    tm__reader_init(&in, rows->data, rows->len);
    while (in.pos < in.len) {
        const uint64_t priority = tm__reader_u64(&in), place = tm__reader_u64(&in);
        uint32_t len = 0;
        const void *const own = tm__reader_view(&in, 1, sizeof(len));
        memcpy(&len, own, sizeof(len));
        const uint8_t *const cells = tm__reader_view(&in, len, 1);
        if (!tm__profile_sample_add(r->sample, priority, place, cells, len)) {
            return no_memory(err);
        }
    }
    return TM_OK;
}

/* --- parts --- */

static bool note_rows(part_sheet *p, uint64_t n_rows, bool has_target) {
    bool ok = true;
    for (uint64_t row = 0; ok && row < n_rows; row++) {
        const uint64_t whole = has_target ? mix(p->hashes[row], p->targets[row]) : p->hashes[row];
        ok = tm__sketch_rows_add(p->sheet->same, whole, 0) &&
             (!has_target ||
              tm__sketch_rows_add(p->sheet->same_input, p->hashes[row], p->targets[row]));
    }
    return ok;
}

static tm_status check_target(const reading *r, const tm_profile_sheet *sheet, tm_err *err) {
    if (r->options->target == NULL) {
        return TM_OK;
    }
    const char **const names = tm__mem_alloc((size_t)sheet->n_cols + 1, sizeof(*names));
    bool is_there = false;
    for (uint32_t col = 0; names != NULL && col < sheet->n_cols; col++) {
        names[col] = sheet->cols[col].name;
        is_there = is_there || strcmp(names[col], r->options->target) == 0;
    }
    if (names == NULL || is_there) {
        tm__mem_free(names);
        return is_there ? TM_OK : no_memory(err);
    }
    const char *const nearest = tm__str_nearest(tm__str(r->options->target), names, sheet->n_cols);
    (void)TM_FAIL(err, TM_E_NOT_FOUND, "no column '%s'", r->options->target);
    if (nearest != NULL) {
        tm_err_hint(err, "Did you mean '%s'?", nearest);
    }
    tm__mem_free(names);
    return TM_E_NOT_FOUND;
}

static tm_status part_work(reading *r, part_sheet *p, const tm_source_part *part, tm_err *err) {
    const bool has_target = r->options->target != NULL;
    if (!part_fit(p, part->n_rows)) {
        return no_memory(err);
    }
    memset(p->hashes, 0, part->n_rows * sizeof(*p->hashes));
    memset(p->targets, 0, part->n_rows * sizeof(*p->targets));
    bool ok = true;
    for (uint32_t raw = 0; ok && raw < part->n_raw; raw++) {
        ok = raw_column(r, p, part, raw);
    }
    if (!ok) {
        return no_memory(err);
    }
    if (part->n_raw == 0) {
        TM_TRY(table_columns(r, p, part->table, err));
    } else {
        p->sheet->n_rows += part->n_rows;
    }
    TM_TRY(check_target(r, p->sheet, err));
    if (!note_rows(p, part->n_rows, has_target)) {
        return no_memory(err);
    }
    offer_rows(r, p, part);
    return p->rows.failed ? no_memory(err) : TM_OK;
}

static uint32_t sample_rows(const tm_profile_options *options, uint32_t n_cols) {
    const uint32_t most = SAMPLE_CELLS / (n_cols + 1);
    const uint32_t wanted = options->n_rows_max > 0 ? options->n_rows_max : SAMPLE_ROWS;
    const uint32_t fits = most > SAMPLE_ROWS_LEAST ? most : SAMPLE_ROWS_LEAST;
    return wanted < fits ? wanted : fits;
}

/* The sample's size follows from the columns, which the first part shows. */
static bool reading_start(reading *r, const tm_source_part *part) {
    tm__mutex_lock(r->mutex);
    if (r->sample == NULL) {
        const uint32_t n_cols = part->n_raw + tm__table_cols(part->table);
        r->sample = tm__profile_sample_create(sample_rows(r->options, n_cols));
    }
    const bool ok = r->sample != NULL;
    tm__mutex_unlock(r->mutex);
    return ok;
}

static tm_status sink_work(void *arg, const tm_source_part *part, uint32_t worker, tm_buf *out,
                           tm_err *err) {
    reading *const r = arg;
    (void)worker;
    part_sheet *const p = reading_start(r, part) ? part_take(r) : NULL;
    if (p == NULL || !tm__buf_append(out, &p, sizeof(p))) {
        return no_memory(err);
    }
    return part_work(r, p, part, err);
}

static tm_status sink_write(void *arg, const tm_buf *out, uint64_t n_rows, tm_err *err) {
    reading *const r = arg;
    part_sheet *p = NULL;
    (void)n_rows;
    memcpy(&p, out->data, sizeof(p));
    TM_TRY(tm__profile_merge(r->sheet, p->sheet, err));
    TM_TRY(take_rows(r, &p->rows, err));
    part_give(r, p);
    return TM_OK;
}

static void reading_done(reading *r) {
    for (uint32_t i = 0; i < r->n_all; i++) {
        part_free(r->all[i]);
    }
    tm__profile_sample_free(r->sample);
    tm__profile_free(r->sheet);
    tm__mutex_free(r->mutex);
    tm__mem_free(r);
}

tm_status tm__profile_read(tm_ctx *ctx, const tm_source_spec *spec,
                           const tm_profile_options *options, tm_profile_sheet **out,
                           tm_table **out_sample, tm_err *err) {
    static const tm_schema no_columns = {0};
    reading *const r = tm__mem_zalloc(1, sizeof(*r));
    if (r == NULL) {
        return no_memory(err);
    }
    tm_source_spec own = *spec;
    own.schema = &no_columns; /* nothing is read before all is seen */
    own.block_bytes = spec->block_bytes == 0 ? PART_BYTES : spec->block_bytes;
    const tm_source_sink sink = {
        .stage = "profile", .wants_raw = true, .work = sink_work, .write = sink_write, .arg = r};
    tm_table *sample = NULL;
    r->options = options;
    r->key = tm__rng_split(options->seed, "profile.sample", 0).key;
    r->sheet = tm__profile_create();
    r->mutex = tm__mutex_create();
    tm_status st = r->sheet == NULL || r->mutex == NULL ? no_memory(err)
                                                        : tm__source_pipe(ctx, &own, &sink, err);
    if (st == TM_OK && r->sample == NULL) { /* a query without rows */
        st = TM_FAIL(err, TM_E_DATA, "there are no rows");
    }
    if (st == TM_OK) {
        st = tm__profile_sample_table(r->sample, r->sheet, &sample, err);
    }
    if (st == TM_OK) {
        *out = r->sheet;
        *out_sample = sample;
        r->sheet = NULL;
    }
    reading_done(r);
    return st;
}
