/* SPDX-License-Identifier: Apache-2.0 */
#include "flights_case.h"

#include "base/rng.h"
#include "test.h"

#define MINUTE INT64_C(60000000)

static double share(uint64_t key, uint64_t at) {
    return (double)(tm__rng_at(key, at) >> 11) * 0x1p-53;
}

tm_table *flights_case_table(uint64_t first, uint64_t n) {
    static const char *const airports[] = {"AMS", "BRU", "CDG", "DUB", "EDI"};
    static const char *const names[] = {"leaves", "from", "arrives", "delay", "late"};
    static const tm_type types[] = {TM_TYPE_TIME, TM_TYPE_TEXT, TM_TYPE_TIME, TM_TYPE_FLOAT,
                                    TM_TYPE_BOOL};
    const uint64_t key = tm__rng_split(5, "flights", 0).key;
    tm_table_builder *b = tm__builder_create();
    tm_table *table = NULL;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(tm__builder_add_column(b, names[i], types[i], NULL), TM_OK);
    }
    for (uint64_t i = first; i < first + n; i++) {
        const uint64_t from = tm__rng_at(key, 3 * i) % 5;
        const int64_t leaves = INT64_C(1000000000000000) + (int64_t)i * 2 * MINUTE;
        const bool is_bad = share(key + 1, i / 360 * 5 + from) < 0.4;
        const double delay = is_bad ? 60 * share(key, 3 * i + 1) : 18 * share(key, 3 * i + 1);
        const int64_t flown = (int64_t)((60 + 60 * share(key, 3 * i + 2) + delay) * 60e6);
        const tm_cell cells[] = {{.type = TM_TYPE_TIME, .i64 = leaves},
                                 {.type = TM_TYPE_TEXT, .text = tm__str(airports[from])},
                                 {.type = TM_TYPE_TIME, .i64 = leaves + flown},
                                 {.type = TM_TYPE_FLOAT, .f64 = delay},
                                 {.type = TM_TYPE_BOOL, .i64 = delay > 15}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}
