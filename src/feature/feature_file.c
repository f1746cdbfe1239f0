/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a program, little-endian, without gaps:
 *
 *   magic version | inputs | made columns | level tables | texts | steps | notes | CRC32C of all
 *
 * Version 1 has no made columns, and no inputs that only these read; version 2 none that learned
 * something. Each is written where more is not needed, so that such a program has the bytes that it
 * always had.
 *
 * Every list begins with its u32 count; texts are u32 length and bytes. Hash tables are built at
 * load. The checksum finds damage; each field is checked all the same, because a checksum can be
 * made again: what load accepts keeps the invariants of feature_priv.h.
 */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "feature/feature_priv.h"

#define MAGIC UINT32_C(0x50464d54) /* "TMFP" */
#define VERSION_PLAIN 1u
#define VERSION_MADE 2u      /* with made columns */
#define VERSION_FITTED 3u    /* of which some learned */
#define NAME_MAX_BYTES 1024u /* a feature's name: a column's and what was made of it */
#define REASON_MAX_BYTES 4096u

static void put_f32(tm_buf *out, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    tm__buf_u32(out, bits);
}

/* A text or none. */
static void put_text(tm_buf *out, const char *text) {
    tm__buf_u8(out, text != NULL);
    tm__buf_str(out, tm__str(text));
}

static void put_input(tm_buf *out, const tm_schema_column *column) {
    tm__buf_str(out, tm__str(column->name));
    tm__buf_u8(out, (uint8_t)column->type);
    tm__buf_u8(out, (uint8_t)column->role);
    tm__buf_u8(out, column->is_nullable);
    tm__buf_f64(out, column->min);
    tm__buf_f64(out, column->max);
    tm__buf_u32(out, column->n_levels);
    put_text(out, column->reason);
}

static void put_made(tm_buf *out, const tm_made *made) {
    tm__buf_str(out, tm__str(made->name));
    tm__buf_str(out, tm__str(made->words));
    tm__expr_save(&made->expr, out);
}

static uint32_t version_of(const tm_program *program) {
    bool is_plain = program->n_made == 0;
    for (uint32_t i = 0; i < program->n_steps && is_plain; i++) {
        is_plain = program->steps[i].kind <= TM_STEP_TEXT;
    }
    for (uint32_t i = 0; i < program->n_made; i++) {
        if (program->made[i].expr.n_fits > 0) {
            return VERSION_FITTED;
        }
    }
    return is_plain ? VERSION_PLAIN : VERSION_MADE;
}

static void put_table(tm_buf *out, const tm_levels *table) {
    tm__buf_u32(out, table->input);
    tm__buf_u8(out, (uint8_t)table->derive);
    tm__levels_save(table, out);
}

static void put_words(tm_buf *out, const tm_text *text) {
    tm__buf_u32(out, text->input);
    tm__buf_u32(out, text->n_terms);
    tm__buf_u32(out, text->n_scores);
    for (uint32_t i = 0; i < text->n_terms; i++) {
        tm__buf_u64(out, text->hashes[i]);
    }
    for (uint32_t i = 0; i < text->n_terms; i++) {
        put_f32(out, text->idf[i]);
    }
    for (size_t i = 0; i < (size_t)text->n_terms * text->n_scores; i++) {
        put_f32(out, text->scores[i]);
    }
}

static void put_step(tm_buf *out, const tm_program *program, const tm_step *step) {
    tm__buf_u8(out, (uint8_t)step->kind);
    tm__buf_u8(out, step->part);
    tm__buf_u32(out, step->source);
    tm__buf_u32(out, step->from);
    tm__buf_u32(out, step->item);
    tm__buf_u8(out, step->feature.has_missing);
    tm__buf_str(out, tm__str(step->name));
    put_text(out, step->reason);
    const tm_step_ops *ops = tm__step_ops(step->kind);
    const uint32_t n = ops->n_values == NULL ? 0 : ops->n_values(program, step);
    tm__buf_f64s(out, step->values, n);
}

tm_status tm__program_save(const tm_program *program, tm_buf *out, tm_err *err) {
    const size_t start = out->len;
    tm__buf_u32(out, MAGIC);
    tm__buf_u32(out, version_of(program));
    tm__buf_u32(out, program->schema.n_cols);
    for (uint32_t i = 0; i < program->schema.n_cols; i++) {
        put_input(out, &program->schema.cols[i]);
    }
    if (version_of(program) > VERSION_PLAIN) {
        tm__buf_u32(out, program->n_made);
        for (uint32_t i = 0; i < program->n_made; i++) {
            put_made(out, &program->made[i]);
        }
    }
    tm__buf_u32(out, program->n_tables);
    for (uint32_t i = 0; i < program->n_tables; i++) {
        put_table(out, &program->tables[i]);
    }
    tm__buf_u32(out, program->n_texts);
    for (uint32_t i = 0; i < program->n_texts; i++) {
        put_words(out, &program->texts[i]);
    }
    tm__buf_u32(out, program->n_steps);
    for (uint32_t i = 0; i < program->n_steps; i++) {
        put_step(out, program, &program->steps[i]);
    }
    tm__buf_u32(out, program->n_notes);
    for (uint32_t i = 0; i < program->n_notes; i++) {
        tm__buf_u32(out, program->notes[i].input);
        tm__buf_str(out, tm__str(program->notes[i].reason));
    }
    if (!out->failed) {
        tm__buf_u32(out, tm__crc32c(0, out->data + start, out->len - start));
    }
    if (out->failed) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the feature program");
    }
    return TM_OK;
}

static tm_status bad(tm_err *err, const char *what) {
    return TM_FAIL(err, TM_E_DATA, "feature program: %s", what);
}

static bool get_flag(tm_reader *in, bool *out) {
    const uint8_t value = tm__reader_u8(in);
    *out = value == 1;
    return value <= 1;
}

static bool get_f32(tm_reader *in, float *out) {
    const uint32_t bits = tm__reader_u32(in);
    memcpy(out, &bits, sizeof(bits));
    return isfinite(*out);
}

/* A NUL-terminated copy of a valid text; TM_E_DATA or TM_E_NOMEM. */
static tm_status get_name(tm_reader *in, size_t len_max, char **out, tm_err *err) {
    const tm_str text = tm__reader_str(in);
    if (in->failed || text.len > len_max || !tm__str_is_utf8(text) ||
        (text.len > 0 && memchr(text.ptr, 0, text.len) != NULL)) {
        return bad(err, "a text is not valid");
    }
    *out = tm__mem_strndup(text.len > 0 ? text.ptr : "", text.len);
    return *out != NULL ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory for a text");
}

static tm_status get_text(tm_reader *in, size_t len_max, char **out, tm_err *err) {
    bool is_there;
    if (!get_flag(in, &is_there)) {
        return bad(err, "a text is not valid");
    }
    TM_TRY(get_name(in, len_max, out, err));
    if (!is_there) {
        const bool is_empty = **out == '\0';
        tm__mem_free(*out);
        *out = NULL;
        return is_empty ? TM_OK : bad(err, "a text is not valid");
    }
    return TM_OK;
}

/* names: of the inputs before it. */
static tm_status get_input(tm_reader *in, tm_dict *names, tm_schema_column *out, tm_err *err) {
    TM_TRY(get_name(in, TM_MAX_COLUMN_NAME, &out->name, err));
    const uint32_t n_before = tm__dict_count(names);
    const uint32_t code = tm__dict_add(names, tm__str(out->name));
    if (code == TM_CODE_MISSING) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for inputs");
    }
    if (code < n_before) {
        return bad(err, "an input is there twice");
    }
    const uint8_t type = tm__reader_u8(in), role = tm__reader_u8(in);
    if (type < TM_TYPE_BOOL || type > TM_TYPE_TIME || role > TM_ROLE_READ) {
        return bad(err, "the type or role of an input is unknown");
    }
    out->type = (tm_type)type;
    out->role = (tm_role)role;
    if (!get_flag(in, &out->is_nullable)) {
        return bad(err, "a flag of an input is wrong");
    }
    out->min = tm__reader_f64(in);
    out->max = tm__reader_f64(in);
    out->n_levels = tm__reader_u32(in);
    return get_text(in, REASON_MAX_BYTES, &out->reason, err);
}

static tm_status get_inputs(tm_reader *in, tm_program *program, tm_err *err) {
    const uint32_t n = tm__reader_u32(in);
    if (n == 0 || n > TM_MAX_COLS || n > in->len) {
        return bad(err, "the number of inputs is wrong");
    }
    program->schema.cols = tm__mem_zalloc(n, sizeof(tm_schema_column));
    tm_dict *names = tm__dict_create();
    tm_status status = program->schema.cols == NULL || names == NULL
                           ? TM_FAIL(err, TM_E_NOMEM, "out of memory for inputs")
                           : TM_OK;
    for (uint32_t i = 0; i < n && status == TM_OK; i++) {
        status = get_input(in, names, &program->schema.cols[i], err);
        program->schema.n_cols = i + 1; /* what it owns goes with the program from here on */
    }
    tm__dict_free(names);
    return status;
}

static bool is_source_name(const tm_program *program, tm_str name) {
    for (uint32_t i = 0; i < tm__program_sources(program); i++) {
        if (tm__str_is(name, tm__source_name(program, i))) {
            return true;
        }
    }
    return false;
}

static tm_status get_expr(tm_reader *in, const tm_program *program, tm_expr *out, tm_err *err) {
    const uint32_t n = tm__program_sources(program);
    tm_type *types = tm__mem_alloc(n, sizeof(*types));
    if (types == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for an expression");
    }
    for (uint32_t i = 0; i < n; i++) {
        types[i] = tm__source_type(program, i);
    }
    const tm_status status = tm__expr_load(in, types, n, out, err);
    tm__mem_free(types);
    return status;
}

static tm_status get_made(tm_reader *in, const tm_program *program, tm_made *out, tm_err *err) {
    TM_TRY(get_name(in, TM_MAX_COLUMN_NAME, &out->name, err));
    if (is_source_name(program, tm__str(out->name))) {
        return bad(err, "a made column is there twice");
    }
    TM_TRY(get_name(in, TM_EXPR_WORDS_MAX, &out->words, err));
    return get_expr(in, program, &out->expr, err);
}

static tm_status get_mades(tm_reader *in, tm_program *program, tm_err *err) {
    const uint32_t n = tm__reader_u32(in);
    if (in->failed || n > TM_MAX_COLS) {
        return bad(err, "the number of made columns is wrong");
    }
    for (uint32_t i = 0; i < n; i++) {
        tm_made made = {0};
        const tm_status status = get_made(in, program, &made, err);
        if (status != TM_OK) {
            tm__made_done(&made);
            return status;
        }
        TM_TRY(tm__program_add_made(program, &made, err));
    }
    return TM_OK;
}

static tm_status get_table(tm_reader *in, const tm_program *program, tm_levels *out, tm_err *err) {
    out->input = tm__reader_u32(in);
    out->derive = (tm_derive)tm__reader_u8(in);
    if (in->failed || out->input >= tm__program_sources(program) ||
        tm__source_type(program, out->input) != TM_TYPE_TEXT ||
        (out->derive != TM_DERIVE_WHOLE && out->derive != TM_DERIVE_PREFIX)) {
        return bad(err, "a level table is wrong");
    }
    return tm__levels_load(in, out, err);
}

static tm_status get_terms(tm_reader *in, tm_text *out, tm_err *err) {
    const size_t n = out->n_terms, n_scores = n * out->n_scores;
    out->hashes = tm__mem_alloc(n, sizeof(uint64_t));
    out->idf = tm__mem_alloc(n, sizeof(float));
    out->scores = tm__mem_alloc(n_scores, sizeof(float));
    if (out->hashes == NULL || out->idf == NULL || out->scores == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for terms");
    }
    for (size_t i = 0; i < n; i++) {
        out->hashes[i] = tm__reader_u64(in);
    }
    for (size_t i = 0; i < n; i++) {
        /* Past the bound the square of a weight is no float. */
        if (!get_f32(in, &out->idf[i]) || !(out->idf[i] > 0 && out->idf[i] <= 1e6F)) {
            return bad(err, "the weight of a term is wrong");
        }
    }
    for (size_t i = 0; i < n_scores; i++) {
        if (!get_f32(in, &out->scores[i])) {
            return bad(err, "the score of a term is not a number");
        }
    }
    return tm__text_index(out, err);
}

static tm_status get_words(tm_reader *in, const tm_program *program, tm_text *out, tm_err *err) {
    out->input = tm__reader_u32(in);
    out->n_terms = tm__reader_u32(in);
    out->n_scores = tm__reader_u32(in);
    if (in->failed || out->input >= tm__program_sources(program) ||
        tm__source_type(program, out->input) != TM_TYPE_TEXT || out->n_scores > TM_MAX_CLASSES ||
        out->n_terms > UINT32_MAX - program->n_terms) {
        return bad(err, "a text is wrong");
    }
    for (uint32_t i = 0; i < program->n_texts; i++) {
        if (program->texts[i].input == out->input) {
            return bad(err, "a text is there twice");
        }
    }
    const size_t at = in->pos;
    const size_t term_bytes = 12 + 4 * (size_t)out->n_scores;
    if (tm__reader_view(in, out->n_terms, term_bytes) == NULL) {
        return bad(err, "a text is cut");
    }
    in->pos = at;
    return get_terms(in, out, err);
}

static tm_status get_values(tm_reader *in, const tm_program *program, tm_step *out, tm_err *err) {
    const tm_step_ops *ops = tm__step_ops(out->kind);
    const uint32_t n = ops->n_values == NULL ? 0 : ops->n_values(program, out);
    const size_t at = in->pos;
    if (n == 0) {
        return TM_OK;
    }
    if (tm__reader_view(in, n, sizeof(double)) == NULL) {
        return bad(err, "a step is cut");
    }
    in->pos = at;
    out->values = tm__mem_alloc(n, sizeof(double));
    if (out->values == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a step");
    }
    (void)tm__reader_f64s(in, out->values, n);
    return ops->are_values_valid(out, n) ? TM_OK : bad(err, "a value of a step is not a number");
}

static tm_status get_step(tm_reader *in, const tm_program *program, tm_step *out, tm_err *err) {
    out->kind = (tm_step_kind)tm__reader_u8(in);
    out->part = tm__reader_u8(in);
    out->source = tm__reader_u32(in);
    out->from = tm__reader_u32(in);
    out->item = tm__reader_u32(in);
    if (!get_flag(in, &out->feature.has_missing) || in->failed ||
        !tm__step_is_valid(program, out)) {
        return bad(err, "a step is wrong");
    }
    const tm_step_ops *ops = tm__step_ops(out->kind);
    out->feature.n_levels = ops->n_codes == NULL ? 0 : ops->n_codes(out);
    out->feature.is_categorical = out->feature.n_levels > 0;
    TM_TRY(get_name(in, NAME_MAX_BYTES, &out->name, err));
    TM_TRY(get_text(in, REASON_MAX_BYTES, &out->reason, err));
    return get_values(in, program, out, err);
}

static tm_status get_parts(tm_reader *in, tm_program *program, tm_err *err) {
    const uint32_t n_tables = tm__reader_u32(in);
    for (uint32_t i = 0; i < n_tables; i++) {
        tm_levels table = {0};
        const tm_status status = get_table(in, program, &table, err);
        if (status != TM_OK) {
            tm__levels_done(&table);
            return status;
        }
        TM_TRY(tm__program_add_table(program, &table, err));
    }
    const uint32_t n_texts = tm__reader_u32(in);
    for (uint32_t i = 0; i < n_texts; i++) {
        tm_text text = {0};
        const tm_status status = get_words(in, program, &text, err);
        if (status != TM_OK) {
            tm__text_done(&text);
            return status;
        }
        TM_TRY(tm__program_add_text(program, &text, err));
    }
    const uint32_t n_steps = tm__reader_u32(in);
    for (uint32_t i = 0; i < n_steps; i++) {
        tm_step step = {0};
        const tm_status status = get_step(in, program, &step, err);
        if (status != TM_OK) {
            tm__step_done(&step);
            return status;
        }
        TM_TRY(tm__program_add_step(program, &step, err));
    }
    const uint32_t n_notes = tm__reader_u32(in);
    for (uint32_t i = 0; i < n_notes; i++) {
        char *reason = NULL;
        const uint32_t input = tm__reader_u32(in);
        if (in->failed || input >= tm__program_sources(program)) {
            return bad(err, "a note is wrong");
        }
        TM_TRY(get_name(in, REASON_MAX_BYTES, &reason, err));
        TM_TRY(tm__program_add_note(program, input, reason, err));
    }
    return TM_OK;
}

tm_status tm__program_load(const void *data, size_t len, tm_program **out, tm_err *err) {
    tm_reader in, end;
    if (len < 16) {
        return TM_FAIL(err, TM_E_INTEGRITY, "feature program: too short");
    }
    tm__reader_init(&end, (const uint8_t *)data + len - 4, 4);
    if (tm__crc32c(0, data, len - 4) != tm__reader_u32(&end)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "feature program: its checksum is wrong");
    }
    tm__reader_init(&in, data, len - 4);
    if (tm__reader_u32(&in) != MAGIC) {
        return bad(err, "its first bytes are wrong");
    }
    const uint32_t version = tm__reader_u32(&in);
    if (version < VERSION_PLAIN || version > VERSION_FITTED) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "feature program: its version is not known");
    }
    tm_program *program = tm__program_create();
    if (program == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a feature program");
    }
    tm_status status = get_inputs(&in, program, err);
    if (status == TM_OK && version > VERSION_PLAIN) {
        status = get_mades(&in, program, err);
    }
    if (status == TM_OK) {
        status = get_parts(&in, program, err);
    }
    if (status == TM_OK && version_of(program) != version) {
        status = bad(err, "its version is not that of its parts");
    }
    if (status == TM_OK && !tm__reader_is_done(&in)) {
        status = bad(err, "its length is wrong");
    }
    if (status != TM_OK) {
        tm__program_free(program);
        return status;
    }
    *out = program;
    return TM_OK;
}
