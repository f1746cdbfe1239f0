/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

static const char *const exprs[] = {
    "ratio = price / size",
    "more = log(ratio) + if(flag, 1, 0)",
    "kind = concat(color, '|', hour(at))",
    "loud = upper(left(remark, 60))",
    "eve = at - 0.5",
    "wait = at - day",
    "rare = if(size > 20, missing, city)",
    "always = 1 + 0 * coalesce(price, 1)",
};
#define N_EXPRS 8u

static void init(fit_case *c, tm_task task) {
    case_init(c, task, 700);
    c->options.exprs = exprs;
    c->options.n_exprs = N_EXPRS;
}

/* As columns, as rows, and after a file, over rows with and without what was seen. */
static void columns_rows_and_files_give_the_same_bits(void **state) {
    (void)state;
    const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};
    for (int t = 0; t < 3; t++) {
        fit_case c;
        tm_program *again = NULL;
        tm_buf bytes, second;
        tm_table *other = case_table(99, 300, 5000);
        init(&c, tasks[t]);
        assert_int_equal(case_fit(&c, NULL), TM_OK);
        assert_rows_equal_columns(c.program, c.table);
        assert_rows_equal_columns(c.program, other);
        tm__buf_init(&bytes, 1 << 24);
        tm__buf_init(&second, 1 << 24);
        assert_int_equal(tm__program_save(c.program, &bytes, NULL), TM_OK);
        assert_int_equal(tm__program_load(bytes.data, bytes.len, &again, NULL), TM_OK);
        assert_rows_equal_columns(again, other);
        assert_int_equal(tm__program_save(again, &second, NULL), TM_OK);
        assert_int_equal(second.len, bytes.len);
        assert_memory_equal(second.data, bytes.data, bytes.len);
        tm_matrix *a = NULL, *b = NULL;
        assert_int_equal(tm__program_apply(&c.ctx, c.program, other, NULL, 0, &a, NULL), TM_OK);
        assert_int_equal(tm__program_apply(&c.ctx, again, other, NULL, 0, &b, NULL), TM_OK);
        assert_views_equal(tm__matrix_view(a), tm__matrix_view(b));
        tm__matrix_free(a);
        tm__matrix_free(b);
        tm__program_free(again);
        tm__buf_done(&bytes);
        tm__buf_done(&second);
        tm__table_unref(other);
        case_done(&c);
    }
}

static void what_is_made_is_treated_like_what_was_given(void **state) {
    (void)state;
    fit_case c;
    init(&c, TM_TASK_BINARY);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    const uint32_t ratio = case_feature(c.program, "ratio");
    const uint32_t kind = case_feature(c.program, "kind");
    assert_true(ratio != UINT32_MAX && kind != UINT32_MAX);
    assert_true(case_feature(c.program, "eve.hour") != UINT32_MAX ||
                case_feature(c.program, "eve.minute_of_day") != UINT32_MAX);
    assert_int_equal(case_feature(c.program, "always"), UINT32_MAX); /* has one value */
    assert_true(tm__program_feature(c.program, ratio)->has_missing);
    assert_true(tm__program_feature(c.program, kind)->is_categorical);
    assert_int_equal(tm__program_feature(c.program, ratio)->input, CASE_FLOAT);
    assert_int_equal(tm__program_feature(c.program, kind)->input, CASE_COLOR);
    assert_true(tm__program_reads(c.program, CASE_INT));
    assert_true(tm__program_reads(c.program, CASE_DAY));
    assert_false(tm__program_reads(c.program, CASE_NONE));
    const double *made = tm__matrix_view(c.matrix)->cols[ratio];
    const tm_column *price = tm__table_column(c.table, CASE_FLOAT);
    const tm_column *size = tm__table_column(c.table, CASE_INT);
    for (uint64_t i = 0; i < c.n_rows; i++) {
        const uint32_t row = c.rows[i];
        const bool is_there = isfinite(price->floats[row]) && size->ints[row] != TM_INT_MISSING &&
                              size->ints[row] != 0;
        assert_true(is_there ? made[i] == price->floats[row] / (double)size->ints[row]
                             : isnan(made[i]));
    }
    json_t *words = tm__program_to_json(c.program);
    char *text = json_dumps(words, 0);
    assert_non_null(strstr(text, "ratio = price / size"));
    free(text);
    json_decref(words);
    case_done(&c);
}

static void threads_change_nothing(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 100000);
    c.options.exprs = exprs;
    c.options.n_exprs = N_EXPRS;
    tm_buf bytes[2];
    tm_matrix *matrices[2] = {NULL};
    for (int k = 0; k < 2; k++) {
        c.ctx.pool = k == 0 ? NULL : tm__pool_create(4);
        assert_int_equal(case_fit(&c, NULL), TM_OK);
        tm__buf_init(&bytes[k], 1 << 26);
        assert_int_equal(tm__program_save(c.program, &bytes[k], NULL), TM_OK);
        matrices[k] = c.matrix;
        c.matrix = NULL;
        tm__program_free(c.program);
        c.program = NULL;
    }
    assert_int_equal(bytes[0].len, bytes[1].len);
    assert_memory_equal(bytes[0].data, bytes[1].data, bytes[0].len);
    assert_views_equal(tm__matrix_view(matrices[0]), tm__matrix_view(matrices[1]));
    for (int k = 0; k < 2; k++) {
        tm__matrix_free(matrices[k]);
        tm__buf_done(&bytes[k]);
    }
    tm__pool_free(c.ctx.pool);
    c.ctx.pool = NULL;
    case_done(&c);
}

static void names_are_told_from_each_other_and_from_columns(void **state) {
    (void)state;
    static const struct {
        const char *first, *second, *message;
    } cases[] = {
        {"price = size + 1", NULL, "feature 'price': there is a column of this name"},
        {"x = size + 1", "x = size + 2", "feature 'x': there is a column of this name"},
        {"x = y + 1", "y = size + 2", "feature 'x': there is no column 'y' at character 5"},
        {"x = size + 1", "y = color + x",
         "feature 'y': '+' does not take a text and a number at character 11"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fit_case c;
        tm_err err = {0};
        const char *both[] = {cases[i].first, cases[i].second};
        uint8_t is_read[CASE_COLS] = {0};
        case_init(&c, TM_TASK_BINARY, 200);
        c.options.exprs = both;
        c.options.n_exprs = both[1] == NULL ? 1 : 2;
        assert_int_equal(case_fit(&c, &err), TM_E_USAGE);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(tm__exprs_check(&c.schema, both, c.options.n_exprs, is_read, NULL),
                         TM_E_USAGE);
        case_done(&c);
    }
}

static void columns_that_are_read_are_marked_and_roles_are_kept(void **state) {
    (void)state;
    fit_case c;
    uint8_t is_read[CASE_COLS] = {0};
    init(&c, TM_TASK_BINARY);
    c.schema.cols[CASE_INT].role = TM_ROLE_DROPPED;
    assert_int_equal(tm__exprs_check(&c.schema, exprs, 1, is_read, NULL), TM_OK);
    assert_true(is_read[CASE_INT] && is_read[CASE_FLOAT] && !is_read[CASE_COLOR]);
    c.schema.cols[CASE_INT].role = TM_ROLE_TARGET;
    assert_int_equal(tm__exprs_check(&c.schema, exprs, 1, is_read, NULL), TM_E_USAGE);
    c.schema.cols[CASE_INT].role = TM_ROLE_READ;
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    assert_true(case_feature(c.program, "ratio") != UINT32_MAX);
    assert_int_equal(case_feature(c.program, "size"), UINT32_MAX);
    assert_int_equal(tm__program_inputs(c.program), CASE_COLS);
    case_done(&c);
}

static double correlation_of(const double *x, const double *y, const uint32_t *rows, uint64_t n) {
    double mx = 0, my = 0, xy = 0, xx = 0, yy = 0;
    for (uint64_t i = 0; i < n; i++) {
        mx += x[i] / (double)n;
        my += y[rows[i]] / (double)n;
    }
    for (uint64_t i = 0; i < n; i++) {
        const double a = x[i] - mx, b = y[rows[i]] - my;
        xy += a * b;
        xx += a * a;
        yy += b * b;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

/* A target by chance: what a key of many levels gives the rows learned from says nothing of it, and
 * what it gives new rows would, so that the test can see a leak. */
static void a_target_by_chance_is_not_in_a_key(void **state) {
    (void)state;
    static const char *const keys[] = {"key = concat(city, '|', hour(at))"};
    const tm_level_means kinds[] = {TM_MEANS_HELD_OUT, TM_MEANS_ORDERED};
    for (int k = 0; k < 2; k++) {
        fit_case c;
        case_init(&c, TM_TASK_REGRESSION, 20000);
        tm_rng rng = tm__rng_split(8, "chance", 0);
        for (uint64_t i = 0; i < 20000; i++)
            c.y[i] = tm__rng_f64(&rng);
        c.options.exprs = keys;
        c.options.n_exprs = 1;
        c.options.level_means = kinds[k];
        assert_int_equal(case_fit(&c, NULL), TM_OK);
        const uint32_t mean = case_feature(c.program, "key.mean");
        assert_int_not_equal(mean, UINT32_MAX);
        const double *held = tm__matrix_view(c.matrix)->cols[mean];
        assert_true(fabs(correlation_of(held, c.y, c.rows, c.n_rows)) < 0.05);
        tm_matrix *matrix = NULL;
        assert_int_equal(
            tm__program_apply(&c.ctx, c.program, c.table, c.rows, c.n_rows, &matrix, NULL), TM_OK);
        assert_true(correlation_of(tm__matrix_view(matrix)->cols[mean], c.y, c.rows, c.n_rows) >
                    0.1);
        tm__matrix_free(matrix);
        case_done(&c);
    }
}

/* Of nothing but missing values, and of infinite ones, no feature is made and no NaN gets out of
 * what is. */
static void nothing_is_made_of_nothing(void **state) {
    (void)state;
    static const char *const empty[] = {"gone = length(none) + 1", "off = price / 0",
                                        "huge = 1e308 * 10 * (price + 1)",
                                        "who = coalesce(none, 'x')"};
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 300);
    c.options.exprs = empty;
    c.options.n_exprs = 4;
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    for (uint32_t f = 0; f < tm__program_features(c.program); f++) {
        const char *name = tm__program_feature(c.program, f)->name;
        for (int i = 0; i < 4; i++)
            assert_true(strncmp(name, empty[i], strcspn(empty[i], " ")) != 0);
    }
    assert_rows_equal_columns(c.program, c.table);
    case_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_rows_and_files_give_the_same_bits),
        cmocka_unit_test(what_is_made_is_treated_like_what_was_given),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(names_are_told_from_each_other_and_from_columns),
        cmocka_unit_test(columns_that_are_read_are_marked_and_roles_are_kept),
        cmocka_unit_test(a_target_by_chance_is_not_in_a_key),
        cmocka_unit_test(nothing_is_made_of_nothing),
    };
    return cmocka_run_group_tests_name("feature_exprs", tests, NULL, NULL);
}
