/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the decoders of the forms of rows share: decode.c has JSON objects and arrays, decode_text.c
 * lines of JSON and CSV, decode_tensor.c tensors.
 */
#ifndef TM_SERVE_DECODE_PRIV_H
#define TM_SERVE_DECODE_PRIV_H

#include <string.h>

#include "serve/decode.h"
#include "serve/fields.h"
#include "table/privacy.h"

typedef struct plan_name {
    char *name; /* owned */
    size_t len;
    bool is_escaped; /* it is written otherwise in JSON */
    bool is_window;  /* a feature over earlier rows: never left out, unless it is filled, */
    bool may_lack;   /* or was new beside the champion: clients do not know it yet */
} plan_name;

struct tm_plan {
    const tm_schema *inputs;   /* borrowed from the bundle */
    uint32_t n_cells;          /* inputs, then time, entity and others that are wanted */
    uint32_t n_aliases;        /* behind them: other names of inputs, in the order of renames */
    uint32_t n_names;          /* cells, aliases, then names that are not used */
    const tm_renames *renames; /* borrowed from the bundle; NULL: none */
    uint32_t *alias_of;        /* [n_aliases] index in renames */
    plan_name *names;
    const char **shown; /* [n_names] names, for "did you mean" */
    uint32_t *slots;    /* [n_slots] a name's index, or NONE */
    uint32_t n_slots;
    uint32_t time, entity; /* index of a cell, or NONE */
    bool is_filled;        /* features over windows, and the moment, may be left out */
    tm_privacy *privacy;   /* [n_cells] policies of columns; NULL: none has one */
    const tm_hash *key;    /* borrowed from the bundle: of pseudonyms; NULL: it has none */
    tm_fields *fields;     /* borrowed: how rows differ from the columns; NULL: not counted */
};

/** True for a cell that serve/fill.h sets when a row leaves it out: a feature over earlier rows, or
 * the moment, which is now. */
static inline bool tm__plan_fills(const tm_plan *plan, uint32_t cell) {
    return plan->is_filled &&
           (plan->names[cell].is_window || (cell == plan->time && cell < plan->inputs->n_cols &&
                                            plan->inputs->cols[cell].type == TM_TYPE_TIME));
}
/** Index of a name, or TM_NAME_NONE. */
uint32_t tm__plan_find(const tm_plan *plan, tm_str name);
/** True when the string that opens at p is, letter for letter, the name of this index: then it
 * needs neither to be unescaped nor to be looked for. */
static inline bool tm__plan_names_at(const tm_plan *plan, uint32_t index, const char *p) {
    const plan_name *name = &plan->names[index < plan->n_names ? index : 0];
    return index < plan->n_names && !name->is_escaped &&
           strncmp(p + 1, name->name, name->len) == 0 && p[name->len + 1] == '"';
}

struct tm_decoder {
    const tm_plan *plan;
    const tm_rows_place *place;
    tm_exchange *x;
    char *p; /* RECORDS, SPLIT, LINES, CSV: at the next row; NULL behind the last */
    uint64_t row;
    uint64_t row_end; /* exclusive; 0: to the end of the rows */
    bool is_started, is_full;
    bool is_ready;                 /* the first row is read already */
    tm_cell *cells;                /* [n_cells] */
    uint64_t *seen;                /* [n_cells + others] row + 1 in which a name stood last */
    char *texts;                   /* [n_cells][32] numbers made text */
    struct tm_other_value *others; /* [n_aliases] of this row, as given */
    uint32_t *columns;             /* SPLIT, COLUMNS, CSV, TENSORS: name of each position */
    char **cursors;                /* COLUMNS: at the next value */
    uint32_t n_columns;
    uint32_t expected;                /* RECORDS: name to try first */
    struct tm_tensor_cursor *tensors; /* TENSORS: [n_tensors] */
    bool is_matrix;                   /* TENSORS: one of them holds all columns */
    tm_decode_counts counts;
};

/** Put a value where name i says: its cell, or aside until the row is read; nowhere when the name
 * is not used. */
void tm__decoder_put(tm_decoder *decoder, uint32_t index, tm_cell *cell, bool ok);
/** True when a value of the name is used. */
static inline bool tm__plan_uses(const tm_plan *plan, uint32_t index) {
    return index < plan->n_cells + plan->n_aliases;
}
/** At the end of a row: values under other names become those of their columns. decode_names.c */
void tm__decoder_settle_names(tm_decoder *decoder);
/** Room for them; false when out of memory. */
bool tm__decoder_open_names(tm_decoder *decoder, tm_arena *arena);
/** Put a value into the cell of name i, fitted to its column; ok is false for what is no value. */
void tm__decoder_set(tm_decoder *d, uint32_t i, tm_cell *cell, bool ok);
/** True when the name may stand here: it is known and new in this row. */
bool tm__decoder_take(tm_decoder *decoder, uint32_t index, tm_str name);
/** Count a row that was read, and the columns that it leaves out. */
void tm__decoder_count_row(const tm_decoder *decoder);
/** Read an object of values by column; returns what follows. */
char *tm__decoder_read_record(tm_decoder *decoder, char *p);

/** At the next line that has a byte; NULL at the end. */
char *tm__lines_next(char *p);
/** At the next record that is no empty line; NULL at the end. */
char *tm__record_next(char *p);
/** Read one row; returns the next, or NULL. */
char *tm__decoder_read_line(tm_decoder *decoder);
char *tm__decoder_read_csv(tm_decoder *decoder);
/** False when out of memory. */
bool tm__decoder_open_csv(tm_decoder *decoder, tm_arena *arena);
bool tm__decoder_open_tensors(tm_decoder *decoder, tm_arena *arena);
/** One row; false at the end. */
bool tm__decoder_read_tensors(tm_decoder *decoder);
/** A copy of the places in the tensors; false when out of memory. */
bool tm__decoder_fork_tensors(tm_decoder *decoder, tm_arena *arena);
/** Step over a row without a look at its values; false when that cannot be. */
bool tm__decoder_skip_tensors(tm_decoder *decoder);

#endif
