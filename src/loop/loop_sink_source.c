/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a source of the home. The state holds the place of the next row: {"next", "missed"}; rows
 * that were removed before they were read are counted as missed. A run takes the rows that were
 * there when it began, so that it ends while others push.
 */
#include "base/mem.h"
#include "loop/loop_sink_priv.h"

typedef struct source_input {
    tm_sink_run *run;
    tm_source_rows *rows;
    uint64_t end; /* of this run */
} source_input;

static tm_status plan_next(void *self, json_t *plan, bool *out_has, tm_err *err) {
    source_input *input = self;
    tm_source_extent extent = {0};
    const json_t *state = input->run->ahead;
    uint64_t next = (uint64_t)tm__json_i64(state, "next", 0);
    uint64_t n_missed = 0;
    TM_TRY(tm__source_rows_extent(input->rows, &extent, err));
    if (next < extent.first) {
        n_missed = extent.first - next;
        next = extent.first;
    }
    const uint64_t n_left = input->end > next ? input->end - next : 0;
    const uint64_t n = n_left < input->run->batch_rows ? n_left : input->run->batch_rows;
    json_object_set_new(plan, "first", json_integer((json_int_t)next));
    json_object_set_new(plan, "rows", json_integer((json_int_t)n));
    json_object_set_new(plan, "missed", json_integer((json_int_t)n_missed));
    *out_has = n > 0;
    return TM_OK;
}

static tm_status read_rows(void *self, const json_t *plan, tm_table **out, tm_err *err) {
    source_input *input = self;
    return tm__source_rows_read(input->run->ctx, input->rows,
                                (uint64_t)tm__json_i64(plan, "first", 0),
                                (uint64_t)tm__json_i64(plan, "rows", 0), out, err);
}

static tm_status note_done(void *self, const json_t *plan, json_t *state, tm_err *err) {
    (void)self;
    (void)err;
    const json_int_t next = tm__json_i64(plan, "first", 0) + tm__json_i64(plan, "rows", 0);
    const json_int_t missed = tm__json_i64(state, "missed", 0) + tm__json_i64(plan, "missed", 0);
    json_object_set_new(state, "next", json_integer(next));
    json_object_set_new(state, "missed", json_integer(missed));
    return TM_OK;
}

static tm_status finish(void *self, json_t *state, tm_err *err) {
    (void)self;
    (void)state;
    (void)err;
    return TM_OK;
}

static tm_status clean(void *self, tm_err *err) {
    (void)self;
    (void)err;
    return TM_OK;
}

static void close_input(void *self) {
    source_input *input = self;
    if (input != NULL) {
        tm__source_rows_close(input->rows);
        tm__mem_free(input);
    }
}

/* The keys of the source name its rows when the sink says nothing else. */
static tm_status take_keys(tm_sink_run *run, const json_t *keys, tm_err *err) {
    const size_t n = json_array_size(keys);
    if (run->n_keys > 0 || n == 0) {
        return TM_OK;
    }
    const char **names = tm__mem_zalloc(n, sizeof(*names));
    if (names == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a sink");
    }
    for (size_t i = 0; i < n; i++) {
        names[i] = json_string_value(json_array_get(keys, i));
    }
    tm__mem_free((void *)(uintptr_t)run->keys);
    run->keys = names;
    run->n_keys = (uint32_t)n;
    return TM_OK;
}

tm_status tm__sink_source_open(tm_sink_run *run, tm_sink_input *out, tm_err *err) {
    tm_source_extent extent = {0};
    source_input *input = tm__mem_zalloc(1, sizeof(*input));
    if (input == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a sink");
    }
    input->run = run;
    tm_status st = tm__source_rows_open(run->home, tm__json_text(run->row.spec, "read", ""),
                                        &input->rows, err);
    st = st == TM_OK ? tm__source_rows_extent(input->rows, &extent, err) : st;
    st = st == TM_OK ? take_keys(run, extent.keys, err) : st;
    if (st != TM_OK) {
        close_input(input);
        return st;
    }
    input->end = extent.end;
    *out = (tm_sink_input){.plan = plan_next,
                           .read = read_rows,
                           .done = note_done,
                           .finish = finish,
                           .clean = clean,
                           .close = close_input,
                           .self = input};
    return TM_OK;
}
