/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a state of windows. Head and check sum are made here, so that the bytes reach the
 * reader's own checks; what it takes must take events, answer, and write what reads back.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "feature/window.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define INPUT_MAX 65536u

static const tm_window_input inputs[] = {{TM_TYPE_FLOAT, 4}, {TM_TYPE_TEXT, 0}, {TM_TYPE_INT, 40}};
static const tm_window_feature features[] = {
    {.fn = TM_WINDOW_LAG, .column = 0, .lag = 2},
    {.fn = TM_WINDOW_MEAN, .column = 0},
    {.fn = TM_WINDOW_STD, .column = 2},
    {.fn = TM_WINDOW_TREND, .column = 0},
    {.fn = TM_WINDOW_TREND, .column = 2, .width_us = 1000},
    {.fn = TM_WINDOW_MAX, .column = 2},
    {.fn = TM_WINDOW_SHARE, .column = 1, .level = 1},
    {.fn = TM_WINDOW_AGE, .column = TM_WINDOW_EVENTS},
    {.fn = TM_WINDOW_DISTINCT, .column = 1, .n_last = 200},
    {.fn = TM_WINDOW_COUNT, .column = 0, .width_us = INT64_MAX},
};
enum { N_FEATURES = sizeof(features) / sizeof(features[0]) };
static const tm_window_plan plan = {3, inputs, N_FEATURES, features, 50};

static void use(tm_window_state *s) {
    double values[N_FEATURES];
    const uint64_t cells[] = {tm__window_cell_f64(2.5), 1, 7};
    const int64_t floor = tm__window_state_floor(s);
    const int64_t moments[] = {floor, floor < INT64_MAX - 60 ? floor + 60 : floor, INT64_MAX};
    for (uint32_t i = 0; i < 3; i++) {
        if (moments[i] != TM_INT_MISSING &&
            tm__window_state_value(s, moments[i], values, NULL) != TM_OK) {
            abort();
        }
    }
    if (tm__window_state_add(s, 5, cells, INT64_MAX, NULL) != TM_OK ||
        tm__window_state_add(s, INT64_MAX, cells, INT64_MAX, NULL) != TM_OK) {
        abort();
    }
    tm_buf out;
    tm_window_state *back = NULL;
    tm__buf_init(&out, 1 << 20);
    tm__window_state_write(s, &plan, &out);
    if (out.failed || tm__window_state_read(&plan, out.data, out.len, &back, NULL) != TM_OK) {
        abort();
    }
    tm__window_state_free(back);
    tm__buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    tm_window_state *s = NULL;
    tm_buf framed;
    if (len > INPUT_MAX) {
        return 0;
    }
    if (tm__window_state_read(&plan, data, len, &s, NULL) == TM_OK) {
        use(s);
    }
    tm__window_state_free(s);
    s = NULL;
    tm__buf_init(&framed, INPUT_MAX + 64);
    (void)tm__buf_append(&framed, "TMWS", 4);
    (void)tm__buf_u32(&framed, 1);
    (void)tm__buf_u64(&framed, tm__window_plan_mark(&plan));
    (void)tm__buf_append(&framed, data, len);
    (void)tm__buf_u32(&framed, tm__crc32c(0, framed.data, framed.len));
    if (tm__window_state_read(&plan, framed.data, framed.len, &s, NULL) == TM_OK) {
        use(s);
    }
    tm__window_state_free(s);
    tm__buf_done(&framed);
    return 0;
}
