/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a prediction request to cells of a model's input columns, without a tree in between. A
 * plan is made once per bundle and immutable; a decoder belongs to one request. A document is
 * checked whole first (tm__scan_check), then read; of lines each is checked as it is read.
 */
#ifndef TM_SERVE_DECODE_H
#define TM_SERVE_DECODE_H

#include "base/json_scan.h"
#include "serve/serve_priv.h"

/* What is wanted of rows so that their features over windows can be filled (serve/fill.h). */
typedef struct tm_plan_filled {
    const char *const *names;
    uint32_t n_names;
} tm_plan_filled;

/** Columns of a bundle by name, and the names of its training data that it does not read. */
TM_NODISCARD tm_status tm__plan_create(const tm_bundle *bundle, const tm_plan_filled *filled,
                                       tm_plan **out, tm_err *err);

typedef struct tm_plan_parts {
    const tm_schema *inputs;   /* in the order of cells */
    const tm_renames *renames; /* other names of inputs; NULL: none */
    const json_t *policies;    /* {COLUMN: POLICY} of table/privacy.h; NULL: none */
    const tm_hash *key;        /* of their pseudonyms; NULL: none. Must outlive the plan */
    const char *const *others; /* names that are taken and not used */
    uint32_t n_others;
    const char *time, *entity; /* NULL: none */
    const char *const *extra;  /* names whose values are wanted besides, and may be left out */
    uint32_t n_extra;
    bool is_filled; /* features over windows may be left out: somebody fills them */
} tm_plan_parts;
/** Same from its parts. */
TM_NODISCARD tm_status tm__plan_make(const tm_plan_parts *parts, tm_plan **out, tm_err *err);
void tm__plan_free(tm_plan *plan);
/** Count how rows differ from its columns; fields must outlive the rows. Before the first row. */
void tm__plan_count(tm_plan *plan, struct tm_fields *fields);
/** What a row has: the inputs, then time, entity and what is wanted besides, when they are none. */
uint32_t tm__plan_cells(const tm_plan *plan);
const char *const *tm__plan_names(const tm_plan *plan); /* [cells] */
/** The name of the entity's column; NULL: rows have none. */
const char *tm__plan_entity(const tm_plan *plan);

#define TM_NAME_NONE UINT32_MAX
/** The cell of a name; TM_NAME_NONE when rows have none. */
uint32_t tm__plan_cell(const tm_plan *plan, const char *name);

/* How the rows of a request lie in it. */
typedef enum tm_rows_kind {
    TM_ROWS_RECORDS, /* [{column: value}, ...]        */
    TM_ROWS_SPLIT,   /* [[value, ...], ...] with names */
    TM_ROWS_COLUMNS, /* {column: [value, ...], ...}    */
    TM_ROWS_LINES,   /* an object a line               */
    TM_ROWS_CSV,     /* names, then a row a line       */
    TM_ROWS_TENSORS  /* a tensor a column, or one of all */
} tm_rows_kind;

typedef enum tm_datatype { /* of the Open Inference Protocol */
                           TM_DATA_BOOL,
                           TM_DATA_UINT8,
                           TM_DATA_UINT16,
                           TM_DATA_UINT32,
                           TM_DATA_UINT64,
                           TM_DATA_INT8,
                           TM_DATA_INT16,
                           TM_DATA_INT32,
                           TM_DATA_INT64,
                           TM_DATA_FP16,
                           TM_DATA_FP32,
                           TM_DATA_FP64,
                           TM_DATA_BYTES
} tm_datatype;
/** False when the text names none. */
bool tm__datatype_find(tm_str text, tm_datatype *out);
/** Bytes of one value; 0 for BYTES, whose values have a length each. */
size_t tm__datatype_size(tm_datatype type);

typedef struct tm_tensor {
    tm_str name;
    tm_datatype type;
    uint64_t n_rows, n_cols; /* of its shape; [n] has one column */
    bool is_flat;            /* its shape has one dimension */
    char *json;              /* its array of values, perhaps nested; or NULL */
    const uint8_t *bytes;    /* [n_bytes] little-endian */
    size_t n_bytes;
} tm_tensor;

typedef struct tm_rows_place {
    tm_rows_kind kind;
    char *rows;  /* first byte of the value with the rows; the document is rewritten in place */
    char *names; /* SPLIT: of the array with the names */
    const char *path;         /* how the rows are called in errors: "rows" */
    const tm_tensor *tensors; /* TENSORS: [n_tensors], of the same number of rows */
    uint32_t n_tensors;
    bool ignores_unknown; /* names that the model does not know are no errors */
} tm_rows_place;

typedef struct tm_decoder tm_decoder;
/** Made in an arena, which must outlive it; NULL when out of memory. Errors of rows and of names
 * are collected in the exchange. */
tm_decoder *tm__decoder_create(const tm_plan *plan, const tm_rows_place *place, tm_exchange *x,
                               tm_arena *arena);
/** Read a document of one plainly written row, which was not checked yet, as the decoder's first
 * row; the decoder is of RECORDS without rows. False, with document and decoder as they were, when
 * the document has to be read in the general way. */
bool tm__decoder_read_quick(tm_decoder *decoder, char *document, size_t len);
/** Step to the next row; false at the end or when no more errors can be told. A row with errors is
 * stepped to all the same, so that more can be found; its cells are not to be used. */
bool tm__decoder_next(tm_decoder *decoder);
/** Step over the next row without a look at its values: it is another decoder's, which reads a copy
 * of the document. At the end of the rows nothing happens. */
void tm__decoder_pass(tm_decoder *decoder);
/** [tm__plan_cells()] of the current row; inputs are fitted to the types of the model's columns. */
const tm_cell *tm__decoder_cells(const tm_decoder *decoder);
/** Time of the current row; TM_INT_MISSING when there is none. */
int64_t tm__decoder_event_us(const tm_decoder *decoder);
/** The entity of the current row as text, perhaps in the 32 bytes; ptr NULL when it has none. */
tm_str tm__decoder_entity(const tm_decoder *decoder, char text[32]);
/** True when it ended before the last row, for its errors or for want of memory to note one. */
bool tm__decoder_is_full(const tm_decoder *decoder);
uint64_t tm__decoder_row(const tm_decoder *decoder); /* index of the current row */
typedef struct tm_decode_counts {
    uint64_t n_rows, n_nulls, n_coerced;
    uint64_t n_filled, n_absent, n_stale; /* rows with features of the online store */
    double age_s_max, lag_s_max;          /* of those */
} tm_decode_counts;

/* What the features that a row left out were filled from. */
typedef struct tm_filled {
    bool is_used;   /* it left some out */
    bool is_absent; /* of an entity that the store does not know */
    bool is_stale;  /* the store was behind: they are missing */
    double age_s;   /* from the newest event behind them to the row's moment; < 0: there is none */
    double lag_s;   /* since the store had all rows of its source */
} tm_filled;
/** True when the current row names the column of a cell. */
bool tm__decoder_has(const tm_decoder *decoder, uint32_t cell);
/** Set a cell of the current row; NaN is missing. */
void tm__decoder_fill(tm_decoder *decoder, uint32_t cell, double value);
/** Set the moment of a row that leaves it out, if the model reads it. */
void tm__decoder_fill_moment(tm_decoder *decoder, int64_t now_us);
void tm__decoder_note_filled(tm_decoder *decoder, const tm_filled *filled);
/** Note an error of the current row. */
void tm__decoder_error(tm_decoder *decoder, tm_str column, const char *hint, const char *fmt, ...)
    TM_PRINTF(4, 5);
tm_decode_counts tm__decoder_counts(const tm_decoder *decoder);

/* Rows in parts, for several threads. */
typedef struct tm_decode_part {
    uint64_t n_rows; /* a part has at most so many, and ends after so many bytes */
    size_t n_bytes;
} tm_decode_part;
/** A decoder of the next rows, which collects errors in x; NULL when out of memory. The decoder it
 * is cut from stands behind these rows then, and does not read rows itself any more. *out_more is
 * false for the last part. Parts may be read at once, by a thread each, while more are cut. */
tm_decoder *tm__decoder_cut(tm_decoder *from, const tm_decode_part *most, tm_exchange *x,
                            tm_arena *arena, bool *out_more);

#endif
