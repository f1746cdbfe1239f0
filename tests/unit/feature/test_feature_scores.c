/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

/* Remarks of random words; the word "zebra" is in rows with a high target when is_told. */
static void remarks_init(fit_case *c, tm_task task, uint64_t n_rows, bool is_told) {
    memset(c, 0, sizeof(*c));
    tm_table_builder *builder = tm__builder_create();
    assert_int_equal(tm__builder_add_column(builder, "remark", TM_TYPE_TEXT, NULL), TM_OK);
    c->y = tm__mem_alloc(n_rows, sizeof(double));
    c->rows = tm__mem_alloc(n_rows, sizeof(uint32_t));
    c->n_rows = n_rows;
    tm_rng rng = tm__rng_split(4, "remarks", 0);
    for (uint64_t i = 0; i < n_rows; i++) {
        char text[512];
        const uint64_t k = task == TM_TASK_MULTICLASS ? 20 : 2;
        c->y[i] = (double)tm__rng_below(&rng, k);
        size_t len = (size_t)snprintf(text, sizeof(text), "%s",
                                      is_told && c->y[i] > 0 && i % 10 != 0 ? "Zebra" : "horse");
        for (int w = 0; w < 8; w++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, " word%u",
                                    (unsigned)tm__rng_below(&rng, 400));
        const tm_cell cell = {.type = TM_TYPE_TEXT, .text = {text, len}};
        assert_int_equal(tm__builder_add_row(builder, &cell, NULL), TM_OK);
        c->rows[i] = (uint32_t)i;
    }
    assert_int_equal(tm__builder_finish(builder, &c->table, NULL), TM_OK);
    assert_int_equal(tm__schema_from_table(c->table, &c->schema, NULL), TM_OK);
    c->options = (tm_program_options){.task = task, .n_classes = 2, .seed = 1};
    c->options.n_classes = task == TM_TASK_MULTICLASS ? 20 : task == TM_TASK_BINARY ? 2 : 0;
}

static double mean_of(const double *x, const double *y, uint64_t n, double class) {
    double sum = 0, count = 0;
    for (uint64_t i = 0; i < n; i++) {
        sum += y[i] == class ? x[i] : 0;
        count += y[i] == class;
    }
    return sum / count;
}

static void a_score_finds_the_word_that_tells(void **state) {
    (void)state;
    const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_REGRESSION};
    for (int t = 0; t < 2; t++) {
        fit_case c;
        remarks_init(&c, tasks[t], 1000, true);
        assert_int_equal(case_fit(&c, NULL), TM_OK);
        const uint32_t score = case_feature(c.program, "remark.score");
        const uint32_t word = case_feature(c.program, "remark: zebra");
        assert_int_not_equal(score, UINT32_MAX);
        assert_int_not_equal(word, UINT32_MAX);
        const tm_view *view = tm__matrix_view(c.matrix);
        const double *x = view->cols[score];
        assert_true(mean_of(x, c.y, c.n_rows, 1) > mean_of(x, c.y, c.n_rows, 0));
        assert_true(mean_of(view->cols[word], c.y, c.n_rows, 1) > 0.85);
        assert_true(mean_of(view->cols[word], c.y, c.n_rows, 0) == 0);
        assert_rows_equal_columns(c.program, c.table);
        case_done(&c);
    }
}

/* Changing the target of one row must not move a bit of that row's score. */
static void a_row_s_own_target_is_not_in_its_score(void **state) {
    (void)state;
    for (uint64_t row = 0; row < 40; row += 13) {
        double held[2];
        for (int i = 0; i < 2; i++) {
            fit_case c;
            remarks_init(&c, TM_TASK_BINARY, 400, true);
            c.y[row] = i == 1 ? 1 - c.y[row] : c.y[row];
            assert_int_equal(case_fit(&c, NULL), TM_OK);
            held[i] = tm__matrix_view(c.matrix)->cols[case_feature(c.program, "remark.score")][row];
            case_done(&c);
        }
        assert_int_equal(case_bits(held[0]), case_bits(held[1]));
    }
}

static void terms_that_tell_nothing_are_forgotten(void **state) {
    (void)state;
    fit_case c;
    remarks_init(&c, TM_TASK_BINARY, 2000, false);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    assert_int_equal(case_feature(c.program, "remark.score"), UINT32_MAX);
    assert_int_not_equal(case_feature(c.program, "remark.chars"), UINT32_MAX);
    assert_int_equal(tm__program_term_input(c.program), UINT32_MAX);
    assert_null(tm__matrix_view(c.matrix)->sparse);
    assert_rows_equal_columns(c.program, c.table);
    case_done(&c);
}

static void many_classes_have_scores_for_sixteen(void **state) {
    (void)state;
    fit_case c;
    remarks_init(&c, TM_TASK_MULTICLASS, 1200, true);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    uint32_t n = 0;
    for (uint32_t i = 0; i < tm__program_features(c.program); i++)
        n += strncmp(tm__program_feature(c.program, i)->name, "remark.score.", 13) == 0;
    assert_int_equal(n, TM_MAX_STATS);
    case_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_finds_the_word_that_tells),
        cmocka_unit_test(a_row_s_own_target_is_not_in_its_score),
        cmocka_unit_test(terms_that_tell_nothing_are_forgotten),
        cmocka_unit_test(many_classes_have_scores_for_sixteen),
    };
    return cmocka_run_group_tests_name("feature_scores", tests, NULL, NULL);
}
