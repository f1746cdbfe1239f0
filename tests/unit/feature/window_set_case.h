/* SPDX-License-Identifier: Apache-2.0 */
/* Six flights, and a set of features over them, for tests of window sets. */
#ifndef TM_TESTS_WINDOW_SET_CASE_H
#define TM_TESTS_WINDOW_SET_CASE_H

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "feature/window_set.h"
#include "test.h"

#define HOUR INT64_C(3600000000)

/* Six flights of two airports: when they leave and arrive, and how late (known on arrival). */
enum { N = 6 };
static const char *const from[N] = {"AMS", "AMS", "BRU", "AMS", "AMS", "AMS"};
static const int64_t leaves[N] = {1, 2, 3, 4, 6, 9};
static const int64_t arrives[N] = {3, 5, 4, 5, 8, TM_INT_MISSING};
static const double late[N] = {10, 30, 7, 50, 20, 1};

static inline tm_table *flights(void) {
    static const tm_type types[] = {TM_TYPE_TEXT, TM_TYPE_TIME, TM_TYPE_TIME, TM_TYPE_FLOAT};
    static const char *const names[] = {"from", "leaves", "arrives", "late"};
    tm_table_builder *b = tm__builder_create();
    tm_table *table = NULL;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(tm__builder_add_column(b, names[i], types[i], NULL), TM_OK);
    }
    for (int i = 0; i < N; i++) {
        const bool is_gone = arrives[i] == TM_INT_MISSING;
        const tm_cell cells[] = {
            {.type = TM_TYPE_TEXT, .text = tm__str(from[i])},
            {.type = TM_TYPE_TIME, .i64 = leaves[i] * HOUR},
            {.type = is_gone ? TM_TYPE_NONE : TM_TYPE_TIME, .i64 = is_gone ? 0 : arrives[i] * HOUR},
            {.type = TM_TYPE_FLOAT, .f64 = late[i]}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static inline tm_status make(const char *const *texts, uint32_t n, const char *known,
                             tm_window_set **out, tm_err *err) {
    static const char *const hidden[] = {"late", "arrives"};
    const tm_window_spec spec = {.texts = texts,
                                 .n_texts = n,
                                 .time = "leaves",
                                 .known = &known,
                                 .n_known = known == NULL ? 0 : 1,
                                 .hidden = hidden,
                                 .n_hidden = 2,
                                 .target = "late"};
    return tm__window_set_create(&spec, out, err);
}

static inline tm_status fit(tm_window_set *set, const tm_table *events, tm_err *err) {
    const tm_window_tables tables = {.events = events};
    return tm__window_set_fit(set, &tables, err);
}

static inline tm_status apply(const tm_window_set *set, const tm_table *table, tm_table **out,
                              tm_err *err) {
    const tm_window_tables tables = {.events = table};
    const tm_ctx ctx = {0};
    return tm__window_set_apply(&ctx, set, table, &tables, out, err);
}

static inline void check_column(const tm_table *table, const char *name, const double *wanted) {
    const uint32_t at = tm__table_find(table, name);
    assert_int_not_equal(at, UINT32_MAX);
    const double *const found = tm__table_column(table, at)->floats;
    for (int i = 0; i < N; i++) {
        if (isnan(wanted[i]) ? !isnan(found[i]) : found[i] != wanted[i]) {
            fail_msg("%s of row %d is %g", name, i, found[i]);
        }
    }
}

#endif
