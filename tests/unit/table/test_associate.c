/* SPDX-License-Identifier: Apache-2.0 */
#include "table/associate.h"

#include <math.h>
#include <stdio.h>

#include "base/rng.h"
#include "support.h"
#include "test.h"

#define N 4000u

enum { X, SQUARE, NOISE, GROUP, SAME_GROUP, RANDOM_GROUP, CONSTANT, HALF, MANY, N_COLS };

/* x rises; its square too; a group by x; the same under other names; and what is chance. */
static tm_table *make_table(void) {
    static const char *const names[] = {"x",      "square",   "noise", "group", "same",
                                        "random", "constant", "half",  "many"};
    static const tm_type types[] = {TM_TYPE_INT,  TM_TYPE_FLOAT, TM_TYPE_FLOAT,
                                    TM_TYPE_TEXT, TM_TYPE_TEXT,  TM_TYPE_TEXT,
                                    TM_TYPE_INT,  TM_TYPE_INT,   TM_TYPE_TEXT};
    tm_table_builder *const b = tm__builder_create();
    tm_table *table = NULL;
    tm_rng rng = tm__rng_split(1, "pairs", 0);
    for (uint32_t i = 0; i < N_COLS; i++) {
        assert_int_equal(tm__builder_add_column(b, names[i], types[i], NULL), TM_OK);
    }
    for (uint32_t row = 0; row < N; row++) {
        char many[16];
        const int len = snprintf(many, sizeof(many), "%u", row % 1900);
        const tm_str group = row < N / 2 ? TM_STR("low") : TM_STR("high");
        const tm_str same = row < N / 2 ? TM_STR("0") : TM_STR("1");
        const tm_str chance = tm__rng_below(&rng, 2) == 0 ? TM_STR("a") : TM_STR("b");
        const tm_cell cells[N_COLS] = {
            {.type = TM_TYPE_INT, .i64 = row},
            {.type = TM_TYPE_FLOAT, .f64 = -(double)row * row},
            {.type = TM_TYPE_FLOAT, .f64 = tm__rng_f64(&rng)},
            {.type = TM_TYPE_TEXT, .text = group},
            {.type = TM_TYPE_TEXT, .text = same},
            {.type = TM_TYPE_TEXT, .text = chance},
            {.type = TM_TYPE_INT, .i64 = 7},
            {.type = row % 2 == 0 ? TM_TYPE_NONE : TM_TYPE_INT, .i64 = row},
            {.type = TM_TYPE_TEXT, .text = {many, (size_t)len}},
        };
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static void pairs_have_their_measures_and_values(void **state) {
    (void)state;
    const struct {
        uint32_t a, b;
        tm_measure measure;
        double low, high;
    } cases[] = {
        {X, X, TM_MEASURE_RANK, 1, 1},
        {X, SQUARE, TM_MEASURE_RANK, -1, -1},
        {X, NOISE, TM_MEASURE_RANK, -0.06, 0.06},
        {X, GROUP, TM_MEASURE_RATIO, 0.86, 0.87}, /* sqrt(3) / 2 */
        {GROUP, SQUARE, TM_MEASURE_RATIO, 0.86, 0.87},
        {GROUP, SAME_GROUP, TM_MEASURE_CRAMER, 0.999, 1},
        {GROUP, RANDOM_GROUP, TM_MEASURE_CRAMER, 0, 0.06},
        {RANDOM_GROUP, NOISE, TM_MEASURE_RATIO, 0, 0.06},
        {X, CONSTANT, TM_MEASURE_NONE, 0, 0},
        {X, HALF, TM_MEASURE_RANK, 1, 1},
        {X, MANY, TM_MEASURE_NONE, 0, 0},
    };
    tm_table *const table = make_table();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_facet a, b;
        tm_association found;
        assert_true(tm__facet_init(&a, table, cases[i].a, false));
        assert_true(tm__facet_init(&b, table, cases[i].b, false));
        assert_true(tm__associate(&a, &b, &found));
        if (found.measure != cases[i].measure) {
            print_error("case %zu: %s\n", i, tm__measure_text(found.measure));
        }
        assert_int_equal(found.measure, cases[i].measure);
        if (found.measure == TM_MEASURE_NONE) {
            assert_true(isnan(found.value));
        } else {
            assert_true(found.value >= cases[i].low - 1e-12 &&
                        found.value <= cases[i].high + 1e-12);
            assert_true(found.n == (cases[i].b == HALF ? N / 2 : N));
        }
        tm__facet_done(&a);
        tm__facet_done(&b);
    }
    tm__table_unref(table);
}

static bool associate_all(void *arg) {
    const tm_table *const table = arg;
    bool ok = true;
    for (uint32_t col = 0; ok && col < 4; col++) {
        tm_facet a = {0}, b = {0};
        tm_association found;
        ok = tm__facet_init(&a, table, col, false) && tm__facet_init(&b, table, GROUP, false) &&
             tm__associate(&a, &b, &found);
        tm__facet_done(&a);
        tm__facet_done(&b);
    }
    return ok;
}

static void running_out_of_memory_is_told(void **state) {
    (void)state;
    tm_table *const table = make_table();
    test_each_mem_fault(associate_all, table);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_have_their_measures_and_values),
        cmocka_unit_test(running_out_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
