/* SPDX-License-Identifier: Apache-2.0 */
#include "replay_case.h"

#include "test.h"

/* Column x tells the label y, which is turned over in each block by a coin. */
tm_table *replay_case_table(const replay_made *how) {
    tm_table *table = NULL;
    tm_table_builder *const builder = tm__builder_create();
    uint64_t bits = 88172645463325252u;
    double level = 0.0;
    assert_int_equal(tm__builder_add_column(builder, "t", TM_TYPE_TIME, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "x", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(
        tm__builder_add_column(builder, "y", how->is_value ? TM_TYPE_FLOAT : TM_TYPE_INT, NULL),
        TM_OK);
    const uint64_t n_rows = how->n_rows > 0 ? how->n_rows : REPLAY_ROWS;
    for (uint64_t i = 0; i < n_rows; i++) {
        const uint64_t row = how->is_reversed ? n_rows - 1 - i : i;
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        const int64_t x = (int64_t)(bits >> 40 & 1);
        const int64_t secret =
            how->is_secret ? (int64_t)(0x5a36c9u >> (row / REPLAY_BLOCK) & 1) : 0;
        tm_cell cells[3] = {
            {.type = TM_TYPE_TIME, .i64 = (int64_t)row * 1000000},
            {.type = TM_TYPE_FLOAT, .f64 = (double)x + (double)(bits >> 50 & 15) * 0.01},
            {.type = how->is_value ? TM_TYPE_FLOAT : TM_TYPE_INT,
             .i64 = x ^ secret,
             .f64 = (double)(x ^ secret) * 3.0},
        };
        level += (double)(bits >> 30 & 1023) / 512.0 - 1.0;
        cells[2].f64 = how->is_walk ? level : cells[2].f64;
        if (how->n_unlabelled_from > 0 && i >= how->n_unlabelled_from) {
            cells[2].type = TM_TYPE_NONE;
        }
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

void replay_case_stream(const replay_made *how, uint64_t delay, tm_replay_stream *out) {
    const char *const t[] = {"t"};
    const tm_replay_options options = {
        .target = "y", .first = 0.2, .delay_rows = delay, .drop = t, .n_drop = 1};
    tm_table *const table = replay_case_table(how);
    assert_int_equal(tm__replay_stream_init(table, &options, out, NULL), TM_OK);
    tm__table_unref(table);
}
