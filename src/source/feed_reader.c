/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One reading: open behind the position of the state, then batch after batch until one has no rows.
 *
 *   next ──> batch ── checked ──> table ──> block with {"position", "rows"} ──> next
 *
 * 1. A batch is checked as a whole before a row of it is taken, and copied: what the module changes
 *    afterwards changes nothing here.
 * 2. The position behind a batch differs from the one before, so a reading that gives rows moves.
 */
#include "source/feed_reader.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/user_call.h"

#if TM_MODULE_MISSING != TM_INT_MISSING
#error "missing whole numbers of modules are copied as they are"
#endif

/* ---- what is declared ---- */

static tm_status find_module(const json_t *spec, const tm_user_module **out, tm_err *err) {
    const char *const name = tm__json_text(spec, "reader", "");
    const tm_user_module *module = tm__user_module_find(name);
    if (module == NULL || module->table->source == NULL) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED, "module '%.31s' %s", name,
                      module == NULL ? "is not loaded" : "has no source");
        tm_err_hint(err, "Add its file: 'tidemill module add FILE'; 'tidemill module ls' shows "
                         "what is there.");
        return TM_E_UNSUPPORTED;
    }
    *out = module;
    return TM_OK;
}

static const tm_module_option *find_option(const tm_module_source *source, const char *name) {
    for (uint32_t i = 0; i < source->n_options; i++) {
        if (strcmp(source->options[i].name, name) == 0) {
            return &source->options[i];
        }
    }
    return NULL;
}

static tm_status unknown_option(const tm_user_module *module, const char *name, tm_err *err) {
    const tm_module_source *source = module->table->source;
    const char *names[TM_MODULE_OPTIONS_MAX];
    for (uint32_t i = 0; i < source->n_options; i++) {
        names[i] = source->options[i].name;
    }
    const char *near = tm__str_nearest(tm__str(name), names, source->n_options);
    (void)TM_FAIL(err, TM_E_USAGE, "module '%s' has no option '%.40s'", module->table->name, name);
    if (near != NULL) {
        tm_err_hint(err, "Did you mean '%s'?", near);
    }
    return TM_E_USAGE;
}

/* Values by place, defaults among them; texts of the spec and the module. */
static tm_status read_options(const tm_user_module *module, const json_t *spec,
                              const char **out_values, tm_err *err) {
    const tm_module_source *source = module->table->source;
    const json_t *options = json_object_get(spec, "options");
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)options, name, value) {
        if (find_option(source, name) == NULL) {
            return unknown_option(module, name, err);
        }
        if (!json_is_string(value)) {
            return TM_FAIL(err, TM_E_USAGE, "option '%s' of module '%s' is no text", name,
                           module->table->name);
        }
    }
    for (uint32_t i = 0; i < source->n_options; i++) {
        const tm_module_option *o = &source->options[i];
        out_values[i] = tm__json_text(options, o->name, o->otherwise);
        if (out_values[i] == NULL && o->is_required != 0) {
            (void)TM_FAIL(err, TM_E_USAGE, "module '%s' needs the option '%s'", module->table->name,
                          o->name);
            tm_err_hint(err, "%s=...: %.120s", o->name, o->doc);
            return TM_E_USAGE;
        }
    }
    return TM_OK;
}

tm_status tm__feed_reader_check(const json_t *spec, bool has_key, tm_err *err) {
    const char *values[TM_MODULE_OPTIONS_MAX];
    const tm_user_module *module = NULL;
    (void)has_key;
    TM_TRY(find_module(spec, &module, err));
    return read_options(module, spec, values, err);
}

/* ---- a batch ---- */

typedef struct reading {
    const tm_user_module *module;
    char position[TM_MODULE_POSITION_MAX + 1]; /* behind what was taken; empty: the beginning */
    bool has_position;
    uint64_t n_rows; /* taken so far */
} reading;

static tm_status bad(const reading *r, const char *what, tm_err *err) {
    (void)TM_FAIL(err, TM_E_INTERNAL, "module '%s' gave a batch %s", r->module->table->name, what);
    tm_err_hint(err, "The module is at fault: 'tidemill module check' tries it.");
    return TM_E_INTERNAL;
}

static bool is_text(const char *text, size_t max) {
    const size_t n = text == NULL ? 0 : strnlen(text, max + 1);
    return n > 0 && n <= max && tm__str_is_utf8((tm_str){text, n});
}

static tm_type type_of(const tm_module_batch_column *c) {
    switch (c->type) {
    case TM_MODULE_COL_BOOL:
        return c->ints == NULL ? TM_TYPE_NONE : TM_TYPE_BOOL;
    case TM_MODULE_COL_INT:
        return c->ints == NULL ? TM_TYPE_NONE : TM_TYPE_INT;
    case TM_MODULE_COL_FLOAT:
        return c->floats == NULL ? TM_TYPE_NONE : TM_TYPE_FLOAT;
    case TM_MODULE_COL_TEXT:
        return c->texts == NULL ? TM_TYPE_NONE : TM_TYPE_TEXT;
    case TM_MODULE_COL_TIME:
        return c->ints == NULL ? TM_TYPE_NONE : TM_TYPE_TIME;
    default:
        return TM_TYPE_NONE;
    }
}

static tm_status check_batch(const reading *r, const tm_module_batch *batch, tm_err *err) {
    if (batch->n_rows > TM_MODULE_BATCH_ROWS_MAX) {
        return bad(r, "of more than 1,000,000 rows", err);
    }
    if (batch->n_cols == 0 || batch->n_cols > TM_MAX_COLS || batch->columns == NULL) {
        return bad(r, "without columns, or with more than 16,384", err);
    }
    if (!is_text(batch->position, TM_MODULE_POSITION_MAX)) {
        return bad(r, "without a position of up to 4,096 bytes of UTF-8", err);
    }
    if (r->has_position && strcmp(batch->position, r->position) == 0) {
        return bad(r, "whose position is that of the batch before", err);
    }
    for (uint32_t c = 0; c < batch->n_cols; c++) {
        if (!is_text(batch->columns[c].name, TM_MAX_COLUMN_NAME)) {
            return bad(r, "with a column without a name of UTF-8", err);
        }
        if (type_of(&batch->columns[c]) == TM_TYPE_NONE) {
            return bad(r, "with a column without a type or without values", err);
        }
    }
    return TM_OK;
}

static tm_status copy_ints(const reading *r, const tm_module_batch_column *from, uint64_t n_rows,
                           int64_t *to, tm_err *err) {
    for (uint64_t i = 0; i < n_rows; i++) {
        to[i] = from->ints[i];
        if (from->type == TM_MODULE_COL_BOOL && to[i] != 0 && to[i] != 1 &&
            to[i] != TM_INT_MISSING) {
            return bad(r, "with a truth value that is neither 0 nor 1", err);
        }
    }
    return TM_OK;
}

static tm_status copy_texts(const reading *r, const tm_module_batch_column *from, uint64_t n_rows,
                            uint32_t *to, tm_dict *dict, tm_err *err) {
    for (uint64_t i = 0; i < n_rows; i++) {
        const tm_str text = {from->texts[i].ptr, from->texts[i].len};
        to[i] = TM_CODE_MISSING;
        if (text.ptr == NULL || text.len == 0) {
            continue;
        }
        if (text.len > TM_MAX_TEXT_BYTES || !tm__str_is_utf8(text)) {
            return bad(r, "with a text that is not UTF-8, or over 1 MiB", err);
        }
        to[i] = tm__dict_add(dict, text);
        if (to[i] == TM_CODE_MISSING) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for rows");
        }
    }
    return TM_OK;
}

static tm_status copy_column(const reading *r, const tm_module_batch *batch, uint32_t c,
                             tm_table_builder *builder, tm_err *err) {
    const tm_module_batch_column *from = &batch->columns[c];
    if (from->type == TM_MODULE_COL_TEXT) {
        return copy_texts(r, from, batch->n_rows, tm__builder_codes(builder, c),
                          tm__builder_dict(builder, c), err);
    }
    if (from->type != TM_MODULE_COL_FLOAT) {
        return copy_ints(r, from, batch->n_rows, tm__builder_ints(builder, c), err);
    }
    double *to = tm__builder_floats(builder, c);
    for (uint64_t i = 0; i < batch->n_rows; i++) {
        to[i] = isnan(from->floats[i]) ? tm__nan() : from->floats[i];
    }
    return TM_OK;
}

static tm_status make_table(const reading *r, const tm_module_batch *batch, tm_table **out,
                            tm_err *err) {
    tm_table_builder *builder = tm__builder_create();
    tm_status st = builder == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory for rows") : TM_OK;
    for (uint32_t c = 0; st == TM_OK && c < batch->n_cols; c++) {
        st = tm__builder_add_column(builder, batch->columns[c].name, type_of(&batch->columns[c]),
                                    err);
    }
    st = st == TM_OK ? tm__builder_reserve(builder, batch->n_rows, err) : st;
    for (uint32_t c = 0; st == TM_OK && c < batch->n_cols; c++) {
        st = copy_column(r, batch, c, builder, err);
    }
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    tm__builder_set_rows(builder, batch->n_rows);
    return tm__builder_finish(builder, out, err);
}

/* ---- reading ---- */

static tm_status take(reading *r, const tm_module_batch *batch, const tm_feed_sink *sink,
                      tm_err *err) {
    tm_table *rows = NULL;
    TM_TRY(check_batch(r, batch, err));
    TM_TRY(make_table(r, batch, &rows, err));
    json_t *state = json_pack("{s:s, s:I}", "position", batch->position, "rows",
                              (json_int_t)(r->n_rows + batch->n_rows));
    const tm_feed_block block = {.rows = rows,
                                 .origin = is_text(batch->origin, 512) ? batch->origin
                                                                       : r->module->table->name,
                                 .first_row = r->n_rows,
                                 .state = state};
    const tm_status st = state == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory for rows")
                                       : sink->take(sink->arg, &block, err);
    if (st == TM_OK) {
        (void)tm__str_copy(r->position, sizeof(r->position), tm__str(batch->position));
        r->has_position = true;
        r->n_rows += batch->n_rows;
    }
    json_decref(state);
    tm__table_unref(rows);
    return st;
}

static tm_status read_all(tm_ctx *ctx, reading *r, void *source, const tm_feed_sink *sink,
                          tm_err *err) {
    for (;;) {
        tm_module_batch batch = {.size = sizeof(batch)};
        tm_user_call call;
        if (tm__ctx_cancelled(ctx)) {
            return TM_FAIL(err, TM_E_CANCELLED, "reading was cancelled");
        }
        tm__user_call_init(&call, ctx, "read", NULL);
        const int32_t status = r->module->table->source->next(&call.call, source, &batch);
        if (status != TM_MODULE_OK) {
            return tm__user_call_fail(&call, r->module->table->name, "read", status, err);
        }
        if (batch.n_rows == 0) {
            return TM_OK;
        }
        TM_TRY(take(r, &batch, sink, err));
    }
}

tm_status tm__feed_reader_read(tm_ctx *ctx, const tm_feed_input *in, const tm_feed_sink *sink,
                               tm_err *err) {
    const char *values[TM_MODULE_OPTIONS_MAX];
    const tm_user_module *module = NULL;
    const char *const position = tm__json_text(in->state, "position", NULL);
    TM_TRY(find_module(in->spec, &module, err));
    TM_TRY(read_options(module, in->spec, values, err));
    reading r = {.module = module,
                 .has_position = position != NULL,
                 .n_rows = (uint64_t)tm__json_i64(in->state, "rows", 0)};
    (void)tm__str_copy(r.position, sizeof(r.position), tm__str(position));
    const tm_module_open open = {.size = sizeof(open),
                                 .values = values,
                                 .position = position,
                                 .dir = tm__json_text(in->spec, "dir", NULL)};
    tm_user_call call;
    void *source = NULL;
    tm__user_call_init(&call, ctx, "read", NULL);
    const int32_t status = module->table->source->open(&call.call, &open, &source);
    if (status != TM_MODULE_OK) {
        return tm__user_call_fail(&call, module->table->name, "open its source", status, err);
    }
    if (source == NULL) {
        return TM_FAIL(err, TM_E_INTERNAL, "module '%s' opens and gives no source",
                       module->table->name);
    }
    const tm_status st = read_all(ctx, &r, source, sink, err);
    module->table->source->close(tm__user_module_host(), source);
    return st;
}
