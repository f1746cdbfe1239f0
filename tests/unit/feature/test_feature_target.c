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

static void a_held_out_mean_knows_nothing_of_its_own_row(void **state) {
    (void)state;
    fit_case c;
    chance_init(&c, 4000, 900, 1); /* between 4 and 5 rows a level */
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    const uint32_t mean = case_feature(c.program, "key.mean");
    assert_int_not_equal(mean, UINT32_MAX);
    const tm_view *held = tm__matrix_view(c.matrix);
    assert_true(fabs(correlation(held->cols[mean], c.y, c.n_rows)) < 0.05);
    tm_matrix *matrix = NULL; /* not held out it would be a leak: the test can see one */
    assert_int_equal(tm__program_apply(&c.ctx, c.program, c.table, NULL, 0, &matrix, NULL), TM_OK);
    assert_true(correlation(tm__matrix_view(matrix)->cols[mean], c.y, c.n_rows) > 0.3);
    tm__matrix_free(matrix);
    case_done(&c);
}

/* Changing the target of one row must not move a bit of that row's features. */
static void a_row_s_own_target_is_not_in_its_features(void **state) {
    (void)state;
    for (uint64_t row = 0; row < 40; row += 13) {
        fit_case a, b;
        chance_init(&a, 2000, 500, 2);
        chance_init(&b, 2000, 500, 2);
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
        cmocka_unit_test(a_held_out_mean_knows_nothing_of_its_own_row),
        cmocka_unit_test(a_row_s_own_target_is_not_in_its_features),
        cmocka_unit_test(a_count_leaves_out_its_own_row),
    };
    return cmocka_run_group_tests_name("feature_target", tests, NULL, NULL);
}
