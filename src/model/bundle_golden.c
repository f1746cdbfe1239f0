/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden rows: made rows of a bundle's inputs, and the bits of their answers where it was written.
 *
 *   magic version | rows inputs outputs | row, answers | row, answers | ...
 *
 * The rows are made from what the program says of its inputs anyway (ranges, levels), never copied
 * from training data: a bundle that leaves the house tells nothing new by them. They are stored and
 * not made again by a reader, so that a later release may make others.
 *
 * Invariant: what golden_load() accepted, golden_next() reads without a check.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/bundle_priv.h"

#define MAGIC UINT32_C(0x524c4754) /* "TGLR" */
#define VERSION 1u
#define ROWS 16u
#define ROWS_MAX 1024u
#define TEXT_BYTES 96u
#define US_OF_DAY INT64_C(86400000000)
#define WHOLE_MAX 9007199254740992.0 /* doubles below it hold every whole number */

/* ---- make ---- */

typedef struct maker {
    const tm_program *program;
    tm_rng rng;
    char (*texts)[TEXT_BYTES]; /* [n inputs] */
} maker;

static double clamp(double value) {
    return value < -WHOLE_MAX ? -WHOLE_MAX : value > WHOLE_MAX ? WHOLE_MAX : value;
}

/* A number of the column's range; where that is not known, of any size in either direction. Row 1
 * has the least of each, row 2 the largest, and half of the others crowd at the lower end, where
 * amounts and counts do. */
static double make_number(maker *m, const tm_schema_column *column, uint32_t row) {
    const double part = tm__rng_f64(&m->rng);
    const uint64_t size = tm__rng_below(&m->rng, 17);
    if (!(column->min <= column->max) || !isfinite(column->max - column->min)) {
        return (part * 2 - 1) * (double)(UINT64_C(1) << size) * 0.0625;
    }
    const double share = row == 1 ? 0 : row == 2 ? 1 : row % 2 == 0 ? part : part * part * part;
    return column->min + (column->max - column->min) * share;
}

/* A level, something that is none, or several together, as free text would have. */
static tm_str make_text(maker *m, uint32_t input) {
    const uint64_t kind = tm__rng_below(&m->rng, 8);
    const uint64_t pick = tm__rng_below(&m->rng, 64);
    const uint64_t n = kind == 0 ? 0 : kind == 1 ? 3 : 1;
    char *text = m->texts[input];
    size_t len = 0;
    for (uint64_t i = 0; i < n; i++) {
        const tm_str level = tm__program_level(m->program, input, pick + i);
        if (level.len > 0 && len + level.len + 1 < TEXT_BYTES) {
            if (len > 0) {
                text[len++] = ' ';
            }
            memcpy(text + len, level.ptr, level.len);
            len += level.len;
        }
    }
    if (len == 0) {
        len = (size_t)snprintf(text, TEXT_BYTES, "none of these %u", (unsigned)pick);
    }
    return (tm_str){text, len};
}

static tm_cell make_cell(maker *m, uint32_t input, uint32_t row) {
    const tm_schema_column *column = &tm__program_schema(m->program)->cols[input];
    const bool is_missing = tm__rng_below(&m->rng, 8) == 0 && row > 2;
    const double number = make_number(m, column, row);
    const tm_str text = column->type == TM_TYPE_TEXT ? make_text(m, input) : (tm_str){"", 0};
    tm_cell cell = {.type = column->type};
    if (row == 0 || is_missing) {
        cell.type = TM_TYPE_NONE;
    } else if (column->type == TM_TYPE_FLOAT) {
        cell.f64 = number;
    } else if (column->type == TM_TYPE_TEXT) {
        cell.text = text;
    } else if (column->type == TM_TYPE_BOOL) {
        cell.i64 = tm__rng_below(&m->rng, 2) == 1;
    } else {
        cell.i64 = (int64_t)clamp(floor(number));
        cell.i64 -= column->type == TM_TYPE_DATE ? cell.i64 % US_OF_DAY : 0;
    }
    return cell;
}

static void put_cell(tm_buf *out, const tm_cell *cell) {
    tm__buf_u8(out, (uint8_t)cell->type);
    if (cell->type == TM_TYPE_FLOAT) {
        tm__buf_f64(out, cell->f64);
    } else if (cell->type == TM_TYPE_TEXT) {
        tm__buf_str(out, cell->text);
    } else if (cell->type != TM_TYPE_NONE) {
        tm__buf_i64(out, cell->i64);
    }
}

static void answer(const tm_bundle_parts *parts, tm_row_scratch *scratch, const tm_cell *cells,
                   double *out) {
    const tm_model *model = parts->model;
    tm__model_predict_row(model, tm__program_apply_row(parts->program, scratch, cells), out);
    if (parts->calibration != NULL) {
        tm__calibration_apply(parts->calibration, 1, out);
    }
    tm__model_link(tm__model_link_of(model), model->n_outputs, 1, out);
}

tm_status tm__golden_write(const tm_bundle_parts *parts, tm_buf *out, tm_err *err) {
    const tm_program *program = parts->program;
    const tm_model *model = parts->model;
    const uint32_t n_inputs = tm__program_inputs(program);
    maker m = {.program = program, .rng = tm__rng_split(0, "golden rows", 0)};
    tm_row_scratch *scratch = tm__row_scratch_create(program);
    tm_cell *cells = tm__mem_zalloc(n_inputs, sizeof(*cells));
    double *answers = tm__mem_zalloc(model->n_outputs, sizeof(*answers));
    tm_status st = TM_OK;
    m.texts = tm__mem_zalloc(n_inputs, TEXT_BYTES);
    if (scratch == NULL || cells == NULL || answers == NULL || m.texts == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for golden rows");
        goto out;
    }
    tm__buf_u32(out, MAGIC);
    tm__buf_u32(out, VERSION);
    tm__buf_u32(out, ROWS);
    tm__buf_u32(out, n_inputs);
    tm__buf_u32(out, model->n_outputs);
    for (uint32_t row = 0; row < ROWS; row++) {
        for (uint32_t i = 0; i < n_inputs; i++) {
            cells[i] = make_cell(&m, i, row);
            put_cell(out, &cells[i]);
        }
        answer(parts, scratch, cells, answers);
        tm__buf_f64s(out, answers, model->n_outputs);
    }
out:
    tm__mem_free(m.texts);
    tm__mem_free(answers);
    tm__mem_free(cells);
    tm__row_scratch_free(scratch);
    return st;
}

/* ---- read ---- */

/* Text is borrowed from the reader's bytes. */
static tm_cell take_cell(tm_reader *in) {
    tm_cell cell = {.type = (tm_type)tm__reader_u8(in)};
    if (cell.type == TM_TYPE_FLOAT) {
        cell.f64 = tm__reader_f64(in);
    } else if (cell.type == TM_TYPE_TEXT) {
        cell.text = tm__reader_str(in);
    } else if (cell.type != TM_TYPE_NONE) {
        cell.i64 = tm__reader_i64(in);
    }
    return cell;
}

/* What a request could give, too. */
static bool is_cell_of(const tm_cell *cell, const tm_schema_column *column) {
    if (cell->type == TM_TYPE_NONE) {
        return true;
    }
    if (cell->type != column->type) {
        return false;
    }
    switch (cell->type) {
    case TM_TYPE_FLOAT:
        return isfinite(cell->f64);
    case TM_TYPE_TEXT:
        return cell->text.len > 0 && cell->text.len <= TM_MAX_TEXT_BYTES &&
               tm__str_is_utf8(cell->text);
    case TM_TYPE_BOOL:
        return cell->i64 == 0 || cell->i64 == 1;
    default:
        return cell->i64 != TM_INT_MISSING;
    }
}

static tm_status refuse(const char *what, tm_err *err) {
    return TM_FAIL(err, TM_E_INTEGRITY, "%s", what);
}

static tm_status load_head(tm_reader *in, const tm_schema *schema, const tm_model *model,
                           uint32_t *out_rows, tm_err *err) {
    if (tm__reader_u32(in) != MAGIC) {
        return refuse("magic", err);
    }
    if (tm__reader_u32(in) != VERSION) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "golden rows of a later version");
    }
    const uint32_t n_rows = tm__reader_u32(in);
    const uint32_t n_inputs = tm__reader_u32(in);
    if (n_rows == 0 || n_rows > ROWS_MAX || n_inputs != schema->n_cols ||
        tm__reader_u32(in) != model->n_outputs) {
        return refuse("its rows are not those of the program and the model", err);
    }
    *out_rows = n_rows;
    return TM_OK;
}

tm_status tm__golden_load(tm_bytes bytes, const tm_program *program, const tm_model *model,
                          tm_golden *out, tm_err *err) {
    const tm_schema *schema = tm__program_schema(program);
    tm_reader in = {.data = bytes.data, .len = bytes.len};
    tm_golden golden = {0};
    TM_TRY(load_head(&in, schema, model, &golden.n_rows, err));
    golden.rows = (tm_bytes){bytes.data + in.pos, bytes.len - in.pos};
    for (uint32_t row = 0; row < golden.n_rows && !in.failed; row++) {
        for (uint32_t i = 0; i < schema->n_cols && !in.failed; i++) {
            const tm_cell cell = take_cell(&in);
            if (!in.failed && !is_cell_of(&cell, &schema->cols[i])) {
                return refuse("a cell is not of its column", err);
            }
        }
        for (uint32_t k = 0; k < model->n_outputs; k++) {
            (void)tm__reader_f64(&in);
        }
    }
    if (in.failed || in.pos != in.len) {
        return refuse("length", err);
    }
    *out = golden;
    return TM_OK;
}

static bool is_same(double a, double b) {
    return tm__f64_bits(a) == tm__f64_bits(b);
}

static tm_status check_row(const tm_bundle *bundle, tm_bundle_scratch *scratch, uint32_t row,
                           tm_reader *in, tm_cell *cells, double *got, tm_err *err) {
    const uint32_t n_outputs = bundle->model->n_outputs;
    const uint32_t n_inputs = tm__program_inputs(bundle->program);
    for (uint32_t i = 0; i < n_inputs; i++) {
        cells[i] = take_cell(in);
    }
    tm__bundle_predict_row(bundle, scratch, cells, got);
    for (uint32_t k = 0; k < n_outputs; k++) {
        const double want = tm__reader_f64(in);
        if (!is_same(got[k], want)) {
            (void)TM_FAIL(err, TM_E_INTEGRITY,
                          "golden row %u gives another answer here than where the model was made: "
                          "output %u is %.17g, not %.17g",
                          row + 1, k, got[k], want);
            tm_err_hint(err, "The bytes are whole, so this program or this machine computes "
                             "wrongly: run 'tidemill doctor', or use the release that made it.");
            return TM_E_INTEGRITY;
        }
    }
    return TM_OK;
}

uint32_t tm__bundle_golden_rows(const tm_bundle *bundle) {
    return bundle->golden.n_rows;
}

tm_status tm__bundle_golden_check(const tm_bundle *bundle, tm_bundle_scratch *scratch,
                                  tm_err *err) {
    const uint32_t n_inputs = tm__program_inputs(bundle->program);
    tm_reader in = {.data = bundle->golden.rows.data, .len = bundle->golden.rows.len};
    tm_cell *cells = tm__mem_zalloc(n_inputs, sizeof(*cells));
    double *got = tm__mem_zalloc(bundle->model->n_outputs, sizeof(*got));
    tm_status st = TM_OK;
    if (cells == NULL || got == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for golden rows");
    } else if (bundle->golden.n_rows == 0) {
        tm__bundle_predict_row(bundle, scratch, cells, got);
    }
    for (uint32_t row = 0; st == TM_OK && row < bundle->golden.n_rows; row++) {
        st = check_row(bundle, scratch, row, &in, cells, got, err);
    }
    tm__mem_free(got);
    tm__mem_free(cells);
    return st;
}

tm_status tm__bundle_golden_lines(const tm_bundle *bundle, tm_buf *out, tm_err *err) {
    const tm_schema *const schema = tm__bundle_schema(bundle);
    tm_reader in = {.data = bundle->golden.rows.data, .len = bundle->golden.rows.len};
    tm_cell *cells = tm__mem_zalloc((size_t)schema->n_cols + 1, sizeof(*cells));
    const char **names = tm__mem_alloc((size_t)schema->n_cols + 1, sizeof(*names));
    bool ok = cells != NULL && names != NULL;
    for (uint32_t i = 0; ok && i < schema->n_cols; i++) {
        names[i] = schema->cols[i].name;
    }
    for (uint32_t row = 0; ok && row < bundle->golden.n_rows; row++) {
        for (uint32_t i = 0; i < schema->n_cols; i++) {
            cells[i] = take_cell(&in);
        }
        for (uint32_t k = 0; k < bundle->model->n_outputs; k++) {
            (void)tm__reader_f64(&in);
        }
        ok = tm__row_write_json(names, cells, schema->n_cols, out) && tm__buf_byte(out, '\n');
    }
    tm__mem_free(names);
    tm__mem_free(cells);
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory for golden rows");
}
