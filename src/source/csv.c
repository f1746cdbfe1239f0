/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV files to a table. A block of records is cut by one thread; then all threads read its columns,
 * a column each (csv_column.c), and the next block follows.
 *
 *     read     pass 1: columns learn their types and read values at once
 *              pass 2: those columns whose type was settled too late, if there are any
 *     stream   see csv_pipe.c
 *
 * 1. Both give the same values and types, because a type depends on all cells and nothing else, but
 *    for styles of numbers, which the first block shows (csv_comma.c, csv_format.c).
 * 2. The first file says which columns there are and whether there is a header; the others must
 *    have the same columns, in any order.
 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "source/csv_priv.h"

#define SAMPLE_RECORDS 1000u

typedef tm_csv_reader reader;

/* --- the header --- */

/* Kinds of each column over a sample, first record apart. */
typedef struct sample {
    const tm_csv_scanner *scanner;
    const tm_csv_field *fields;
    uint32_t n_cols;
    uint64_t n_records;
    char *room;
} sample;

static tm_str sample_text(const sample *s, uint64_t record, uint32_t col) {
    return tm__csv_text(s->scanner, s->fields[record * s->n_cols + col], s->room);
}

static bool is_value(uint32_t kinds) {
    return (kinds & (TM_CAN_INT | TM_CAN_FLOAT | TM_CAN_BIG | TM_CAN_HUGE | TM_CAN_DATE)) != 0;
}

/* Numbers 2019 2020 2021 or 0 1 2 are names: whole numbers in steps of one. */
static bool are_numbered(const sample *s) {
    int64_t last = 0;
    uint32_t n = 0;
    for (uint32_t col = 0; col < s->n_cols; col++) {
        tm_csv_value value;
        const uint32_t kinds = tm__csv_examine(sample_text(s, 0, col), &value);
        if (!is_value(kinds)) {
            continue;
        }
        if (kinds != TM_CAN_INT || (n > 0 && value.i64 != last + 1)) {
            return false;
        }
        last = value.i64;
        n++;
    }
    return n > 1;
}

/* False for a word over numbers, a date over numbers and the like: cells of different groups. */
static bool fits_group(uint32_t first, uint32_t rest) {
    static const uint32_t groups[] = {TM_CAN_INT | TM_CAN_FLOAT | TM_CAN_BIG | TM_CAN_HUGE,
                                      TM_CAN_DATE, TM_CAN_BOOL};
    const bool is_absent = (first & (TM_CAN_MISSING | TM_CAN_MARK)) != 0;
    if (is_absent || (rest & TM_CAN_TEXT) != 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        const bool is_whole = (rest & (TM_CAN_DATE | TM_CAN_BOOL | groups[0]) & ~groups[i]) == 0;
        if ((rest & groups[i]) != 0 && is_whole) {
            return (first & groups[i]) != 0;
        }
    }
    return true;
}

/* Whether the first record holds names. A column whose first cell is a word over numbers, dates or
 * bools, or a date over numbers, says yes, and that settles it. Else a first cell that is a number
 * or a date says no, and so does one whose text comes again below: a header does not name one of
 * its column's values. */
static bool find_header(const sample *s) {
    bool is_refused = false;
    for (uint32_t col = 0; col < s->n_cols; col++) {
        tm_csv_value value;
        char first_text[64] = "";
        uint32_t kinds = 0;
        uint64_t n_again = 0;
        const uint32_t first = tm__csv_examine(sample_text(s, 0, col), &value);
        const bool fits = tm__str_copy(first_text, sizeof(first_text), sample_text(s, 0, col));
        for (uint64_t record = 1; record < s->n_records; record++) {
            const tm_str text = sample_text(s, record, col);
            kinds |= tm__csv_examine(text, &value);
            n_again += fits && tm__str_is(text, first_text);
        }
        if (!fits_group(first, kinds)) {
            return true;
        }
        is_refused |= is_value(first) || (first == TM_CAN_TEXT && n_again * 50 > s->n_records);
    }
    return !is_refused || are_numbered(s);
}

static bool names_schema(const sample *s, const tm_schema *schema) {
    for (uint32_t col = 0; col < s->n_cols; col++) {
        const tm_str name = tm__str_trim(sample_text(s, 0, col));
        if (tm__schema_find(schema, name) != UINT32_MAX) {
            return true;
        }
    }
    return false;
}

static tm_status sample_init(const reader *r, uint64_t n_records, sample *out, tm_err *err) {
    sample s = {.scanner = r->scanner,
                .fields = tm__csv_fields(r->scanner),
                .n_cols = tm__csv_cols(r->scanner),
                .n_records = n_records < SAMPLE_RECORDS ? n_records : SAMPLE_RECORDS};
    size_t room = 1;
    for (uint64_t i = 0; i < s.n_records * s.n_cols; i++) {
        const size_t len = s.fields[i].len & ~TM_CSV_MADE;
        room = len > room ? len : room;
    }
    s.room = tm__mem_alloc(room, 1);
    if (s.room == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", r->path);
    }
    *out = s;
    return TM_OK;
}

/* Name of a column: its header, or c0, c1, ... where there is none. */
static char *make_name(const sample *s, bool has_header, uint32_t col) {
    const tm_str text = has_header ? tm__str_trim(sample_text(s, 0, col)) : (tm_str){"", 0};
    if (text.len > 0) {
        return tm__mem_strndup(text.ptr, text.len);
    }
    char name[16];
    (void)snprintf(name, sizeof(name), "c%u", col);
    return tm__mem_strdup(name);
}

static tm_status check_name(const reader *r, tm_dict *names, uint32_t col, tm_err *err) {
    const char *const name = r->cols[col].name;
    if (strlen(name) > TM_MAX_COLUMN_NAME) {
        (void)TM_FAIL(err, TM_E_DATA, "the name of column %u has more than %u bytes", col + 1,
                      TM_MAX_COLUMN_NAME);
        tm_err_hint(err, "Shorten it, or pass --no-header if the first line holds values.");
        return TM_E_DATA;
    }
    if (!tm__str_is_utf8(tm__str(name))) {
        (void)TM_FAIL(err, TM_E_DATA, "the name of column %u is not UTF-8", col + 1);
        tm_err_hint(err, "Convert the file: iconv -f LATIN1 -t UTF-8 FILE > NEW.");
        return TM_E_DATA;
    }
    const uint32_t code = tm__dict_add(names, tm__str(name));
    if (code == TM_CODE_MISSING) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the names of columns");
    }
    if (code != col) {
        (void)TM_FAIL(err, TM_E_DATA, "columns %u and %u are both named '%s'", code + 1, col + 1,
                      name);
        tm_err_hint(err, "Rename one in the header, or pass --no-header if the first line holds "
                         "values.");
        return TM_E_DATA;
    }
    return TM_OK;
}

static tm_status check_names(const reader *r, tm_err *err) {
    tm_dict *const names = tm__dict_create();
    if (names == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the names of columns");
    }
    tm_status st = TM_OK;
    for (uint32_t col = 0; col < r->n_cols && st == TM_OK; col++) {
        st = check_name(r, names, col, err);
        if (st == TM_E_DATA) {
            tm_err_at(err, r->path, 1, col + 1);
        }
    }
    tm__dict_free(names);
    return st;
}

static const tm_schema_column *find_wanted(const tm_source_spec *spec, const char *name) {
    const uint32_t at =
        spec->schema == NULL ? UINT32_MAX : tm__schema_find(spec->schema, tm__str(name));
    return at == UINT32_MAX ? NULL : &spec->schema->cols[at];
}

/* Columns of the first file. */
static tm_status init_columns(reader *r, const sample *s, tm_err *err) {
    r->has_header = !r->spec->no_header;
    if (r->has_header && (r->spec->schema == NULL || !names_schema(s, r->spec->schema))) {
        r->has_header = find_header(s);
    }
    r->cols = tm__mem_zalloc(s->n_cols, sizeof(*r->cols));
    if (r->cols == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for %u columns", s->n_cols);
    }
    r->n_cols = s->n_cols;
    if (r->spec->share.step > 0) {
        *r->spec->share.out_n_cols = s->n_cols;
    }
    for (uint32_t col = 0; col < r->n_cols; col++) {
        r->cols[col].name = make_name(s, r->has_header, col);
        if (r->cols[col].name == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the names of columns");
        }
        const tm_schema_column *const wanted = find_wanted(r->spec, r->cols[col].name);
        r->cols[col].field = col;
        r->cols[col].wanted = wanted;
        r->cols[col].type = wanted == NULL ? TM_TYPE_NONE : wanted->type;
        r->cols[col].is_learning = wanted == NULL;
        r->cols[col].is_active = tm__source_is_share(r->spec->share, col, r->n_cols);
        r->cols[col].is_raw = !r->cols[col].is_active;
    }
    return check_names(r, err);
}

/* Columns of a further file: the same names, in any order. */
static tm_status match_columns(reader *r, const sample *s, tm_err *err) {
    if (s->n_cols != r->n_cols) {
        (void)TM_FAIL(err, TM_E_DATA, "the file has %u columns, '%.100s' has %u", s->n_cols,
                      r->paths[0], r->n_cols);
        tm_err_hint(err, "Files that are read together have the same columns.");
        tm_err_at(err, r->path, 1, 0);
        return TM_E_DATA;
    }
    for (uint32_t col = 0; col < r->n_cols && r->has_header; col++) {
        r->cols[col].field = UINT32_MAX;
    }
    for (uint32_t field = 0; field < s->n_cols && r->has_header; field++) {
        char *const name = make_name(s, true, field);
        uint32_t col = 0;
        if (name == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the names of columns");
        }
        /* Most files have the same order. */
        col = strcmp(r->cols[field].name, name) == 0 ? field : 0;
        while (col < r->n_cols && strcmp(r->cols[col].name, name) != 0) {
            col++;
        }
        tm__mem_free(name);
        if (col == r->n_cols || r->cols[col].field != UINT32_MAX) {
            (void)TM_FAIL(err, TM_E_DATA, "column %u of the file is not in '%.100s'", field + 1,
                          r->paths[0]);
            tm_err_hint(err, "Files that are read together have the same columns.");
            tm_err_at(err, r->path, 1, field + 1);
            return TM_E_DATA;
        }
        r->cols[col].field = field;
    }
    return TM_OK;
}

/* --- blocks --- */

static void run_column(void *arg, uint64_t item, uint32_t worker) {
    reader *const r = arg;
    (void)worker;
    tm__csv_column_block(&r->cols[item], &r->block);
}

tm_status tm__csv_columns_check(tm_csv_column *cols, const tm_csv_block *block, const char *path,
                                tm_err *err) {
    tm_csv_column *first = NULL;
    for (uint32_t col = 0; col < block->n_cols; col++) {
        tm_csv_column *const c = &cols[col];
        if (c->status != TM_OK &&
            (first == NULL || c->bad_record < first->bad_record ||
             (c->bad_record == first->bad_record && c->field < first->field))) {
            first = c;
        }
    }
    return first == NULL ? TM_OK : tm__csv_column_fail(first, block, path, err);
}

tm_status tm__csv_table(tm_csv_column *cols, uint32_t n_cols, uint64_t n_rows, tm_table **out,
                        tm_err *err) {
    tm_table_builder *const b = tm__builder_create();
    tm_status st = b == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for a table") : TM_OK;
    for (uint32_t col = 0; col < n_cols && st == TM_OK; col++) {
        tm_csv_column *const c = &cols[col];
        if (c->is_raw) {
            continue;
        }
        if (!tm__csv_column_fit(c, n_rows)) {
            st = TM_FAIL(err, TM_E_NOMEM, "no memory for column '%s'", c->name);
            break;
        }
        st = tm__builder_give_column(b, c->name, c->type, c->values, c->dict, n_rows, err);
        if (st == TM_OK) {
            c->values = NULL;
            c->dict = NULL;
            c->capacity = 0;
        }
    }
    if (st == TM_OK) {
        st = tm__builder_reserve(b, n_rows, err); /* where no column was read */
    }
    if (st != TM_OK) {
        tm__builder_free(b);
        return st;
    }
    tm__builder_set_rows(b, n_rows);
    return tm__builder_finish(b, out, err);
}

static tm_status run_block(reader *r, uint64_t first, uint64_t n_records, tm_err *err) {
    const uint64_t most = r->spec->n_rows_max == 0 ? TM_MAX_ROWS : r->spec->n_rows_max;
    if (r->n_rows + (n_records - first) > most) {
        (void)TM_FAIL(err, TM_E_LIMIT, "more than %llu rows", (unsigned long long)most);
        tm_err_hint(err, "Select fewer rows with --sql.");
        tm_err_at(err, r->path, 0, 0);
        return TM_E_LIMIT;
    }
    if (tm__ctx_cancelled(r->ctx)) {
        return TM_FAIL(err, TM_E_CANCELLED, "reading was cancelled");
    }
    if (first == n_records) {
        return TM_OK;
    }
    r->block.fields = tm__csv_fields(r->scanner);
    r->block.n_cols = r->n_cols;
    r->block.record = first;
    r->block.record_end = n_records;
    r->block.row = r->n_rows;
    tm__pool_run(r->ctx->pool, r->n_cols, run_column, r);
    TM_TRY(tm__csv_columns_check(r->cols, &r->block, r->path, err));
    r->n_rows += n_records - first;
    tm__ctx_progress(r->ctx, "load", r->bytes_done + tm__csv_pos(r->scanner), r->bytes, NULL);
    return TM_OK;
}

/* Columns of texts and dates have no style of numbers, and those of numbers may have one that could
 * be told from nothing else. */
static tm_status match_styles(reader *r, uint64_t n_records, tm_err *err) {
    for (uint32_t col = 0; col < r->n_cols; col++) {
        const tm_csv_column *const c = &r->cols[col];
        const bool is_number = c->type == TM_TYPE_INT || c->type == TM_TYPE_FLOAT;
        if (c->type != TM_TYPE_NONE && !is_number) { /* declared, or found by a pass before */
            tm__csv_unset_style(r->scanner, c->field);
        }
        if (c->wanted == NULL || !is_number || tm__csv_dialect(r->scanner).delimiter != ',' ||
            tm__csv_style(r->scanner, c->field) != 0) {
            continue;
        }
        const char style = tm__csv_find_format(r->scanner, c->field, n_records, true);
        if (style != 0 && !tm__csv_set_style(r->scanner, c->field, style)) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the columns of '%s'", r->path);
        }
    }
    return TM_OK;
}

tm_status tm__csv_reader_open(reader *r, uint32_t number, uint64_t *out_n_records, tm_err *err) {
    sample s = {0};
    r->path = r->paths[number];
    tm_input *const input = r->input;
    r->input = NULL;
    TM_TRY(input != NULL
               ? tm__csv_open_input(input, r->path, r->spec->block_bytes, &r->scanner, err)
               : tm__csv_open(r->path, r->spec->block_bytes, &r->scanner, err));
    r->block.scanner = r->scanner;
    r->block.path = r->path;
    if (r->spec->skips_bad) {
        tm__csv_skip_bad(r->scanner);
    }
    TM_TRY(tm__csv_next(r->scanner, out_n_records, err));
    if (*out_n_records == 0) {
        (void)TM_FAIL(err, TM_E_DATA, "the file is empty");
        tm_err_hint(err, "Give a file with a header and rows.");
        tm_err_at(err, r->path, 0, 0);
        return TM_E_DATA;
    }
    TM_TRY(tm__csv_find_styles(r->scanner, *out_n_records, err));
    TM_TRY(sample_init(r, *out_n_records, &s, err));
    const tm_status st = r->cols == NULL ? init_columns(r, &s, err) : match_columns(r, &s, err);
    tm__mem_free(s.room);
    return st == TM_OK ? match_styles(r, *out_n_records, err) : st;
}

void tm__csv_reader_close(reader *r) {
    if (r->scanner != NULL) {
        r->bytes_done += tm__csv_pos(r->scanner);
    }
    tm__csv_close(r->scanner);
    r->scanner = NULL;
}

static tm_status run_file(reader *r, uint32_t number, tm_err *err) {
    uint64_t n_records = 0;
    TM_TRY(tm__csv_reader_open(r, number, &n_records, err));
    TM_TRY(run_block(r, r->has_header ? 1 : 0, n_records, err));
    for (;;) {
        TM_TRY(tm__csv_next(r->scanner, &n_records, err));
        if (n_records == 0) {
            return TM_OK;
        }
        TM_TRY(run_block(r, 0, n_records, err));
    }
}

tm_status tm__csv_reader_check(const reader *r, tm_err *err) {
    if (r->n_rows > 0) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_DATA, "the file has a header but no rows");
    tm_err_hint(err, "Give a file with rows, or pass --no-header if the line holds values.");
    tm_err_at(err, r->paths[0], 0, 0);
    return TM_E_DATA;
}

/* One pass over all files for the columns that are active. */
static tm_status run_files(reader *r, tm_err *err) {
    r->n_rows = 0;
    r->bytes_done = 0;
    for (uint32_t number = 0; number < r->n_paths; number++) {
        const tm_status st = run_file(r, number, err);
        tm__csv_reader_close(r);
        TM_TRY(st);
    }
    return tm__csv_reader_check(r, err);
}

/* --- passes --- */

tm_status tm__csv_reader_settle(reader *r, bool *out_needs_pass, tm_err *err) {
    *out_needs_pass = false;
    for (uint32_t col = 0; col < r->n_cols; col++) {
        tm_csv_column *const c = &r->cols[col];
        const tm_status st = tm__csv_column_settle(c, err);
        if (st != TM_OK) {
            if (c->odd_path == NULL) {
                tm_err_at(err, r->paths[0], 0, col + 1);
            }
            return st;
        }
        *out_needs_pass |= c->needs_pass;
    }
    return TM_OK;
}

void tm__csv_reader_done(reader *r) {
    tm__csv_close(r->scanner);
    for (uint32_t col = 0; col < r->n_cols; col++) {
        tm__csv_column_done(&r->cols[col]);
    }
    tm__mem_free(r->cols);
}

reader tm__csv_reader_make(tm_ctx *ctx, const tm_source_spec *spec, const char *const *paths,
                           uint32_t n_paths) {
    reader r = {.ctx = ctx, .spec = spec, .paths = paths, .n_paths = n_paths};
    for (uint32_t number = 0; number < n_paths; number++) {
        r.bytes += tm__fs_info(paths[number]).size_bytes;
    }
    return r;
}

tm_status tm__csv_read(tm_ctx *ctx, const tm_source_spec *spec, const char *const *paths,
                       uint32_t n_paths, tm_table **out, tm_err *err) {
    reader r = tm__csv_reader_make(ctx, spec, paths, n_paths);
    bool needs_pass = false;
    tm_status st = run_files(&r, err);
    if (st == TM_OK) {
        st = tm__csv_reader_settle(&r, &needs_pass, err);
    }
    if (st == TM_OK && needs_pass) {
        for (uint32_t col = 0; col < r.n_cols; col++) {
            r.cols[col].is_active = r.cols[col].needs_pass;
            if (r.cols[col].is_active) {
                tm__csv_column_reset(&r.cols[col]);
            }
        }
        st = run_files(&r, err);
    }
    if (st == TM_OK) {
        st = tm__csv_table(r.cols, r.n_cols, r.n_rows, out, err);
    }
    tm__csv_reader_done(&r);
    return st;
}
