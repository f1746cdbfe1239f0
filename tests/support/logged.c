/* SPDX-License-Identifier: Apache-2.0 */
#include "logged.h"

#include <string.h>

#include "base/limits.h"
#include "test.h"

#define COLUMNS_MAX 16

static tm_cell cell_of(const json_t *value) {
    if (json_is_boolean(value)) {
        return (tm_cell){.type = TM_TYPE_BOOL, .i64 = json_is_true(value)};
    }
    if (json_is_integer(value)) {
        return (tm_cell){.type = TM_TYPE_INT, .i64 = json_integer_value(value)};
    }
    if (json_is_real(value)) {
        return (tm_cell){.type = TM_TYPE_FLOAT, .f64 = json_real_value(value)};
    }
    if (json_is_string(value)) {
        return (tm_cell){.type = TM_TYPE_TEXT, .text = tm__str(json_string_value(value))};
    }
    return (tm_cell){.type = TM_TYPE_NONE};
}

bool tm__logged_answer(tm_monitor *monitor, const tm_logged *logged) {
    json_t *row = NULL, *value = NULL;
    const char *names[COLUMNS_MAX], *name = NULL;
    tm_cell cells[COLUMNS_MAX];
    tm_stream *stream = NULL;
    tm_answer answer = {.event_us = logged->event_us,
                        .entity = {logged->entity, 0},
                        .cells = cells,
                        .outputs = logged->outputs,
                        .n_outputs = logged->n_outputs};
    answer.entity.len = logged->entity == NULL ? 0 : strlen(logged->entity);
    (void)tm__str_copy(answer.id, sizeof(answer.id), tm__str(logged->id));
    assert_int_equal(
        tm__json_parse(logged->row, strlen(logged->row), TM_MAX_JSON_DEPTH, &row, NULL), TM_OK);
    json_object_foreach(row, name, value) {
        assert_true(answer.n_cells < COLUMNS_MAX);
        names[answer.n_cells] = name;
        cells[answer.n_cells++] = cell_of(value);
    }
    const tm_stream_spec spec = {.route = logged->model,
                                 .model = logged->model,
                                 .version = logged->version,
                                 .columns = names,
                                 .n_columns = answer.n_cells};
    assert_int_equal(tm__monitor_stream(monitor, &spec, &stream, NULL), TM_OK);
    tm_buf bytes;
    tm__buf_init(&bytes, 1u << 20);
    assert_true(tm__answer_append(&answer, &bytes));
    const tm_answers answers = {
        .bytes = &bytes, .at_us = logged->at_us, .latency_us = logged->latency_us};
    uint32_t n_dropped = 0;
    assert_int_equal(tm__monitor_answers(monitor, stream, &answers, &n_dropped, NULL), TM_OK);
    tm__buf_done(&bytes);
    json_decref(row);
    return n_dropped == 0;
}
