/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the same in every row (names, separators, classes) is text before the first one; a row is
 * then copies and its numbers.
 *
 *     CSV    id , name | False , 0.25          passed columns, class, probability
 *     JSON   {"id": 7, "name": "x", "prediction": "no", "probability": 0.25}
 */
#include "cli/answers.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_scan.h"
#include "base/mem.h"
#include "cli/answer_records.h"

#define N_REASONS 3u
#define OWN_COLUMNS "Write to a file that ends in .jsonl: there each row has its own columns."
#define WORDS_MAX (UINT64_C(1) << 28)

struct tm_answer_pen {
    const tm_answer_form *answers;
    tm_bundle_scratch *scratch;
    double *pred; /* [pred_rows][n_outputs] */
    uint64_t pred_rows;
    uint32_t n_classes;
    tm_str *classes; /* [n_classes] as they stand in a line; views of words */
    tm_buf words;
    uint32_t *passed; /* [n_passed] columns of the part that are passed on */
    uint32_t n_passed, passed_max;
    tm_source_member **fields; /* [n_passed] members of a row by column, or NULL */
    tm_cell *cells;            /* [n inputs + 1] of a row that is explained */
    double *shares;            /* [n inputs + 1] */
    bool *held;                /* [n_classes] of an interval's set */
    tm_buf reasons;
    tm_answer_records records; /* of answers with ids */
};

static void put_text(const tm_answer_form *a, tm_str text, tm_buf *out) {
    if (a->is_json) {
        (void)tm__json_write_text(out, text);
    } else {
        (void)tm__text_write_csv(text, out);
    }
}

/* As the server writes it: true and false and whole numbers are those in JSON. */
static void put_class(const tm_answer_form *a, tm_str name, tm_buf *out) {
    if (a->is_json && tm__bundle_class_kind(a->bundle) != TM_CLASS_TEXT) {
        (void)tm__buf_append(out, name.ptr, name.len);
    } else {
        put_text(a, name, out);
    }
}

static void put_number(const tm_answer_form *a, double value, tm_buf *out) {
    char text[32];
    if (isfinite(value)) {
        (void)tm__buf_append(out, text, tm__f64_to_text(value, text));
    } else if (a->is_json) {
        (void)tm__buf_text(out, "null");
    }
}

static void put_cell(const tm_answer_form *a, const tm_cell *cell, tm_buf *out) {
    if (a->is_json) {
        (void)tm__cell_write_json(cell, out);
    } else {
        (void)tm__cell_write_csv(cell, out);
    }
}

/* Start of a field: its name for JSON, a separator for CSV. */
static void put_name(const tm_answer_form *a, const char *name, bool is_first, tm_buf *out) {
    if (a->is_json) {
        (void)tm__buf_text(out, is_first ? "{" : ", ");
        (void)tm__json_write_text(out, tm__str(name));
        (void)tm__buf_text(out, ": ");
    } else if (!is_first) {
        (void)tm__buf_byte(out, ',');
    }
}

/* --- columns that are passed on --- */

static uint32_t part_cols(const tm_source_part *part) {
    return part->n_raw > 0 ? part->n_raw : tm__table_cols(part->table);
}

static const char *part_name(const tm_source_part *part, uint32_t col) {
    return part->n_raw > 0 ? part->raw_names[col] : tm__table_column(part->table, col)->name;
}

/* Of what the model does not read. */
static bool is_passed_name(const tm_answer_form *a, tm_str name) {
    return !tm__str_is(name, tm__bundle_target(a->bundle));
}

static bool is_passed(const tm_answer_form *a, const char *name) {
    return tm__schema_find(tm__bundle_schema(a->bundle), tm__str(name)) == UINT32_MAX &&
           tm__renames_find(tm__bundle_renames(a->bundle), name) == NULL &&
           is_passed_name(a, tm__str(name));
}

/* Whether a line of answers has a member or column of this name. is_strict: however it is written,
 * and all that begins as those of classes do. */
static bool is_answer_name(const tm_answer_form *a, tm_str name, bool is_strict) {
    bool (*const is)(tm_str, const char *) = is_strict ? tm__str_is_nocase : tm__str_is;
    const tm_task task = tm__bundle_task(a->bundle);
    const bool is_number = task == TM_TASK_REGRESSION;
    const bool has_many = task == TM_TASK_MULTICLASS;
    const size_t n = strlen("probability");
    if (name.len >= n && is((tm_str){name.ptr, n}, "probability")) {
        if (is_strict || name.len == n) {
            return is_strict || task == TM_TASK_BINARY || (has_many && a->is_json);
        }
        const tm_str class = {name.ptr + n + 1, name.len - n - 1};
        return has_many && !a->is_json && name.ptr[n] == '_' &&
               tm__bundle_class_meant(a->bundle, class) < tm__bundle_classes(a->bundle);
    }
    return is(name, "prediction") || (a->explain && is(name, "reasons")) ||
           (a->has_ids && is(name, "prediction_id")) ||
           (a->has_interval && (is_number ? is(name, "low") || is(name, "high") : is(name, "set")));
}

const char *tm__answers_clash(const tm_answer_form *a, const tm_source_part *part, bool is_strict) {
    for (uint32_t c = 0; c < part_cols(part); c++) {
        const char *const name = part_name(part, c);
        if (is_passed(a, name) && is_answer_name(a, tm__str(name), is_strict)) {
            return name;
        }
    }
    return NULL;
}

void tm__answers_head(const tm_answer_form *a, const tm_source_part *part, tm_buf *out) {
    bool first = true;
    for (uint32_t c = 0; c < part_cols(part); c++) {
        if (is_passed(a, part_name(part, c))) {
            put_name(a, "", first, out);
            (void)tm__text_write_csv(tm__str(part_name(part, c)), out);
            first = false;
        }
    }
    put_name(a, "", first, out);
    (void)tm__buf_text(out, "prediction");
    const tm_task task = tm__bundle_task(a->bundle);
    if (task == TM_TASK_BINARY) {
        (void)tm__buf_text(out, ",probability");
    }
    for (uint32_t k = 0; task == TM_TASK_MULTICLASS && k < tm__bundle_outputs(a->bundle); k++) {
        tm_buf name;
        tm__buf_init(&name, 65536);
        (void)tm__buf_printf(&name, "probability_%s", tm__bundle_class(a->bundle, k));
        (void)tm__buf_byte(out, ',');
        (void)tm__text_write_csv((tm_str){(const char *)name.data, name.len}, out);
        out->failed = out->failed || name.failed;
        tm__buf_done(&name);
    }
    if (a->has_interval) {
        const bool is_number = tm__bundle_task(a->bundle) == TM_TASK_REGRESSION;
        (void)tm__buf_text(out, is_number ? ",low,high" : ",set");
    }
    (void)tm__buf_text(out, a->explain ? ",reasons" : "");
    (void)tm__buf_text(out, a->has_ids ? ",prediction_id\n" : "\n");
}

/* --- pens --- */

void tm__answer_pen_free(tm_answer_pen *pen) {
    if (pen != NULL) {
        tm__bundle_scratch_free(pen->scratch);
        tm__buf_done(&pen->words);
        tm__buf_done(&pen->reasons);
        tm__answer_records_done(&pen->records);
        tm__mem_free(pen->pred);
        tm__mem_free(pen->classes);
        tm__mem_free(pen->passed);
        tm__mem_free(pen->fields);
        tm__mem_free(pen->cells);
        tm__mem_free(pen->shares);
        tm__mem_free(pen->held);
        tm__mem_free(pen);
    }
}

tm_answer_pen *tm__answer_pen_create(const tm_answer_form *a) {
    tm_answer_pen *const pen = tm__mem_zalloc(1, sizeof(*pen));
    const size_t n_inputs = tm__bundle_schema(a->bundle)->n_cols;
    if (pen == NULL) {
        return NULL;
    }
    pen->answers = a;
    tm__buf_init(&pen->words, WORDS_MAX);
    tm__buf_init(&pen->reasons, WORDS_MAX);
    const tm_task task = tm__bundle_task(a->bundle);
    const bool has_classes = task == TM_TASK_BINARY || task == TM_TASK_MULTICLASS;
    pen->n_classes = has_classes ? tm__bundle_classes(a->bundle) : 0;
    pen->scratch = tm__bundle_scratch_create(a->bundle);
    pen->classes = tm__mem_alloc(pen->n_classes, sizeof(*pen->classes));
    pen->cells = tm__mem_zalloc(n_inputs + 1, sizeof(*pen->cells));
    pen->shares = tm__mem_alloc(n_inputs + 1, sizeof(*pen->shares));
    pen->held = tm__mem_alloc(pen->n_classes, sizeof(*pen->held));
    bool ok = pen->scratch != NULL && pen->classes != NULL && pen->held != NULL &&
              pen->cells != NULL && pen->shares != NULL &&
              (!a->has_ids || tm__answer_records_init(&pen->records, a->bundle, NULL) == TM_OK);
    for (uint32_t k = 0; ok && k < pen->n_classes; k++) {
        const size_t start = pen->words.len;
        put_class(a, tm__str(tm__bundle_class(a->bundle, k)), &pen->words);
        pen->classes[k].len = pen->words.len - start;
    }
    ok = ok && !pen->words.failed;
    for (uint32_t k = 0, at = 0; ok && k < pen->n_classes; k++) { /* the bytes stand still now */
        pen->classes[k].ptr = (const char *)pen->words.data + at;
        at += (uint32_t)pen->classes[k].len;
    }
    if (!ok) {
        tm__answer_pen_free(pen);
        return NULL;
    }
    return pen;
}

/* --- rows --- */

static void put_answer(const tm_answer_pen *pen, const double *pred, tm_buf *out) {
    const tm_answer_form *const a = pen->answers;
    const tm_task task = tm__bundle_task(a->bundle);
    if (task != TM_TASK_BINARY && task != TM_TASK_MULTICLASS) {
        put_number(a, pred[0], out);
        return;
    }
    const tm_str chosen = pen->classes[tm__bundle_decide(a->bundle, pred)];
    (void)tm__buf_append(out, chosen.ptr, chosen.len);
    if (task == TM_TASK_BINARY) {
        put_name(a, "probability", false, out);
        put_number(a, pred[0], out);
        return;
    }
    if (a->is_json) {
        put_name(a, "probability", false, out);
    }
    for (uint32_t k = 0; k < pen->n_classes; k++) {
        put_name(a, tm__bundle_class(a->bundle, k), a->is_json && k == 0, out);
        put_number(a, pred[k], out);
    }
    if (a->is_json) {
        (void)tm__buf_byte(out, '}');
    }
}

/* Ends of a number's interval, or the classes of a set: "no|yes", a list in JSON. */
static void put_interval(tm_answer_pen *pen, const double *pred, tm_buf *out) {
    const tm_answer_form *const a = pen->answers;
    const tm_conformal *const conformal = tm__bundle_conformal(a->bundle);
    if (conformal->kind == TM_CONFORMAL_NUMBER) {
        const tm_conformal_range range = tm__conformal_range(conformal, &a->interval, pred[0]);
        put_name(a, "low", false, out);
        put_number(a, range.low, out);
        put_name(a, "high", false, out);
        put_number(a, range.high, out);
        return;
    }
    bool is_first = true;
    (void)tm__conformal_set(&a->interval, pred, tm__bundle_outputs(a->bundle), pen->held);
    put_name(a, "set", false, out);
    tm__buf_reset(&pen->reasons);
    for (uint32_t k = 0; k < pen->n_classes; k++) {
        if (pen->held[k]) {
            const tm_str name =
                a->is_json ? pen->classes[k] : tm__str(tm__bundle_class(a->bundle, k));
            (void)tm__buf_text(&pen->reasons, is_first ? "" : a->is_json ? ", " : "|");
            (void)tm__buf_append(&pen->reasons, name.ptr, name.len);
            is_first = false;
        }
    }
    const tm_str joined = {(const char *)pen->reasons.data, pen->reasons.len};
    if (a->is_json) {
        (void)tm__buf_byte(out, '[');
        (void)tm__buf_append(out, joined.ptr, joined.len);
        (void)tm__buf_byte(out, ']');
    } else {
        put_text(a, joined, out);
    }
    out->failed = out->failed || pen->reasons.failed;
}

/* The columns that moved the answer most, as "name +0.31; other -0.20". */
static tm_status put_reasons(tm_answer_pen *pen, const tm_source_part *part, uint64_t row,
                             const double *pred, tm_buf *out, tm_err *err) {
    const tm_answer_form *const a = pen->answers;
    const tm_schema *schema = tm__bundle_schema(a->bundle);
    const uint32_t output =
        tm__bundle_task(a->bundle) == TM_TASK_MULTICLASS ? tm__bundle_decide(a->bundle, pred) : 0;
    double base = 0.0;
    double raw = 0.0;
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        const uint32_t col = tm__table_find(part->table, schema->cols[c].name);
        pen->cells[c] = col == UINT32_MAX
                            ? (tm_cell){0}
                            : tm__column_cell(tm__table_column(part->table, col), row);
    }
    TM_TRY(tm__bundle_explain_row(a->bundle, pen->scratch, pen->cells, output, pen->shares, &base,
                                  &raw, err));
    tm__buf_reset(&pen->reasons);
    for (uint32_t i = 0; i < N_REASONS && i < schema->n_cols; i++) {
        uint32_t top = 0;
        for (uint32_t c = 1; c < schema->n_cols; c++) {
            top = fabs(pen->shares[c]) > fabs(pen->shares[top]) ? c : top;
        }
        (void)tm__buf_printf(&pen->reasons, "%s%s %+.3g", i > 0 ? "; " : "", schema->cols[top].name,
                             pen->shares[top]);
        pen->shares[top] = 0.0;
    }
    put_name(a, "reasons", false, out);
    put_text(a, (tm_str){(const char *)pen->reasons.data, pen->reasons.len}, out);
    out->failed = out->failed || pen->reasons.failed;
    return TM_OK;
}

/* A member's value as a field of CSV: a text without its quotes, the rest as it stands. */
static void put_field(tm_source_member *member, tm_buf *out) {
    tm_str text = member->value;
    if (text.len > 0 && text.ptr[0] == '"') {
        (void)tm__scan_string((char *)(uintptr_t)text.ptr, &text);
    } else if (tm__str_is(text, "null")) {
        text.len = 0;
    }
    (void)tm__text_write_csv(text, out);
}

static tm_status misplaced(const tm_source_member *member, const char *how, const char *hint,
                           uint64_t row, tm_err *err) {
    const int len = (int)(member->name.len > 80 ? 80 : member->name.len);
    (void)TM_FAIL(err, TM_E_DATA, "column '%.*s' %s", len, member->name.ptr, how);
    tm_err_hint(err, "%s", hint);
    tm_err_at(err, NULL, row + 1, 0);
    return TM_E_DATA;
}

/* Place among the columns that are passed on, looked for from `from` on; n_passed: it is none. */
static uint32_t find_field(const tm_answer_pen *pen, const tm_source_part *part, tm_str name,
                           uint32_t from) {
    for (uint32_t n = 0; n < pen->n_passed; n++) {
        const uint32_t i = (from + n) % pen->n_passed;
        if (tm__str_is(name, part_name(part, pen->passed[i]))) {
            return i;
        }
    }
    return pen->n_passed;
}

/* Members of a row in the columns of CSV. */
static tm_status put_fields(const tm_answer_pen *pen, const tm_source_part *part, uint64_t row,
                            tm_buf *out, tm_err *err) {
    uint32_t next = 0;
    for (uint32_t i = 0; i < pen->n_passed; i++) {
        pen->fields[i] = NULL;
    }
    for (uint64_t m = part->member_at[row]; m < part->member_at[row + 1]; m++) {
        tm_source_member *const member = &part->members[m];
        const uint32_t i = find_field(pen, part, member->name, next);
        if (i < pen->n_passed) {
            if (pen->fields[i] != NULL) {
                return misplaced(member, "stands twice", OWN_COLUMNS, row, err);
            }
            pen->fields[i] = member;
            next = i + 1;
        } else if (is_passed_name(pen->answers, member->name)) {
            return misplaced(member, "is none of the columns of the first rows", OWN_COLUMNS, row,
                             err);
        }
    }
    for (uint32_t i = 0; i < pen->n_passed; i++) {
        put_name(pen->answers, "", i == 0, out);
        if (pen->fields[i] != NULL) {
            put_field(pen->fields[i], out);
        }
    }
    return TM_OK;
}

/* Members of a row as they stand; *out_none is left true when there are none. */
static tm_status put_members(const tm_answer_pen *pen, const tm_source_part *part, uint64_t row,
                             tm_buf *out, bool *out_none, tm_err *err) {
    *out_none = true;
    for (uint64_t m = part->member_at[row]; m < part->member_at[row + 1]; m++) {
        const tm_source_member *const member = &part->members[m];
        if (!is_passed_name(pen->answers, member->name)) {
            continue;
        }
        if (is_answer_name(pen->answers, member->name, false)) {
            return misplaced(member, "has the name of an answer", "Rename it, or take it out.", row,
                             err);
        }
        (void)tm__buf_text(out, *out_none ? "{" : ", ");
        (void)tm__json_write_text(out, member->name);
        (void)tm__buf_text(out, ": ");
        (void)tm__buf_append(out, member->value.ptr, member->value.len);
        *out_none = false;
    }
    return TM_OK;
}

static void put_columns(const tm_answer_pen *pen, const tm_source_part *part, uint64_t row,
                        tm_buf *out) {
    for (uint32_t i = 0; i < pen->n_passed; i++) {
        const uint32_t c = pen->passed[i];
        put_name(pen->answers, part_name(part, c), i == 0, out);
        if (part->n_raw > 0) {
            (void)tm__text_write_csv(tm__source_part_raw(part, c, row), out);
        } else {
            const tm_cell cell = tm__column_cell(tm__table_column(part->table, c), row);
            put_cell(pen->answers, &cell, out);
        }
    }
}

/* Columns and members that the model does not read; *out_none is left true when there are none. */
static tm_status put_passed(const tm_answer_pen *pen, const tm_source_part *part, uint64_t row,
                            tm_buf *out, bool *out_none, tm_err *err) {
    *out_none = pen->n_passed == 0;
    if (part->member_at == NULL) {
        put_columns(pen, part, row, out);
    } else if (pen->answers->is_json) {
        return put_members(pen, part, row, out, out_none, err);
    } else {
        return put_fields(pen, part, row, out, err);
    }
    return TM_OK;
}

tm_str tm__answer_pen_records(const tm_answer_pen *pen) {
    return (tm_str){(const char *)pen->records.bytes.data, pen->records.bytes.len};
}

/* Room for the answers of a part and the list of its columns that are passed on. */
static tm_status prepare(tm_answer_pen *pen, const tm_source_part *part, tm_err *err) {
    const uint32_t n_cols = part_cols(part);
    const uint32_t n_outputs = tm__bundle_outputs(pen->answers->bundle);
    if (part->n_rows > pen->pred_rows) {
        tm__mem_free(pen->pred);
        pen->pred = tm__mem_alloc(part->n_rows * n_outputs, sizeof(double));
        pen->pred_rows = pen->pred != NULL ? part->n_rows : 0;
    }
    if (n_cols > pen->passed_max) {
        tm__mem_free(pen->passed);
        tm__mem_free(pen->fields);
        pen->passed = tm__mem_alloc(n_cols, sizeof(*pen->passed));
        pen->fields = tm__mem_alloc(n_cols, sizeof(tm_source_member *));
        pen->passed_max = pen->passed != NULL && pen->fields != NULL ? n_cols : 0;
    }
    if (pen->pred_rows < part->n_rows || pen->passed_max < n_cols) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for %llu answers",
                       (unsigned long long)part->n_rows);
    }
    pen->n_passed = 0;
    for (uint32_t c = 0; c < n_cols; c++) {
        if (is_passed(pen->answers, part_name(part, c))) {
            pen->passed[pen->n_passed++] = c;
        }
    }
    return TM_OK;
}

tm_status tm__answers_write(tm_answer_pen *pen, const tm_source_part *part, tm_buf *out,
                            tm_err *err) {
    const tm_answer_form *const a = pen->answers;
    const uint32_t n_outputs = tm__bundle_outputs(a->bundle);
    tm_ctx ctx = {0}; /* other parts have the other threads */
    TM_TRY(prepare(pen, part, err));
    TM_TRY(tm__bundle_predict(&ctx, a->bundle, part->table, NULL, part->n_rows, pen->pred, err));
    if (a->has_ids) {
        tm__answer_records_begin(&pen->records, part);
    }
    for (uint64_t row = 0; row < part->n_rows && !out->failed; row++) {
        const double *pred = pen->pred + row * n_outputs;
        tm_table_answer answer = {.row = row, .outputs = pred, .n_outputs = n_outputs};
        bool is_first = true;
        if (a->has_ids && !tm__answer_records_add(&pen->records, part, &answer)) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the records of some rows");
        }
        TM_TRY(put_passed(pen, part, row, out, &is_first, err));
        put_name(a, "prediction", is_first, out);
        put_answer(pen, pred, out);
        if (a->has_interval) {
            put_interval(pen, pred, out);
        }
        if (a->explain) {
            TM_TRY(put_reasons(pen, part, row, pred, out, err));
        }
        if (a->has_ids) {
            put_name(a, "prediction_id", false, out);
            put_text(a, (tm_str){answer.id, strlen(answer.id)}, out);
        }
        (void)tm__buf_text(out, a->is_json ? "}\n" : "\n");
    }
    return out->failed ? TM_FAIL(err, TM_E_NOMEM, "no memory for the answers of some rows") : TM_OK;
}
