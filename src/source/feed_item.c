/* SPDX-License-Identifier: Apache-2.0 */
/* One item: its kind, its pieces or tables, and the blocks that they become. */
#include "source/feed_item.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "source/json_lines.h"
#include "source/source.h"

#define HASH_BYTES ((size_t)1 << 20)

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to read files");
}

/* ---- Blocks ---- */

static json_t *place_json(const tm_text_place *place) {
    char text[TM_HASH_TEXT];
    tm__hash_to_text(&place->hash, text);
    return json_pack("{s:I, s:I, s:s, s:b}", "bytes", (json_int_t)place->bytes, "lines",
                     (json_int_t)place->lines, "hash", text, "ends", (int)place->ends);
}

static bool place_from(const json_t *json, tm_text_place *out) {
    *out = (tm_text_place){.bytes = (uint64_t)tm__json_i64(json, "bytes", 0),
                           .lines = (uint64_t)tm__json_i64(json, "lines", 0),
                           .ends = json_is_true(json_object_get(json, "ends"))};
    return tm__hash_from_text(tm__json_text(json, "hash", ""), &out->hash);
}

static tm_status give(tm_items *t, const tm_feed_block *block, tm_err *err) {
    TM_TRY(tm__json_check(err));
    const tm_status st = t->sink->take(t->sink->arg, block, err);
    t->sink_failed = st != TM_OK;
    t->has_given = true;
    return st;
}

/* Give a block of the item; the mark, where its reading stands behind it, is taken. */
static tm_status give_part(tm_items *t, tm_feed_block *block, json_t *mark, bool is_last,
                           tm_err *err) {
    json_object_update(mark, (json_t *)t->item->version);
    if (is_last) {
        json_object_del(t->state, "reading");
    } else {
        json_object_set_new(mark, "partial", json_true());
        json_object_set_new(t->state, "reading", json_string(t->item->name));
    }
    block->item = block->origin = t->item->name;
    block->mark = mark;
    block->state = t->state;
    const tm_status st = give(t, block, err);
    json_decref(mark);
    return st;
}

tm_status tm__items_give_nothing(tm_items *items, tm_err *err) {
    char nothing[1] = "";
    const tm_feed_block block = {
        .form = TM_PUSH_LINES, .data = nothing, .state = items->state, .origin = ""};
    return give(items, &block, err);
}

/* ---- Text ---- */

static char order_of(void *arg, const char *column) {
    const tm_items *const t = arg;
    return tm__json_text(json_object_get(t->state, "dates"), column, "")[0];
}

static bool is_known(const tm_items *t, const char *name) {
    return tm__schema_find(&t->known, tm__str(name)) != UINT32_MAX ||
           tm__dict_find(t->names, tm__str(name)) != TM_CODE_MISSING;
}

/* Files of a source agree on whether the first line is one of names: else rows would become names,
 * or names a row. */
static tm_status check_header(void *arg, const tm_push_csv *csv, bool has_header, tm_err *err) {
    tm_items *const t = arg;
    const json_t *const before = json_object_get(t->state, "header");
    bool is_any = false;
    for (uint32_t i = 0; i < csv->n_names; i++) {
        is_any = is_any || is_known(t, csv->names[i]);
    }
    if (before == NULL) {
        json_object_set_new(t->state, "header", json_boolean(has_header));
        return TM_OK;
    }
    if (json_is_true(before) && (!has_header || !is_any)) {
        (void)TM_FAIL(err, TM_E_DATA, "the first line names no column of the source");
        tm_err_at(err, t->item->shown, 1, 0);
        tm_err_hint(err, "Put the line of names in front, as in the files before.");
        return TM_E_DATA;
    }
    return TM_OK;
}

static tm_status take_piece(void *arg, const tm_text_piece *piece, tm_err *err) {
    tm_feed_block block = {.form = piece->csv != NULL ? TM_PUSH_CSV : TM_PUSH_LINES,
                           .data = piece->data,
                           .len = piece->len,
                           .first_line = piece->first_line,
                           .csv = piece->csv};
    return give_part(arg, &block, place_json(&piece->behind), piece->is_last, err);
}

static tm_status read_text(tm_items *t, bool is_lines, const json_t *from, bool *out_changed,
                           tm_err *err) {
    const json_t *const spec = t->in->spec;
    const tm_text_file file = {
        .path = t->item->path,
        .is_lines = is_lines,
        .no_header = json_is_true(json_object_get(spec, "no_header")) ||
                     json_is_false(json_object_get(t->state, "header")),
        .known = &t->known,
        .order = order_of,
        .named = check_header,
        .take = take_piece,
        .arg = t,
        .piece_bytes = (size_t)tm__json_i64(spec, "piece_bytes", 0),
    };
    tm_text_place place;
    if (from != NULL && !place_from(from, &place)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the state of the source is damaged");
    }
    return tm__feed_text(t->ctx, &file, from == NULL ? NULL : &place, out_changed, err);
}

/* ---- Tables ---- */

static tm_status hash_file(tm_items *t, tm_err *err) {
    tm_file *file = NULL;
    tm_hasher hasher;
    uint8_t *const bytes = tm__mem_alloc(HASH_BYTES, 1);
    tm_status st =
        bytes == NULL ? no_memory(err) : tm__file_open(t->item->path, TM_OPEN_READ, &file, err);
    tm__hasher_init(&hasher);
    for (size_t n = 1; st == TM_OK && n > 0;) {
        st = tm__file_read(file, bytes, HASH_BYTES, &n, err);
        if (st == TM_OK) {
            tm__hasher_update(&hasher, bytes, n);
        }
    }
    tm__hasher_final(&hasher, &t->hash);
    tm__mem_free(bytes);
    if (file != NULL) {
        tm__file_close(file);
    }
    return st;
}

/* Of tables: "rows" are behind, and the hash is the whole file's. */
static json_t *rows_place(const tm_items *t) {
    char text[TM_HASH_TEXT];
    tm__hash_to_text(&t->hash, text);
    return json_pack("{s:I, s:s}", "rows", (json_int_t)t->n_rows, "hash", text);
}

static tm_status take_rows(tm_items *t, tm_table *table, const tm_bad_values *bad, tm_err *err) {
    tm_feed_block block = {.rows = table, .bad = bad, .first_row = t->n_rows};
    t->n_rows += tm__table_rows(table);
    return give_part(t, &block, rows_place(t), false, err);
}

static tm_status take_table(void *arg, tm_table *table, tm_err *err) {
    tm_items *const t = arg;
    const uint64_t n = tm__table_rows(table);
    if (t->n_rows + n <= t->n_rows_old) {
        t->n_rows += n;
        return TM_OK;
    }
    if (t->n_rows >= t->n_rows_old) {
        return take_rows(t, table, &t->bad, err);
    }
    const uint64_t first = t->n_rows_old - t->n_rows;
    uint32_t *const rows = tm__mem_alloc(n - first, sizeof(*rows));
    tm_table *rest = NULL;
    tm_bad_values bad = {0};
    for (uint64_t i = first; rows != NULL && i < n; i++) {
        rows[i - first] = (uint32_t)i;
    }
    tm_status st =
        rows == NULL ? no_memory(err) : tm__table_take_rows(table, rows, n - first, &rest, err);
    if (st == TM_OK && !tm__bad_values_take_rows(&t->bad, rows, n - first, &bad)) {
        st = no_memory(err);
    }
    t->n_rows = t->n_rows_old;
    st = st == TM_OK ? take_rows(t, rest, &bad, err) : st;
    tm__bad_values_done(&bad);
    tm__table_unref(rest);
    tm__mem_free(rows);
    return st;
}

static tm_status read_tables(tm_items *t, const json_t *from, bool *out_changed, tm_err *err) {
    char text[TM_HASH_TEXT];
    char nothing[1] = "";
    tm_feed_block last = {.form = TM_PUSH_LINES, .data = nothing};
    TM_TRY(hash_file(t, err));
    tm__hash_to_text(&t->hash, text);
    t->n_rows = 0;
    t->n_rows_old = from == NULL ? 0 : (uint64_t)tm__json_i64(from, "rows", 0);
    *out_changed = from != NULL && strcmp(text, tm__json_text(from, "hash", "")) != 0;
    if (*out_changed) {
        return TM_OK;
    }
    const bool is_whole = from != NULL && json_object_get(from, "partial") == NULL;
    if (!is_whole) { /* else the same bytes under a new time or ETag */
        const tm_source_spec spec = {
            .path = t->item->path, .temp_dir = t->in->temp_dir, .bad = &t->bad};
        TM_TRY(tm__source_stream(t->ctx, &spec, take_table, t, err));
    } else {
        t->n_rows = t->n_rows_old;
    }
    return give_part(t, &last, rows_place(t), true, err);
}

/* ---- One item ---- */

static tm_status read_kind(tm_items *t, const json_t *from, bool *out_changed, tm_err *err) {
    const char *const path = t->item->path;
    const tm_file_kind kind = tm__source_kind(path);
    bool is_lines = false;
    if (kind == TM_FILE_JSON) {
        tm_str name = tm__str(path);
        name.len -= tm__str_has_suffix(name, ".gz") ? 3 : tm__str_has_suffix(name, ".zst") ? 4 : 0;
        const bool is_named = tm__str_has_suffix(name, "l") || tm__str_has_suffix(name, ".ndjson");
        TM_TRY(tm__json_lines_found(path, is_named, &is_lines, err));
    }
    if (kind == TM_FILE_PARQUET || (kind == TM_FILE_JSON && !is_lines)) {
        return read_tables(t, from, out_changed, err);
    }
    return read_text(t, is_lines, from, out_changed, err);
}

tm_status tm__items_read(tm_items *items, const tm_item *item, const json_t *mark, bool again,
                         const char *hint, tm_err *err) {
    bool is_changed = false;
    items->item = item;
    items->sink_failed = false;
    TM_TRY(read_kind(items, json_is_object(mark) ? mark : NULL, &is_changed, err));
    if (is_changed && again) {
        return read_kind(items, NULL, &is_changed, err);
    }
    if (is_changed) {
        (void)TM_FAIL(err, TM_E_DATA, "the file was written anew after its rows were taken");
        tm_err_at(err, item->shown, 0, 0);
        tm_err_hint(err, "%s", hint);
        return TM_E_DATA;
    }
    return TM_OK;
}

/* ---- Faults ---- */

void tm__items_keep_fault(tm_items *items, tm_status st, const tm_err *failure, const char *shown) {
    /* What stops the source is told before what is tried again by itself. */
    const bool is_worse = items->fault_status == TM_E_UNAVAILABLE && st != TM_E_UNAVAILABLE;
    if (items->fault_status != TM_OK && !is_worse) {
        return;
    }
    items->fault_status = st;
    items->fault = *failure;
    if (items->fault.data_path[0] == '\0') {
        tm_err_at(&items->fault, shown, failure->data_row, failure->data_col);
    }
}

tm_status tm__items_fault(const tm_items *items, tm_err *err) {
    if (items->fault_status != TM_OK && err != NULL) {
        *err = items->fault;
    }
    return items->fault_status;
}

tm_status tm__items_vanished(tm_items *items, const char *name, tm_err *err) {
    json_t *mark = NULL;
    tm_err failure = {0};
    TM_TRY(items->in->find_mark(items->in->arg, name, &mark, err));
    const tm_status st =
        TM_FAIL(&failure, TM_E_DATA, "the file vanished while it was read, behind %s %lld",
                json_object_get(mark, "lines") != NULL ? "line" : "row",
                (long long)(tm__json_i64(mark, "lines", 0) + tm__json_i64(mark, "rows", 0)));
    tm_err_hint(
        &failure,
        "What was taken stays. Put it back, or its rest under another name, and pull again.");
    tm__items_keep_fault(items, st, &failure, name);
    json_decref(mark);
    json_object_del(items->state, "reading");
    return tm__items_give_nothing(items, err);
}

/* ---- All ---- */

tm_status tm__items_check_changed(const json_t *spec, tm_err *err) {
    const char *const changed = tm__json_text(spec, "changed", "stop");
    if (strcmp(changed, "stop") != 0 && strcmp(changed, "again") != 0) {
        return TM_FAIL(err, TM_E_USAGE, "'changed' is stop or again, not '%s'", changed);
    }
    return TM_OK;
}

static bool copy_known(tm_items *t) {
    const tm_schema *const from = t->in->schema;
    t->known.cols = tm__mem_zalloc((size_t)from->n_cols + 1, sizeof(*t->known.cols));
    for (uint32_t i = 0; t->known.cols != NULL && i < from->n_cols; i++) {
        if (from->cols[i].type != TM_TYPE_NONE) {
            tm_schema_column *const to = &t->known.cols[t->known.n_cols];
            *to = (tm_schema_column){.name = tm__mem_strdup(from->cols[i].name),
                                     .type = from->cols[i].type};
            if (to->name == NULL) {
                return false;
            }
            t->known.n_cols++;
        }
    }
    return t->known.cols != NULL;
}

tm_status tm__items_init(tm_items *items, tm_ctx *ctx, const tm_feed_input *in,
                         const tm_feed_sink *sink, tm_err *err) {
    *items =
        (tm_items){.ctx = ctx,
                   .in = in,
                   .sink = sink,
                   .names = tm__dict_create(),
                   .state = json_is_null(in->state) ? json_object() : json_deep_copy(in->state)};
    const bool is_made = items->names != NULL && items->state != NULL && copy_known(items);
    return is_made ? TM_OK : no_memory(err);
}

void tm__items_done(tm_items *items) {
    for (uint32_t i = 0; i < items->n_columns; i++) {
        tm__mem_free(items->columns[i].name);
    }
    tm__mem_free(items->columns);
    tm__dict_free(items->names);
    tm__schema_done(&items->known);
    tm__bad_values_done(&items->bad);
    json_decref(items->state);
}
