/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels become known in the order of their rows, so what is known at a row is a prefix of the
 * stream, and its length is all that others need: who learns from rows below known[row] cannot look
 * ahead. Classes are numbered as they first come for the same reason.
 */
#include "loop/replay_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "train/train.h"

#define MAX_INT_CLASSES 20u
#define N_OUTPUTS_MAX 1000u
#define ROWS_MIN 10u

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the rows of a replay");
}

/* ---- order ---- */

typedef struct timed_row {
    int64_t at_us;
    uint32_t row;
} timed_row;

static int compare_times(const void *a, const void *b) {
    const timed_row *x = a;
    const timed_row *y = b;
    if (x->at_us != y->at_us) {
        return x->at_us < y->at_us ? -1 : 1;
    }
    return x->row < y->row ? -1 : x->row > y->row;
}

static tm_status time_column(const tm_table *table, const char *name, const tm_column **out,
                             tm_err *err) {
    uint32_t col = 0;
    TM_TRY(tm__train_find_column(table, name, "time", &col, err));
    *out = tm__table_column(table, col);
    if ((*out)->type != TM_TYPE_TIME && (*out)->type != TM_TYPE_DATE &&
        (*out)->type != TM_TYPE_INT) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "the column '%s' holds %s, not times", name,
                                     tm__type_text((*out)->type));
        tm_err_hint(err, "--time order takes the rows as they stand.");
        return st;
    }
    for (uint64_t row = 0; row < tm__table_rows(table); row++) {
        if ((*out)->ints[row] == TM_INT_MISSING) {
            const tm_status st = TM_FAIL(err, TM_E_DATA, "a row has no time in '%s'", name);
            tm_err_at(err, NULL, row + 1, 0);
            tm_err_hint(err, "Leave such rows out, as by --sql with WHERE ... IS NOT NULL.");
            return st;
        }
    }
    return TM_OK;
}

/* Rows by time, equal ones as they stood. */
static tm_status sort_rows(tm_replay_stream *stream, tm_table *table, const tm_column *time,
                           tm_err *err) {
    bool is_sorted = true;
    for (uint64_t row = 1; row < stream->n_rows && is_sorted; row++) {
        is_sorted = time->ints[row] >= time->ints[row - 1];
    }
    if (is_sorted) {
        stream->table = tm__table_ref(table);
        return TM_OK;
    }
    timed_row *const order = tm__mem_alloc(stream->n_rows, sizeof(*order));
    uint32_t *const rows = tm__mem_alloc(stream->n_rows, sizeof(*rows));
    tm_status st = order != NULL && rows != NULL ? TM_OK : no_memory(err);
    for (uint64_t row = 0; st == TM_OK && row < stream->n_rows; row++) {
        order[row] = (timed_row){time->ints[row], (uint32_t)row};
    }
    if (st == TM_OK) {
        qsort(order, stream->n_rows, sizeof(*order), compare_times);
        for (uint64_t row = 0; row < stream->n_rows; row++) {
            rows[row] = order[row].row;
        }
        stream->was_sorted = true;
        st = tm__table_take_rows(table, rows, stream->n_rows, &stream->table, err);
    }
    tm__mem_free(order);
    tm__mem_free(rows);
    return st;
}

/* What a whole number counts nobody said: seconds since 1970, or days. */
static tm_status check_unit(const tm_column *time, const tm_replay_options *options, tm_err *err) {
    if (options->delay_us == 0 || time->type != TM_TYPE_INT) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_USAGE, "a delay with a unit wants times, and '%s' holds whole numbers",
                  options->time);
    tm_err_hint(err, "Say the delay in rows, or make times by --sql, as make_timestamp(SECONDS * "
                     "1000000).");
    return TM_E_USAGE;
}

static tm_status take_order(tm_replay_stream *stream, tm_table *table,
                            const tm_replay_options *options, tm_err *err) {
    const tm_column *time = NULL;
    if (options->time == NULL) {
        stream->table = tm__table_ref(table);
        return TM_OK;
    }
    TM_TRY(time_column(table, options->time, &time, err));
    TM_TRY(check_unit(time, options, err));
    return sort_rows(stream, table, time, err);
}

/* ---- when labels are known ---- */

/* Labels come in the order of their rows, so a count says which are known. */
static void fill_known(tm_replay_stream *stream, const tm_replay_options *options) {
    const bool by_time = options->time != NULL && options->delay_us > 0;
    const uint64_t delay = options->delay_rows > 0 ? options->delay_rows : 1;
    const int64_t *const at =
        by_time
            ? tm__table_column(stream->table, tm__table_find(stream->table, options->time))->ints
            : NULL;
    uint64_t n = 0;
    for (uint64_t row = 0; row < stream->n_rows; row++) {
        if (at == NULL) {
            n = row >= delay ? row - delay + 1 : 0;
        }
        while (at != NULL && n < row && at[n] <= at[row] - options->delay_us) {
            n++;
        }
        stream->known[row] = n;
    }
}

/* ---- target ---- */

static bool has_few_integers(const tm_column *column, uint64_t n_rows) {
    int64_t found[MAX_INT_CLASSES];
    uint32_t n = 0;
    for (uint64_t row = 0; row < n_rows; row++) {
        uint32_t i = 0;
        if (column->ints[row] == TM_INT_MISSING) {
            continue;
        }
        while (i < n && found[i] != column->ints[row]) {
            i++;
        }
        if (i == MAX_INT_CLASSES) {
            return false;
        }
        found[i] = column->ints[row];
        n += i == n ? 1 : 0;
    }
    return true;
}

static tm_status find_task(tm_replay_stream *stream, const tm_column *column,
                           const tm_replay_options *options, tm_err *err) {
    const bool is_number = column->type == TM_TYPE_FLOAT || column->type == TM_TYPE_INT;
    if (options->task == TM_TASK_RANKING || (options->task == TM_TASK_REGRESSION && !is_number)) {
        return TM_FAIL(err, TM_E_USAGE, "the target '%s', of %s, cannot be replayed as %s",
                       column->name, tm__type_text(column->type), tm__task_text(options->task));
    }
    stream->is_classes =
        options->task != TM_TASK_NONE
            ? options->task != TM_TASK_REGRESSION
            : column->type != TM_TYPE_FLOAT &&
                  (column->type != TM_TYPE_INT || has_few_integers(column, stream->n_rows));
    return TM_OK;
}

static uint64_t class_bits(const tm_column *column, uint64_t row) {
    return column->codes != NULL  ? column->codes[row]
           : column->ints != NULL ? (uint64_t)column->ints[row]
                                  : tm__f64_bits(column->floats[row]);
}

/* Classes are numbered as they first come, so that what is known of them at a row is a prefix. */
static tm_status fill_classes(tm_replay_stream *stream, const tm_column *column, tm_err *err) {
    uint64_t found[N_OUTPUTS_MAX];
    uint32_t n = 0;
    for (uint64_t row = 0; row < stream->n_rows; row++) {
        uint32_t i = 0;
        if (tm__column_is_missing(column, row)) {
            stream->y[row] = tm__nan();
            continue;
        }
        const uint64_t bits = class_bits(column, row);
        while (i < n && found[i] != bits) {
            i++;
        }
        if (i == N_OUTPUTS_MAX) {
            return TM_FAIL(err, TM_E_DATA, "the target '%s' has more than %u classes", column->name,
                           N_OUTPUTS_MAX);
        }
        found[i] = bits;
        n += i == n ? 1 : 0;
        stream->y[row] = i;
    }
    stream->n_outputs = n > 0 ? n : 1;
    return TM_OK;
}

static tm_status fill_target(tm_replay_stream *stream, const tm_replay_options *options,
                             tm_err *err) {
    uint32_t col = 0;
    TM_TRY(tm__train_find_column(stream->table, options->target, "target", &col, err));
    const tm_column *const column = tm__table_column(stream->table, col);
    TM_TRY(find_task(stream, column, options, err));
    if (stream->is_classes) {
        return fill_classes(stream, column, err);
    }
    stream->n_outputs = 1;
    for (uint64_t row = 0; row < stream->n_rows; row++) {
        const double value = tm__column_is_missing(column, row) ? tm__nan()
                             : column->floats != NULL           ? column->floats[row]
                                                                : (double)column->ints[row];
        stream->y[row] = value - value == 0.0 ? value : tm__nan();
    }
    return TM_OK;
}

/* ---- roles ---- */

static tm_status set_role(tm_replay_stream *stream, const char *name, tm_role role, tm_err *err) {
    const uint32_t col = tm__schema_find(&stream->schema, tm__str(name));
    if (col == UINT32_MAX) {
        (void)TM_FAIL(err, TM_E_USAGE, "there is no column '%s'", name);
        tm__table_hint_column(stream->table, name, err);
        return TM_E_USAGE;
    }
    stream->schema.cols[col].role = role;
    return TM_OK;
}

static tm_status take_roles(tm_replay_stream *stream, const tm_replay_options *options,
                            tm_err *err) {
    TM_TRY(tm__schema_from_table(stream->table, &stream->schema, err));
    for (uint32_t i = 0; i < stream->schema.n_cols; i++) {
        stream->schema.cols[i].is_nullable = true; /* of a later row, nobody knows it before */
    }
    for (uint32_t i = 0; i < options->n_drop; i++) {
        if (strcmp(options->drop[i], options->target) == 0) {
            (void)TM_FAIL(err, TM_E_USAGE, "column '%s' is the target and dropped",
                          options->target);
            tm_err_hint(err, "The target is no feature anyway: take it out of --drop, or name "
                             "another --target.");
            return TM_E_USAGE;
        }
        TM_TRY(set_role(stream, options->drop[i], TM_ROLE_DROPPED, err));
    }
    if (options->time != NULL) {
        TM_TRY(set_role(stream, options->time, TM_ROLE_TIME, err));
    }
    return set_role(stream, options->target, TM_ROLE_TARGET, err);
}

/* ---- all of it ---- */

static uint64_t count_labels(const tm_replay_stream *stream, uint64_t begin, uint64_t end) {
    uint64_t n = 0;
    for (uint64_t row = begin; row < end; row++) {
        n += stream->y[row] == stream->y[row] ? 1 : 0;
    }
    return n;
}

static tm_status check_labels(const tm_replay_stream *stream, const tm_replay_options *options,
                              tm_err *err) {
    tm_status st = TM_OK;
    if (count_labels(stream, stream->first, stream->n_rows) == 0) {
        return TM_FAIL(err, TM_E_DATA, "no row behind the first %llu has a value of '%s'",
                       (unsigned long long)stream->first, options->target);
    }
    if (count_labels(stream, 0, stream->known[stream->first]) == 0) {
        st = TM_FAIL(err, TM_E_DATA, "no label is known yet when row %llu is to be answered",
                     (unsigned long long)stream->first + 1);
        tm_err_hint(err, "Let a larger --first part teach, or labels come sooner with --delay.");
    }
    return st;
}

static tm_status check_options(const tm_table *table, const tm_replay_options *options,
                               tm_err *err) {
    if (options->target == NULL) {
        return TM_FAIL(err, TM_E_USAGE, "a replay wants a target");
    }
    if (!(options->first > 0.0) || !(options->first < 1.0)) {
        return TM_FAIL(err, TM_E_USAGE, "the first part of a replay lies between 0 and 1");
    }
    if (options->delay_us > 0 && options->time == NULL) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "a delay with a unit wants a column of times");
        tm_err_hint(err, "Name it with --time, or say the delay in rows.");
        return st;
    }
    const uint64_t n_rows = tm__table_rows(table);
    if (n_rows < ROWS_MIN || n_rows > UINT32_MAX) {
        const bool is_few = n_rows < ROWS_MIN;
        return TM_FAIL(err, TM_E_DATA, "a replay wants at %s %u rows, not %llu",
                       is_few ? "least" : "most", is_few ? ROWS_MIN : UINT32_MAX,
                       (unsigned long long)n_rows);
    }
    return TM_OK;
}

tm_status tm__replay_stream_init(tm_table *table, const tm_replay_options *options,
                                 tm_replay_stream *out, tm_err *err) {
    memset(out, 0, sizeof(*out));
    TM_TRY(check_options(table, options, err));
    out->n_rows = tm__table_rows(table);
    out->first = (uint64_t)((double)out->n_rows * options->first);
    out->first = out->first > 0 ? out->first : 1;
    out->y = tm__mem_alloc(out->n_rows, sizeof(*out->y));
    out->known = tm__mem_alloc(out->n_rows, sizeof(*out->known));
    out->rows = tm__mem_alloc(out->n_rows, sizeof(*out->rows));
    tm_status st =
        out->y != NULL && out->known != NULL && out->rows != NULL ? TM_OK : no_memory(err);
    for (uint64_t row = 0; st == TM_OK && row < out->n_rows; row++) {
        out->rows[row] = (uint32_t)row;
    }
    if (st == TM_OK) {
        st = take_order(out, table, options, err);
    }
    if (st == TM_OK) {
        st = fill_target(out, options, err);
    }
    if (st == TM_OK) {
        st = take_roles(out, options, err);
    }
    if (st == TM_OK) {
        fill_known(out, options);
        st = check_labels(out, options, err);
    }
    if (st != TM_OK) {
        tm__replay_stream_done(out);
    }
    return st;
}

void tm__replay_stream_done(tm_replay_stream *stream) {
    tm__table_unref(stream->table);
    tm__schema_done(&stream->schema);
    tm__mem_free(stream->y);
    tm__mem_free(stream->known);
    tm__mem_free(stream->rows);
    memset(stream, 0, sizeof(*stream));
}
