/* SPDX-License-Identifier: Apache-2.0 */
#include "table/sketch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "support.h"
#include "test.h"

static void add_number(tm_sketch *s, double value) {
    char text[64];
    const tm_sketch_cell cell = {
        .text = {text, tm__f64_to_text(value, text)}, .f64 = value, .has_number = true};
    assert_true(tm__sketch_add(s, &cell));
}

static void add_text(tm_sketch *s, const char *text) {
    const tm_sketch_cell cell = {.text = tm__str(text)};
    assert_true(tm__sketch_add(s, &cell));
}

static void nothing_and_only_missing_have_no_numbers(void **state) {
    (void)state;
    tm_sketch *const s = tm__sketch_create();
    for (uint64_t n = 0; n < 6; n += 5) {
        tm_sketch_counts counts;
        tm_sketch_range range;
        double quantiles[3];
        uint64_t ranks[2];
        bool is_exact = false;
        tm_sketch_item item;
        tm__sketch_add_missing(s, n);
        tm__sketch_counts(s, &counts);
        assert_true(counts.n_rows == n && counts.n_missing == n && counts.n_numbers == 0);
        tm__sketch_range(s, TM_READ_NUMBERS, &range);
        assert_true(range.n == 0 && isnan(range.min) && isnan(range.mean) && isnan(range.spread));
        assert_true(tm__sketch_quantiles(s, TM_READ_TIMES, (double[]){0, 0.5, 1}, 3, quantiles));
        assert_true(isnan(quantiles[0]) && isnan(quantiles[1]) && isnan(quantiles[2]));
        assert_true(tm__sketch_ranks(s, TM_READ_NUMBERS, (double[]){0, 1}, 2, ranks));
        assert_true(ranks[0] == 0 && ranks[1] == 0);
        assert_true(tm__sketch_distinct(s, TM_READ_TEXTS, &is_exact) == 0 && is_exact);
        assert_int_equal(tm__sketch_top(s, &item, 1), 0);
    }
    tm__sketch_free(s);
}

static void moments_are_exact(void **state) {
    (void)state;
    const struct {
        const char *name;
        double values[6];
        uint32_t n;
        double mean, spread;
    } cases[] = {
        {"constant", {0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, 6, 0.1, 0},
        {"far from zero", {1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4}, 4, 1e9 + 2.5, 1.2909944487358056},
        {"further", {1e15 + 1, 1e15 + 3}, 2, 1e15 + 2, 1.4142135623730951},
        {"one", {-7}, 1, -7, NAN},
        {"cancel", {1e300, -1e300, 3}, 3, 1, NAN},
        {"tiny", {5e-324, 5e-324}, 2, 5e-324, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_sketch *const s = tm__sketch_create();
        tm_sketch_range range;
        for (uint32_t k = 0; k < cases[i].n; k++) {
            add_number(s, cases[i].values[k]);
        }
        tm__sketch_range(s, TM_READ_NUMBERS, &range);
        if (range.mean != cases[i].mean) {
            print_error("%s: mean %.17g\n", cases[i].name, range.mean);
        }
        assert_true(range.mean == cases[i].mean);
        if (isnan(cases[i].spread)) {
            assert_true(isnan(range.spread));
        } else {
            assert_true(fabs(range.spread - cases[i].spread) <= cases[i].spread * 1e-15);
        }
        tm__sketch_free(s);
    }
}

static void infinities_are_counted_apart(void **state) {
    (void)state;
    tm_sketch *const s = tm__sketch_create();
    tm_sketch_counts counts;
    tm_sketch_range range;
    add_number(s, INFINITY);
    add_number(s, -INFINITY);
    add_number(s, -INFINITY);
    add_number(s, 2);
    tm__sketch_counts(s, &counts);
    tm__sketch_range(s, TM_READ_NUMBERS, &range);
    assert_true(counts.n_infinite_high == 1 && counts.n_infinite_low == 2);
    assert_true(counts.n_numbers == 4 && range.n == 1);
    assert_true(range.min == 2 && range.max == 2 && range.mean == 2);
    tm__sketch_free(s);
}

static void extreme_ints_stay_exact(void **state) {
    (void)state;
    const int64_t ints[] = {INT64_MAX, INT64_MAX - 1, INT64_MIN + 1, TM_INT_MISSING, 0};
    tm_column column = {.name = "x", .type = TM_TYPE_INT, .ints = ints};
    tm_sketch *const s = tm__sketch_create();
    tm_sketch_range range;
    tm_sketch_counts counts;
    bool is_exact = false;
    assert_true(tm__sketch_add_column(s, &column, 0, 5));
    tm__sketch_range(s, TM_READ_NUMBERS, &range);
    tm__sketch_counts(s, &counts);
    assert_true(range.is_int && range.int_min == INT64_MIN + 1 && range.int_max == INT64_MAX);
    assert_true(counts.n_missing == 1 && counts.n_ints == 4);
    assert_true(tm__sketch_distinct(s, TM_READ_NUMBERS, &is_exact) == 4);
    tm_sketch_item items[5];
    assert_int_equal(tm__sketch_top(s, items, 5), 4);
    assert_true(tm__str_is(items[0].text, "-9223372036854775807"));
    assert_true(tm__str_is(items[1].text, "0"));
    assert_true(tm__str_is(items[3].text, "9223372036854775807"));
    tm__sketch_free(s);
}

static void texts_have_lengths_and_patterns(void **state) {
    (void)state;
    const struct {
        const char *text;
        tm_sketch_pattern want;
    } cases[] = {
        {"ann@example.org", TM_PATTERN_EMAIL},
        {"@", TM_PATTERN_WORD},
        {"https://example.org/x", TM_PATTERN_URL},
        {"A-1029", TM_PATTERN_CODE},
        {"550e8400-e29b-41d4-a716-446655440000", TM_PATTERN_CODE},
        {"deadbeefdeadbeef0", TM_PATTERN_CODE},
        {"Utrecht", TM_PATTERN_WORD},
        {"two words", TM_PATTERN_WORDS},
        {"Zürich", TM_PATTERN_WORD},
        {"", TM_PATTERN_WORD},
        {"B2", TM_PATTERN_WORD},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_sketch *const s = tm__sketch_create();
        tm_sketch_counts counts;
        add_text(s, cases[i].text);
        tm__sketch_counts(s, &counts);
        if (counts.patterns[cases[i].want] != 1) {
            print_error("'%s' is not %s\n", cases[i].text, tm__sketch_pattern_text(cases[i].want));
        }
        assert_true(counts.patterns[cases[i].want] == 1);
        tm__sketch_free(s);
    }
    tm_sketch *const s = tm__sketch_create();
    tm_sketch_counts counts;
    add_text(s, "Zürich");
    add_text(s, "Ulm");
    tm__sketch_counts(s, &counts);
    assert_true(counts.chars_min == 3 && counts.chars_max == 6 && counts.chars_mean == 4.5);
    tm__sketch_free(s);
}

#define N_ROWS 20000u

/* One column of everything there is, whole and cut, must say the same within the bounds. */
static tm_table *make_table(uint64_t seed) {
    tm_table_builder *const b = tm__builder_create();
    tm_table *table = NULL;
    tm_err err = {0};
    tm_rng rng = tm__rng_split(seed, "sketch", 0);
    assert_int_equal(tm__builder_add_column(b, "x", TM_TYPE_FLOAT, &err), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "n", TM_TYPE_INT, &err), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "t", TM_TYPE_TEXT, &err), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "d", TM_TYPE_TIME, &err), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "b", TM_TYPE_BOOL, &err), TM_OK);
    for (uint32_t row = 0; row < N_ROWS; row++) {
        char text[32];
        const uint64_t r = tm__rng_below(&rng, 1000);
        const int len = snprintf(text, sizeof(text), "level %u",
                                 (unsigned)(r < 500 ? r % 4 : tm__rng_below(&rng, 3000)));
        const double u = tm__rng_f64(&rng);
        const tm_cell cells[] = {
            r < 20 ? (tm_cell){.type = TM_TYPE_NONE}
                   : (tm_cell){.type = TM_TYPE_FLOAT, .f64 = r == 30 ? INFINITY : 1 / (u + 1e-3)},
            {.type = TM_TYPE_INT, .i64 = (int64_t)row * 3 - 10000},
            {.type = r > 990 ? TM_TYPE_NONE : TM_TYPE_TEXT, .text = {text, (size_t)len}},
            {.type = TM_TYPE_TIME, .i64 = INT64_C(1700000000000000) + (int64_t)(u * 1e12)},
            {.type = TM_TYPE_BOOL, .i64 = r % 3 == 0},
        };
        assert_int_equal(tm__builder_add_row(b, cells, &err), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, &err), TM_OK);
    return table;
}

/* The bits of a double: NaN is equal to itself. */
static void expect_double(double a, double b) {
    assert_memory_equal(&a, &b, sizeof(a));
}

/* Member by member: what lies between them may differ. */
static void expect_counts(const tm_sketch_counts *x, const tm_sketch_counts *y) {
    assert_int_equal(x->n_rows, y->n_rows);
    assert_int_equal(x->n_missing, y->n_missing);
    assert_int_equal(x->n_marks, y->n_marks);
    assert_int_equal(x->n_numbers, y->n_numbers);
    assert_int_equal(x->n_ints, y->n_ints);
    assert_int_equal(x->n_times, y->n_times);
    assert_int_equal(x->n_bools, y->n_bools);
    assert_int_equal(x->n_trues, y->n_trues);
    assert_int_equal(x->n_infinite_low, y->n_infinite_low);
    assert_int_equal(x->n_infinite_high, y->n_infinite_high);
    assert_memory_equal(x->patterns, y->patterns, sizeof(x->patterns));
    assert_int_equal(x->chars_min, y->chars_min);
    assert_int_equal(x->chars_max, y->chars_max);
    expect_double(x->chars_mean, y->chars_mean);
    assert_int_equal(x->evidence, y->evidence);
}

static void expect_range(const tm_sketch_range *p, const tm_sketch_range *q) {
    assert_int_equal(p->n, q->n);
    assert_int_equal(p->is_int, q->is_int);
    assert_int_equal(p->int_min, q->int_min);
    assert_int_equal(p->int_max, q->int_max);
    expect_double(p->min, q->min);
    expect_double(p->max, q->max);
    expect_double(p->mean, q->mean);
    expect_double(p->spread, q->spread);
}

static void compare(const tm_sketch *a, const tm_sketch *b, tm_sketch_reading reading) {
    tm_sketch_counts x, y;
    tm_sketch_range p, q;
    bool is_exact = false;
    tm__sketch_counts(a, &x);
    tm__sketch_counts(b, &y);
    expect_counts(&x, &y);
    tm__sketch_range(a, reading, &p);
    tm__sketch_range(b, reading, &q);
    expect_range(&p, &q);
    assert_true(tm__sketch_distinct(a, reading, &is_exact) ==
                tm__sketch_distinct(b, reading, &is_exact));
    if (p.n == 0) {
        return;
    }
    double at[9];
    uint64_t ranks[9];
    const double shares[] = {0.01, 0.05, 0.25, 0.4, 0.5, 0.6, 0.75, 0.95, 0.99};
    assert_true(tm__sketch_quantiles(a, reading, shares, 9, at));
    assert_true(tm__sketch_ranks(b, reading, at, 9, ranks));
    for (uint32_t i = 0; i < 9; i++) {
        /* two sketches of a part below 2 % of each other; a value of many rows jumps */
        const double rank = (double)ranks[i] / (double)p.n;
        assert_true(x.n_bools > 0 || fabs(rank - shares[i]) < 0.02);
    }
}

static size_t size_of(const tm_sketch *s) {
    tm_buf bytes;
    tm__buf_init(&bytes, SIZE_MAX / 2);
    tm__sketch_write(s, &bytes);
    const size_t len = bytes.len;
    tm__buf_done(&bytes);
    return len;
}

static void a_merge_in_any_order_and_cut_says_the_same(void **state) {
    (void)state;
    tm_table *const table = make_table(4);
    const tm_sketch_reading readings[] = {TM_READ_NUMBERS, TM_READ_NUMBERS, TM_READ_TEXTS,
                                          TM_READ_TIMES, TM_READ_TEXTS};
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        const tm_column *const column = tm__table_column(table, col);
        tm_sketch *const whole = tm__sketch_create();
        assert_true(tm__sketch_add_column(whole, column, 0, N_ROWS));
        for (uint32_t n_parts = 2; n_parts < 40; n_parts += 12) {
            tm_sketch *const merged = tm__sketch_create();
            tm_sketch *const part = tm__sketch_create();
            for (uint32_t i = 0; i < n_parts; i++) {
                const uint32_t p = n_parts - 1 - i; /* the last part first */
                tm__sketch_reset(part);
                assert_true(tm__sketch_add_column(part, column, (uint64_t)N_ROWS * p / n_parts,
                                                  (uint64_t)N_ROWS * (p + 1) / n_parts));
                assert_true(tm__sketch_merge(merged, part));
            }
            compare(whole, merged, readings[col]);
            assert_true(size_of(merged) < 200 * 1024);
            tm__sketch_free(merged);
            tm__sketch_free(part);
        }
        tm__sketch_free(whole);
    }
    tm__table_unref(table);
}

typedef struct faulted {
    const tm_table *table;
} faulted;

static bool sketch_all(void *arg) {
    const faulted *const f = arg;
    tm_sketch *const a = tm__sketch_create();
    tm_sketch *const b = tm__sketch_create();
    bool ok = a != NULL && b != NULL;
    for (uint32_t col = 0; ok && col < tm__table_cols(f->table); col++) {
        ok = tm__sketch_add_column(a, tm__table_column(f->table, col), 0, 1500) &&
             tm__sketch_merge(b, a) && tm__sketch_merge(b, a);
    }
    double median = 0;
    ok = ok && tm__sketch_quantiles(b, TM_READ_NUMBERS, (double[]){0.5}, 1, &median);
    tm__sketch_free(a);
    tm__sketch_free(b);
    return ok;
}

static void running_out_of_memory_is_told(void **state) {
    (void)state;
    tm_table *const table = make_table(5);
    faulted f = {table};
    test_each_mem_fault(sketch_all, &f);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_and_only_missing_have_no_numbers),
        cmocka_unit_test(moments_are_exact),
        cmocka_unit_test(infinities_are_counted_apart),
        cmocka_unit_test(extreme_ints_stay_exact),
        cmocka_unit_test(texts_have_lengths_and_patterns),
        cmocka_unit_test(a_merge_in_any_order_and_cut_says_the_same),
        cmocka_unit_test(running_out_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
