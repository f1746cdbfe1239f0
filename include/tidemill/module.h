/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a module is: a shared library of your own with a learner, a transform or a source, which the
 * program opens beside its own. This header is all that it includes and it links nothing of
 * Tidemill: what it needs of the program comes as functions in `tm_module_call`.
 *
 *   #include <tidemill/module.h>
 *   static const tm_module_table table = {.abi = TM_MODULE_ABI, .size = sizeof(table),
 *                                         .name = "knn", .version = "1.0", ...};
 *   const tm_module_table *tidemill_module(void) { return &table; }
 *
 * A module is code with the rights of the program; a model file never brings one. `tidemill module
 * check FILE.so` says whether it keeps what is asked of it here. docs/modules.md begins at the
 * beginning.
 *
 * Duties, of every function.
 * 1. The same inputs, parameters and seed give the same bytes: for any number of threads, on any
 *    machine. So no clock, no address, no libm (`host` has exp, log and the like), sums in one
 *    order, random numbers of `random` only.
 * 2. Nothing is kept in variables of the module: several fits may run at once.
 * 3. Blocks come from `alloc` and end with `free` of the host; after a failure nothing is left.
 * 4. No thread of one's own, no signal, no exit: `run` deals a loop out to the program's threads.
 * 5. Long loops ask `is_cancelled` a few times a second and then return TM_MODULE_E_CANCELLED.
 *
 * Growth: a struct with a `size` may get fields at its end in a later release with the same ABI
 * number; who reads it looks at no field behind `size`. Every other change is another number.
 */
#ifndef TM_TIDEMILL_MODULE_H
#define TM_TIDEMILL_MODULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TM_MODULE_ABI 1u

#if defined(__GNUC__)
#define TM_MODULE_EXPORT __attribute__((visibility("default")))
#else
#define TM_MODULE_EXPORT
#endif

/* What functions return; numbers are never reused. */
#define TM_MODULE_OK 0
#define TM_MODULE_E_INVALID 1     /* options or parameters that cannot be */
#define TM_MODULE_E_DATA 2        /* rows or files that cannot be learned from or read */
#define TM_MODULE_E_NOMEM 3       /* alloc gave NULL */
#define TM_MODULE_E_CANCELLED 4   /* is_cancelled said so */
#define TM_MODULE_E_DAMAGED 5     /* load: bytes that save cannot have written */
#define TM_MODULE_E_UNAVAILABLE 6 /* try again later */
#define TM_MODULE_E_UNSUPPORTED 7 /* it could be asked for, and this module has it not */

/* ---- What the program gives ---- */

/* For the life of the process; any thread. */
typedef struct tm_module_host {
    uint32_t size;
    /* A block of bytes, aligned to 64, not cleared; NULL when out of memory. */
    void *(*alloc)(size_t bytes);
    /* End a block; NULL is a no-op. */
    void (*free)(void *block);
    /* Number `counter` of the stream of a seed: uniform over 64 bits. */
    uint64_t (*random)(uint64_t seed, uint64_t counter);
    /* With the same bits on every machine; sqrt of the C library has them already. */
    double (*exp)(double x);
    double (*log)(double x);
    double (*pow)(double x, double y);
    double (*sin)(double x);
    double (*cos)(double x);
} tm_module_host;

/* For one call; the functions take `self`, and are for the thread that made the call. */
typedef struct tm_module_call {
    uint32_t size;
    uint32_t n_threads; /* that run() uses: workers are 0 .. n_threads - 1 */
    const tm_module_host *host;
    void *self;
    /* Say why, before the status is returned: lower case, no full stop, no value of a cell. Copied.
     * Returns the status. */
    int32_t (*refuse)(void *self, int32_t status, const char *why);
    /* A remark for debugging; shown with -vv. */
    void (*log)(void *self, const char *text);
    /* Not 0: return TM_MODULE_E_CANCELLED soon. */
    int32_t (*is_cancelled)(void *self);
    /* Work done since the last time, in rows times columns visited; asked at points that follow
     * from the data alone. Not 0: the budget is spent, so end with a valid model of what there is.
     */
    int32_t (*spend)(void *self, uint64_t work);
    void (*progress)(void *self, uint64_t done, uint64_t total);
    /* Call fn once for each item on the program's threads, and wait. Cut work by the size of the
     * data, never by the number of threads. */
    void (*run)(void *self, uint64_t n_items, void (*fn)(void *arg, uint64_t item, uint32_t worker),
                void *arg);
    /* save: append bytes; TM_MODULE_OK or TM_MODULE_E_NOMEM. Else NULL. */
    int32_t (*write)(void *self, const void *data, size_t len);
} tm_module_call;

/* ---- Parameters ---- */

#define TM_MODULE_INT 0u
#define TM_MODULE_FLOAT 1u
#define TM_MODULE_CHOICE 2u /* the value is the place of a name in `choices`, from 0 */

#define TM_MODULE_PARAMS_MAX 24u

/* Given by people as --param knn.neighbours=20, checked by the program, and kept with the model. */
typedef struct tm_module_param {
    const char *name;    /* "neighbours": a-z, 0-9 and _ */
    uint32_t kind;       /* TM_MODULE_INT ... */
    double otherwise;    /* default */
    double min, max;     /* inclusive */
    const char *doc;     /* one sentence */
    const char *choices; /* CHOICE: names with | between; else NULL */
} tm_module_param;

/* ---- A learner ---- */

#define TM_MODULE_BINARY 1u     /* y is 0 or 1; a score is the log-odds of 1 */
#define TM_MODULE_MULTICLASS 2u /* y is 0 .. n_classes - 1; a score for each class: a logit */
#define TM_MODULE_REGRESSION 4u /* a score is the value */

/* Columns of numbers. Of a number: finite, or NaN for missing. Of a category: a code from 0 below
 * n_levels, of which the last but one stands for levels that training had not, the last for missing
 * ones. */
typedef struct tm_module_rows {
    uint64_t n_rows;
    uint32_t n_cols;
    const double *const *cols; /* [n_cols][n_rows] */
} tm_module_rows;

typedef struct tm_module_column {
    const char *name;
    uint32_t n_levels; /* 0: a number; else a category */
} tm_module_column;

typedef struct tm_module_fit {
    uint32_t size;
    uint32_t task;                   /* TM_MODULE_BINARY ... */
    uint32_t n_classes;              /* MULTICLASS, else 0 */
    uint32_t n_outputs;              /* scores a row: n_classes, else 1 */
    const tm_module_column *columns; /* [rows.n_cols] */
    tm_module_rows rows;
    const double *y;       /* [rows.n_rows] finite */
    const double *weights; /* [rows.n_rows] 0 or more, finite, not all 0; NULL: all 1 */
    /* Rows to stop early by; n_rows 0: none. */
    tm_module_rows valid;
    const double *y_valid, *weights_valid;
    const double *params; /* [n_params], within their ranges, in the order of the table */
    uint64_t seed;
} tm_module_fit;

/* What a model was fitted for. */
typedef struct tm_module_shape {
    uint32_t size;
    uint32_t task, n_outputs, n_cols;
} tm_module_shape;

typedef struct tm_module_learner {
    uint32_t size;
    uint32_t tasks; /* TM_MODULE_BINARY | ... */
    const tm_module_param *params;
    uint32_t n_params;
    /*
     * Learn.
     *
     * out_model  on success a model that ends with free(); it never changes.
     *
     * Owns:    keeps no pointer into what it was given.
     * Limits:  one row, one class, a constant target, a column of NaN alone are no errors.
     * Errors:  TM_MODULE_E_DATA, _INVALID, _NOMEM, _CANCELLED; *out_model untouched.
     * Threads: one caller a model; run() for more.
     */
    int32_t (*fit)(const tm_module_call *call, const tm_module_fit *in, void **out_model);
    /*
     * Scores of rows: out [n_rows x n_outputs], row by row, finite for any rows whatever.
     * A row has the same bits alone and among others. No allocation, no failure.
     *
     * Threads: any, several at once.
     */
    void (*predict)(const tm_module_host *host, const void *model, const tm_module_rows *rows,
                    double *out);
    /* Append the model's bytes with call->write: the same model gives the same bytes. The shape is
     * kept by the program. Threads: any. */
    int32_t (*save)(const tm_module_call *call, const void *model);
    /*
     * A model from its bytes. They are aligned to 64 and outlive the model, which may point into
     * them. Every length and index is checked before it is used.
     *
     * Errors:  TM_MODULE_E_DAMAGED for what save cannot have written, _NOMEM.
     * Threads: any.
     */
    int32_t (*load)(const tm_module_call *call, const void *data, size_t len,
                    const tm_module_shape *shape, void **out_model);
    void (*free)(const tm_module_host *host, void *model);
    /* Optional, or NULL: what each column is worth, 0 or more: out [n_cols]. */
    void (*importance)(const void *model, double *out);
} tm_module_learner;

/* ---- A transform ---- */

#define TM_MODULE_NUMBER 1u /* finite, or NaN for missing */
#define TM_MODULE_TEXT 2u   /* UTF-8; missing is NULL */

#define TM_MODULE_INPUTS_MAX 16u
#define TM_MODULE_TEXT_MAX 256u /* bytes of a text that a transform gives */

typedef struct tm_module_text {
    const char *ptr; /* [len], no NUL behind it; NULL: missing */
    size_t len;
} tm_module_text;

/* One cell for each input of a row. */
typedef struct tm_module_cell {
    double number;       /* NUMBER */
    tm_module_text text; /* TEXT */
} tm_module_cell;

/*
 * A function of a row's cells, called in expressions by the module's name: 'km = great_circle(a, b,
 * c, d)'. It learns nothing and sees no target, so it cannot leak one.
 */
typedef struct tm_module_transform {
    uint32_t size;
    uint32_t n_inputs;      /* cells that it takes, 1 to TM_MODULE_INPUTS_MAX */
    const uint32_t *inputs; /* [n_inputs] TM_MODULE_NUMBER or TM_MODULE_TEXT */
    uint32_t output;        /* TM_MODULE_NUMBER, or TM_MODULE_TEXT: at most TM_MODULE_TEXT_MAX */
    /*
     * Answer for one row; number is NaN and text NULL where there is none, and both are so before
     * the call. A text is written to `room` [TM_MODULE_TEXT_MAX] or points into an input. No
     * failure, no allocation, nothing kept: the same cells have the same answer. The program asks
     * row by row, in training too, so that a column and a row have the same bits.
     *
     * Threads: any, several at once.
     */
    void (*apply)(const tm_module_host *host, const tm_module_cell *cells, char *room,
                  tm_module_cell *out);
} tm_module_transform;

/* ---- A source ---- */

#define TM_MODULE_COL_BOOL 1u /* int64: 0 or 1 */
#define TM_MODULE_COL_INT 2u
#define TM_MODULE_COL_FLOAT 3u
#define TM_MODULE_COL_TEXT 4u
#define TM_MODULE_COL_TIME 6u /* int64: microseconds since 1970 UTC */

#define TM_MODULE_MISSING INT64_MIN /* of int64; of doubles NaN, of texts NULL */

#define TM_MODULE_POSITION_MAX 4096u
#define TM_MODULE_OPTIONS_MAX 32u
#define TM_MODULE_BATCH_ROWS_MAX 1000000u

typedef struct tm_module_option {
    const char *name; /* "path": a-z, 0-9 and _ */
    uint32_t is_required;
    const char *otherwise; /* NULL: none */
    const char *doc;       /* one sentence */
} tm_module_option;

typedef struct tm_module_batch_column {
    const char *name; /* UTF-8, unlike the others; the same columns in every batch */
    uint32_t type;    /* TM_MODULE_COL_BOOL ... */
    const int64_t *ints;
    const double *floats;
    const tm_module_text *texts; /* UTF-8 */
} tm_module_batch_column;

/* Rows, column by column; the module's, until its next call. */
typedef struct tm_module_batch {
    uint32_t size;
    uint32_t n_cols;
    uint64_t n_rows; /* 0: there is nothing more now */
    const tm_module_batch_column *columns;
    /* Where to go on behind these rows: UTF-8 of at most TM_MODULE_POSITION_MAX bytes. It is kept
     * in one transaction with them, so that each row is taken once. */
    const char *position;
    const char *origin; /* a file or the like, as people know it; no secret; may be NULL */
} tm_module_batch;

typedef struct tm_module_open {
    uint32_t size;
    const char *const *values; /* [n_options] texts; NULL: not given */
    const char *position;      /* of the last batch that was taken; NULL: begin */
    const char *dir;           /* that relative paths start from; NULL: the working folder */
} tm_module_open;

typedef struct tm_module_source {
    uint32_t size;
    uint32_t n_options;
    const tm_module_option *options;
    /*
     * Begin to read, behind `position`.
     *
     * Errors:  TM_MODULE_E_INVALID (an option, by name), _DATA, _UNAVAILABLE (tried again later),
     *          _NOMEM.
     * Threads: one caller a source.
     */
    int32_t (*open)(const tm_module_call *call, const tm_module_open *in, void **out_source);
    /* The next rows. Errors: as open, and TM_MODULE_E_CANCELLED. */
    int32_t (*next)(const tm_module_call *call, void *source, tm_module_batch *out);
    void (*close)(const tm_module_host *host, void *source);
} tm_module_source;

/* ---- The module ---- */

typedef struct tm_module_table {
    uint32_t abi; /* TM_MODULE_ABI; stays the first field for ever */
    uint32_t size;
    const char *name;                 /* "knn": a-z first, then a-z, 0-9 and _; at most 31 */
    const char *version;              /* "1.0"; at most 31 bytes */
    const char *licence;              /* an SPDX name */
    const char *about;                /* one sentence */
    const tm_module_learner *learner; /* each NULL or what the module has, under its name */
    const tm_module_transform *transform;
    const tm_module_source *source;
} tm_module_table;

/**
 * The one function that a module exports, and defines itself.
 *
 * Owns:    the table lives as long as the module; it never changes.
 * Errors:  none.
 * Threads: one caller.
 */
TM_MODULE_EXPORT const tm_module_table *tidemill_module(void);

#ifdef __cplusplus
}
#endif

#endif
