/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     set ──> groups: features of equal keys that become known alike
 *                 columns of the source, each once ──> cells of a state
 *                 features ──> of those cells
 *
 * The plan of a group differs from the one of tm__window_set_apply() in two ways that no answer
 * shows: features of one column share its cells, and a text's cell is an integer of its hash.
 */
#include "feature/window_live.h"

#include <string.h>

#include "base/mem.h"
#include "feature/window_priv.h"

#define MARK "tidemill.window-group/1"
#define MARK_BYTES ((size_t)1 << 24)

/* A column of a group's states: one of the source's, or whether a text is a level. */
typedef struct source_column {
    const char *name;
    tm_type type; /* of the source */
} source_column;

typedef struct group {
    tm_window_group view;
    tm_window_input *inputs;     /* [n_cols] */
    source_column *columns;      /* [n_cols] */
    tm_window_feature *features; /* [n_features] */
    uint32_t *places;
} group;

struct tm_window_live {
    const tm_window_set *set;
    uint32_t n;
    group *groups; /* [n] */
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for features that are kept");
}

void tm__window_live_free(tm_window_live *live) {
    if (live == NULL) {
        return;
    }
    for (uint32_t i = 0; i < live->n; i++) {
        tm__mem_free(live->groups[i].inputs);
        tm__mem_free(live->groups[i].columns);
        tm__mem_free(live->groups[i].features);
        tm__mem_free(live->groups[i].places);
    }
    tm__mem_free(live->groups);
    tm__mem_free(live);
}

uint32_t tm__window_live_count(const tm_window_live *live) {
    return live->n;
}

const tm_window_group *tm__window_live_group(const tm_window_live *live, uint32_t i) {
    return &live->groups[i].view;
}

/* Texts by what tells them apart; never the missing integer. */
static int64_t text_cell(tm_str text) {
    tm_hash hash;
    uint64_t bits;
    tm__hash_bytes(text.ptr, text.len, &hash);
    memcpy(&bits, hash.bytes, sizeof(bits));
    return (int64_t)(bits >> 1);
}

/* ---- Groups ---- */

/* The place of a column among the group's, added when it is new. */
static uint32_t add_column(group *g, const tm_window_part *part) {
    const char *const name = part->text->column;
    uint32_t i = 0;
    while (i < g->view.plan.n_cols && strcmp(g->columns[i].name, name) != 0) {
        i++;
    }
    if (i == g->view.plan.n_cols) {
        const bool is_text = part->input.type == TM_TYPE_TEXT;
        g->columns[i] = (source_column){.name = name, .type = part->input.type};
        g->inputs[i] = is_text ? (tm_window_input){.type = TM_TYPE_INT} : part->input;
        g->view.plan.n_cols++;
    }
    return i;
}

static tm_status find_level(const tm_window_set *set, uint32_t place, const tm_window_part *part,
                            int64_t *out, tm_err *err) {
    if (part->input.type == TM_TYPE_TEXT) {
        *out = text_cell(tm__str(part->text->level));
        return TM_OK;
    }
    const tm_column column = {.name = part->text->column, .type = part->input.type};
    return tm__window_set_level(set, place, &column, out, err);
}

static tm_status add_feature(const tm_window_set *set, group *g, uint32_t place, tm_err *err) {
    const tm_window_part part = tm__window_set_part(set, place);
    const tm_window_text *const text = part.text;
    if (text->column != NULL && part.input.type == TM_TYPE_NONE) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "feature '%.64s' is not fitted", text->name);
    }
    tm_window_feature f = {.fn = text->fn,
                           .column = TM_WINDOW_EVENTS,
                           .width_us = text->width_us,
                           .n_last = text->n_last,
                           .lag = text->lag};
    if (text->column != NULL) {
        f.column = add_column(g, &part);
    }
    if (text->level != NULL) {
        TM_TRY(find_level(set, place, &part, &f.level, err));
    }
    g->places[g->view.plan.n_features] = place;
    g->features[g->view.plan.n_features++] = f;
    return TM_OK;
}

/* Names what decides the states: which rows count for whom, when, and what is kept of them. */
static tm_status make_mark(const tm_window_set *set, group *g, tm_err *err) {
    const tm_window_part first = tm__window_set_part(set, g->places[0]);
    tm_buf bytes;
    tm__buf_init(&bytes, MARK_BYTES);
    (void)tm__buf_text(&bytes, MARK);
    const tm_window_text *const text = first.text;
    (void)tm__buf_str(&bytes, tm__str(text->events == NULL ? tm__window_set_time(set) : text->at));
    (void)tm__buf_str(&bytes, tm__str(first.when == NULL ? "" : first.when));
    (void)tm__buf_i64(&bytes, first.delay_us);
    (void)tm__buf_i64(&bytes, text->delay_us);
    (void)tm__buf_u8(&bytes, first.is_late);
    (void)tm__buf_u32(&bytes, g->view.n_keys);
    for (uint32_t k = 0; k < g->view.n_keys; k++) {
        (void)tm__buf_str(&bytes, tm__str(g->view.event_keys[k]));
    }
    for (uint32_t c = 0; c < g->view.plan.n_cols; c++) {
        (void)tm__buf_str(&bytes, tm__str(g->columns[c].name));
        (void)tm__buf_u32(&bytes, g->columns[c].type);
    }
    (void)tm__buf_u64(&bytes, tm__window_plan_mark(&g->view.plan));
    const bool ok = !bytes.failed;
    if (ok) {
        tm__hash_bytes(bytes.data, bytes.len, &g->view.mark);
    }
    tm__buf_done(&bytes);
    return ok ? TM_OK : no_memory(err);
}

static tm_status make_group(tm_window_live *live, uint32_t first, bool *is_done, tm_err *err) {
    const tm_window_set *const set = live->set;
    const uint32_t n = tm__window_set_count(set);
    const tm_window_part part = tm__window_set_part(set, first);
    group *const g = &live->groups[live->n++];
    const int64_t late_us = g->view.plan.late_us;
    g->inputs = tm__mem_zalloc(n, sizeof(*g->inputs));
    g->columns = tm__mem_zalloc(n, sizeof(*g->columns));
    g->features = tm__mem_zalloc(n, sizeof(*g->features));
    g->places = tm__mem_zalloc(n, sizeof(*g->places));
    if (g->inputs == NULL || g->columns == NULL || g->features == NULL || g->places == NULL) {
        return no_memory(err);
    }
    g->view.plan = (tm_window_plan){.cols = g->inputs, .features = g->features, .late_us = late_us};
    g->view.places = g->places;
    g->view.source = part.text->events;
    g->view.n_keys = part.text->n_keys;
    g->view.keys = (const char *const *)part.text->keys;
    g->view.event_keys = (const char *const *)part.text->event_keys;
    for (uint32_t i = first; i < n; i++) {
        if (!is_done[i] && tm__window_set_are_alike(set, first, i)) {
            is_done[i] = true;
            TM_TRY(add_feature(set, g, i, err));
        }
    }
    TM_TRY(tm__window_check(&g->view.plan, err));
    return make_mark(set, g, err);
}

tm_status tm__window_live_create(const tm_window_set *set, int64_t late_us, tm_window_live **out,
                                 tm_err *err) {
    const uint32_t n = tm__window_set_count(set);
    tm_window_live *const live = tm__mem_zalloc(1, sizeof(*live));
    bool *const is_done = tm__mem_zalloc((size_t)n + 1, sizeof(*is_done));
    tm_status st = live == NULL || is_done == NULL ? no_memory(err) : TM_OK;
    if (st == TM_OK) {
        live->set = set;
        live->groups = tm__mem_zalloc((size_t)n + 1, sizeof(*live->groups));
        st = live->groups == NULL ? no_memory(err) : TM_OK;
    }
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        if (!is_done[i]) {
            live->groups[live->n].view.plan.late_us = late_us < 0 ? TM_WINDOW_LATE_US : late_us;
            st = make_group(live, i, is_done, err);
        }
    }
    tm__mem_free(is_done);
    if (st != TM_OK) {
        tm__window_live_free(live);
        return st;
    }
    *out = live;
    return TM_OK;
}

/* ---- Keys ---- */

/* The value as it is compared; false when it is missing. */
static bool cell_bits(const tm_cell *cell, uint64_t *out) {
    if (cell->type == TM_TYPE_FLOAT) {
        *out = tm__window_cell_f64(cell->f64);
        return !tm__window_is_null(TM_TYPE_FLOAT, *out);
    }
    *out = (uint64_t)cell->i64;
    return cell->type != TM_TYPE_NONE && cell->i64 != TM_INT_MISSING;
}

bool tm__window_key_write(const tm_cell *cells, uint32_t n, tm_buf *out) {
    for (uint32_t i = 0; i < n; i++) {
        uint64_t bits = 0;
        if (cells[i].type == TM_TYPE_TEXT) {
            (void)tm__buf_u8(out, TM_TYPE_TEXT);
            (void)tm__buf_str(out, cells[i].text);
        } else if (cell_bits(&cells[i], &bits)) {
            (void)tm__buf_u8(out, (uint8_t)cells[i].type);
            (void)tm__buf_u64(out, bits);
        } else {
            return false;
        }
    }
    return !out->failed;
}

/* ---- Blocks ---- */

void tm__window_block_done(tm_window_block *block) {
    tm__mem_free(block->known_us);
    tm__mem_free(block->cells);
    tm__mem_free(block->entities);
    tm__dict_free(block->keys);
    *block = (tm_window_block){0};
}

static tm_status find_column(const tm_table *rows, const char *name, const tm_column **out,
                             tm_err *err) {
    const uint32_t at = tm__table_find(rows, name);
    if (at == UINT32_MAX) {
        return TM_FAIL(err, TM_E_NOT_FOUND, "the source has no column '%s'", name);
    }
    *out = tm__table_column(rows, at);
    return TM_OK;
}

static tm_status code_keys(const group *g, const tm_table *rows, tm_window_block *out,
                           tm_err *err) {
    const tm_column *columns[TM_WINDOW_KEYS_MAX];
    tm_cell cells[TM_WINDOW_KEYS_MAX];
    tm_buf key;
    tm_status st = TM_OK;
    for (uint32_t k = 0; k < g->view.n_keys; k++) {
        TM_TRY(find_column(rows, g->view.event_keys[k], &columns[k], err));
        out->key_types[k] = columns[k]->type;
    }
    tm__buf_init(&key, MARK_BYTES);
    for (uint64_t row = 0; st == TM_OK && row < out->n_rows; row++) {
        tm__buf_reset(&key);
        for (uint32_t k = 0; k < g->view.n_keys; k++) {
            cells[k] = tm__column_cell(columns[k], row);
        }
        out->entities[row] = TM_CODE_MISSING;
        if (tm__window_key_write(cells, g->view.n_keys, &key)) {
            out->entities[row] = tm__dict_add(out->keys, (tm_str){(const char *)key.data, key.len});
            st = out->entities[row] == TM_CODE_MISSING ? no_memory(err) : TM_OK;
        } else if (key.failed) {
            st = no_memory(err);
        }
    }
    tm__buf_done(&key);
    return st;
}

/* The cells of a column, one of every plan.n_cols. */
static tm_status fill_texts(const tm_column *column, uint64_t n_rows, uint64_t stride,
                            uint64_t *out, tm_err *err) {
    const uint32_t n = tm__dict_count(column->dict);
    int64_t *const known = tm__mem_alloc((size_t)n + 1, sizeof(*known));
    if (known == NULL) {
        return no_memory(err);
    }
    for (uint32_t code = 0; code < n; code++) {
        known[code] = TM_INT_MISSING;
    }
    for (uint64_t row = 0; row < n_rows; row++) {
        const uint32_t code = column->codes[row];
        if (code != TM_CODE_MISSING && known[code] == TM_INT_MISSING) {
            known[code] = text_cell(tm__dict_get(column->dict, code));
        }
        out[row * stride] = (uint64_t)(code == TM_CODE_MISSING ? TM_INT_MISSING : known[code]);
    }
    tm__mem_free(known);
    return TM_OK;
}

static tm_status fill_cells(const group *g, uint32_t c, const tm_table *rows, tm_window_block *out,
                            tm_err *err) {
    const tm_column *column = NULL;
    TM_TRY(find_column(rows, g->columns[c].name, &column, err));
    if (column->type != g->columns[c].type) {
        return TM_FAIL(err, TM_E_DATA, "column '%s' is %s, and was %s in training", column->name,
                       tm__type_text(column->type), tm__type_text(g->columns[c].type));
    }
    const uint64_t stride = g->view.plan.n_cols;
    if (column->type == TM_TYPE_TEXT) {
        return fill_texts(column, out->n_rows, stride, out->cells + c, err);
    }
    for (uint64_t row = 0; row < out->n_rows; row++) {
        out->cells[row * stride + c] = tm__window_cell(column, row);
    }
    return TM_OK;
}

tm_status tm__window_live_block(const tm_window_live *live, uint32_t number, const tm_table *rows,
                                tm_window_block *out, tm_err *err) {
    const group *const g = &live->groups[number];
    const uint64_t n = tm__table_rows(rows);
    tm_window_block block = {.n_rows = n};
    block.known_us = tm__mem_alloc(n + 1, sizeof(*block.known_us));
    block.entities = tm__mem_alloc(n + 1, sizeof(*block.entities));
    block.cells = tm__mem_alloc(n + 1, (g->view.plan.n_cols + 1) * sizeof(*block.cells));
    block.keys = tm__dict_create();
    tm_status st = block.known_us == NULL || block.entities == NULL || block.cells == NULL ||
                           block.keys == NULL
                       ? no_memory(err)
                       : code_keys(g, rows, &block, err);
    st =
        st == TM_OK ? tm__window_set_known(live->set, g->places[0], rows, block.known_us, err) : st;
    for (uint32_t c = 0; st == TM_OK && c < g->view.plan.n_cols; c++) {
        st = fill_cells(g, c, rows, &block, err);
    }
    if (st != TM_OK) {
        tm__window_block_done(&block);
        return st;
    }
    *out = block;
    return TM_OK;
}
