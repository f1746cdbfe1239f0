/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

/* A table of one text column of n_levels keys at random, and a target at random. */
static void chance_init(fit_case *c, uint64_t n_rows, uint64_t n_levels, uint64_t seed) {
    memset(c, 0, sizeof(*c));
    tm_table_builder *builder = tm__builder_create();
    assert_int_equal(tm__builder_add_column(builder, "key", TM_TYPE_TEXT, NULL), TM_OK);
    c->y = tm__mem_alloc(n_rows, sizeof(double));
    c->rows = tm__mem_alloc(n_rows, sizeof(uint32_t));
    c->n_rows = n_rows;
    tm_rng rng = tm__rng_split(seed, "chance", 0);
    for (uint64_t i = 0; i < n_rows; i++) {
        char text[32];
        snprintf(text, sizeof(text), "k%u", (unsigned)tm__rng_below(&rng, n_levels));
        const tm_cell cell = {.type = TM_TYPE_TEXT, .text = tm__str(text)};
        assert_int_equal(tm__builder_add_row(builder, &cell, NULL), TM_OK);
        c->y[i] = (double)tm__rng_below(&rng, 2);
        c->rows[i] = (uint32_t)i;
    }
    assert_int_equal(tm__builder_finish(builder, &c->table, NULL), TM_OK);
    assert_int_equal(tm__schema_from_table(c->table, &c->schema, NULL), TM_OK);
    c->options = (tm_program_options){.task = TM_TASK_BINARY, .n_classes = 2, .seed = seed};
}

static double correlation(const double *a, const double *b, uint64_t n) {
    double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
    for (uint64_t i = 0; i < n; i++) {
        sa += a[i];
        sb += b[i];
        saa += a[i] * a[i];
        sbb += b[i] * b[i];
        sab += a[i] * b[i];
    }
    const double m = (double)n;
    return (sab - sa * sb / m) / sqrt((saa - sa * sa / m) * (sbb - sb * sb / m));
}

static const tm_level_means kinds[] = {TM_MEANS_HELD_OUT, TM_MEANS_ORDERED};

static void the_mean_of_a_fitted_row_knows_nothing_of_its_target(void **state) {
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        fit_case c;
        chance_init(&c, 4000, 900, 1); /* between 4 and 5 rows a level */
        c.options.level_means = kinds[kind];
        assert_int_equal(case_fit(&c, NULL), TM_OK);
        const uint32_t mean = case_feature(c.program, "key.mean");
        assert_int_not_equal(mean, UINT32_MAX);
        const tm_view *held = tm__matrix_view(c.matrix);
        assert_true(fabs(correlation(held->cols[mean], c.y, c.n_rows)) < 0.05);
        tm_matrix *matrix = NULL; /* not held out it would be a leak: the test can see one */
        assert_int_equal(tm__program_apply(&c.ctx, c.program, c.table, NULL, 0, &matrix, NULL),
                         TM_OK);
        assert_true(correlation(tm__matrix_view(matrix)->cols[mean], c.y, c.n_rows) > 0.3);
        tm__matrix_free(matrix);
        case_done(&c);
    }
}

/* Changing the target of one row must not move a bit of that row's features. */
static void a_row_s_own_target_is_not_in_its_features(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 8; i++) {
        const uint64_t row = i / 2 * 13;
        fit_case a, b;
        chance_init(&a, 2000, 500, 2);
        chance_init(&b, 2000, 500, 2);
        a.options.level_means = b.options.level_means = kinds[i % 2];
        b.y[row] = 1 - b.y[row];
        assert_int_equal(case_fit(&a, NULL), TM_OK);
        assert_int_equal(case_fit(&b, NULL), TM_OK);
        const tm_view *x = tm__matrix_view(a.matrix), *z = tm__matrix_view(b.matrix);
        for (uint32_t f = 0; f < x->n_cols; f++)
            assert_int_equal(case_bits(x->cols[f][row]), case_bits(z->cols[f][row]));
        case_done(&a);
        case_done(&b);
    }
}

/* The rows that come before row i: those with a smaller hash. */
static bool comes_before(const fit_case *c, uint64_t j, uint64_t i) {
    const uint64_t key = tm__rng_split(c->options.seed, "feature order", 0).key;
    const uint64_t a = tm__rng_at(key, c->rows[j]), b = tm__rng_at(key, c->rows[i]);
    return a < b || (a == b && j < i);
}

static void an_ordered_mean_is_that_of_the_rows_before(void **state) {
    (void)state;
    fit_case c;
    chance_init(&c, 1500, 300, 4);
    c.options.level_means = TM_MEANS_ORDERED;
    for (uint64_t i = 0; i < c.n_rows; i++) /* rows are not positions */
        c.rows[i] = (uint32_t)(c.n_rows - 1 - i);
    c.n_rows = 1300;
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    const uint32_t mean = case_feature(c.program, "key.mean");
    const tm_view *x = tm__matrix_view(c.matrix);
    const uint32_t *codes = tm__table_column(c.table, 0)->codes;
    uint32_t counts[300] = {0}; /* levels seen too rarely share one */
    for (uint64_t i = 0; i < c.n_rows; i++)
        counts[codes[c.rows[i]]]++;
    for (uint64_t i = 0; i < c.n_rows; i++) {
        double sum = 0, n = 0, all = 0, n_all = 0;
        const uint32_t code = codes[c.rows[i]];
        for (uint64_t j = 0; j < c.n_rows; j++) {
            if (!comes_before(&c, j, i))
                continue;
            const uint32_t other = codes[c.rows[j]];
            const bool same = code == other || (counts[code] < 3 && counts[other] < 3);
            sum += same ? c.y[c.rows[j]] : 0;
            n += same;
            all += c.y[c.rows[j]];
            n_all++;
        }
        const double prior = n_all > 0 ? all / n_all : 0;
        assert_true(x->cols[mean][i] == (sum + 10 * prior) / (n + 10));
    }
    case_done(&c);
}

/* Targets of classes add up without rounding: in any order the mean of all rows is one number. */
static void new_rows_get_the_mean_of_all_rows(void **state) {
    (void)state;
    fit_case cases[2];
    tm_matrix *matrices[2];
    for (size_t i = 0; i < 2; i++) {
        chance_init(&cases[i], 2000, 300, 5);
        cases[i].options.level_means = kinds[i];
        assert_int_equal(case_fit(&cases[i], NULL), TM_OK);
        assert_int_equal(tm__program_apply(&cases[i].ctx, cases[i].program, cases[i].table, NULL, 0,
                                           &matrices[i], NULL),
                         TM_OK);
    }
    assert_views_equal(tm__matrix_view(matrices[0]), tm__matrix_view(matrices[1]));
    for (size_t i = 0; i < 2; i++) {
        tm__matrix_free(matrices[i]);
        case_done(&cases[i]);
    }
}

static void ordered_means_are_the_same_on_any_threads(void **state) {
    (void)state;
    fit_case cases[2];
    for (uint32_t i = 0; i < 2; i++) {
        case_init(&cases[i], TM_TASK_MULTICLASS, 6000);
        cases[i].options.level_means = TM_MEANS_ORDERED;
        cases[i].ctx.pool = tm__pool_create(i == 0 ? 1 : 3);
        assert_int_equal(case_fit(&cases[i], NULL), TM_OK);
        assert_int_not_equal(case_feature(cases[i].program, "city.mean.0"), UINT32_MAX);
    }
    assert_views_equal(tm__matrix_view(cases[0].matrix), tm__matrix_view(cases[1].matrix));
    for (uint32_t i = 0; i < 2; i++) {
        tm__pool_free(cases[i].ctx.pool);
        case_done(&cases[i]);
    }
}

static void a_count_leaves_out_its_own_row(void **state) {
    (void)state;
    fit_case c;
    chance_init(&c, 3000, 600, 3);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    const uint32_t count = case_feature(c.program, "key.count");
    const uint32_t *codes = tm__table_column(c.table, 0)->codes;
    for (uint64_t i = 0; i < 50; i++) {
        uint32_t n = 0;
        for (uint64_t j = 0; j < c.n_rows; j++)
            n += codes[j] == codes[i];
        const double want = n - 1 >= 3 ? log1p(n - 1) : 0;
        assert_true(fabs(tm__matrix_view(c.matrix)->cols[count][i] - want) < 1e-12);
    }
    case_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_of_a_fitted_row_knows_nothing_of_its_target),
        cmocka_unit_test(a_row_s_own_target_is_not_in_its_features),
        cmocka_unit_test(an_ordered_mean_is_that_of_the_rows_before),
        cmocka_unit_test(new_rows_get_the_mean_of_all_rows),
        cmocka_unit_test(ordered_means_are_the_same_on_any_threads),
        cmocka_unit_test(a_count_leaves_out_its_own_row),
    };
    return cmocka_run_group_tests_name("feature_target", tests, NULL, NULL);
}
