/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "train/train_priv.h"
#include "train_case.h"

typedef struct planned {
    tm_train_data data;
    tm_search search;
    tm_train_plan plan;
} planned;

static tm_status plan_of(planned *p, const tm_train_options *options, uint64_t limit, tm_err *err) {
    const train_case shuffled = {.is_shuffled = true};
    const bool is_single = options->n_params > 0;
    tm_table *table = train_case_table(&shuffled, 2000);
    tm_ctx ctx = {.memory_limit = limit};
    memset(p, 0, sizeof(*p));
    assert_int_equal(tm__train_data_init(&p->data, table, NULL, options, NULL), TM_OK);
    tm__table_unref(table);
    p->search.data = &p->data;
    p->search.options = options;
    assert_int_equal(tm__candidates_init(&p->search, NULL), TM_OK);
    return tm__train_plan_check(&ctx, &p->search, is_single, &p->plan, err);
}

static void done(planned *p) {
    tm__search_done(&p->search);
    tm__train_data_done(&p->data);
}

static void a_plan_counts_the_moment_that_takes_most(void **state) {
    (void)state;
    static const char *const params[] = {"gbdt.n_trees=5"};
    const tm_train_options one = {
        .target = "label", .learners = "gbdt", .params = params, .n_params = 1};
    const tm_train_options search = {.target = "label", .learners = "gbdt,linear"};
    planned a, b;
    assert_int_equal(plan_of(&a, &one, UINT64_C(1) << 40, NULL), TM_OK);
    /* x, noise, city, parts of the time, amount: of all rows, once */
    assert_int_equal(a.plan.features % (a.data.n_train * sizeof(double)), 0);
    const uint64_t n_cols = a.plan.features / (a.data.n_train * sizeof(double));
    assert_true(n_cols >= 4 && n_cols < 12);
    assert_true(a.plan.held >= 2000 * 5 * 8 && a.plan.fitting > 0);
    assert_int_equal(plan_of(&b, &search, UINT64_C(1) << 40, NULL), TM_OK);
    assert_int_equal(b.plan.features, 5 * a.plan.features); /* five folds at once */
    assert_true(b.plan.fitting > a.plan.fitting);           /* 255 leaves */
    done(&a);
    done(&b);
}

static json_t *foretold(const tm_train_options *options) {
    const train_case shuffled = {.is_shuffled = true};
    tm_table *table = train_case_table(&shuffled, 2000);
    json_t *plan = NULL;
    tm_ctx ctx = {0};
    assert_int_equal(tm__train_plan(&ctx, table, options, &plan, NULL), TM_OK);
    tm__table_unref(table);
    return plan;
}

static void a_run_is_foretold_by_one_trial(void **state) {
    (void)state;
    static const char *const ends[] = {"done", "budget", "work"};
    const tm_train_options options[] = {{.target = "label"},
                                        {.target = "label", .budget_ms = 5000},
                                        {.target = "label", .work = 1000}};
    for (size_t i = 0; i < 3; i++) {
        json_t *plan = foretold(&options[i]);
        const json_t *seconds = json_object_get(plan, "seconds");
        const json_t *memory = json_object_get(plan, "memory");
        assert_string_equal(tm__json_text(seconds, "ends_by", ""), ends[i]);
        assert_true(tm__json_f64(seconds, "run", 0) > 0);
        assert_true(tm__json_f64(plan, "trials", 0) >= 1);
        assert_true(tm__json_i64(memory, "total", 0) > tm__json_i64(memory, "features", 0));
        assert_true(tm__json_i64(plan, "train_rows", 0) > 1500);
        assert_int_equal(tm__json_i64(plan, "folds", 0), TM_MAX_FOLDS);
        if (i == 1) {
            assert_true(tm__json_f64(seconds, "run", 0) == 5.0);
        }
        json_decref(plan);
    }
}

static void a_limit_below_it_is_refused_with_the_parts(void **state) {
    (void)state;
    const tm_train_options options = {.target = "label"};
    planned p, none;
    tm_err err = {0};
    assert_int_equal(plan_of(&p, &options, UINT64_C(1) << 40, NULL), TM_OK);
    const uint64_t need = p.plan.held + p.plan.features + p.plan.fitting + p.plan.answers;
    done(&p);
    assert_int_equal(plan_of(&p, &options, need / 2, &err), TM_E_LIMIT);
    assert_non_null(strstr(err.message, "training needs"));
    assert_non_null(strstr(err.hint, "The table "));
    assert_non_null(strstr(err.hint, "fitting"));
    assert_non_null(strstr(err.hint, "raise the limit"));
    done(&p);
    assert_int_equal(plan_of(&none, &options, 0, NULL), TM_OK); /* not asked for: no plan */
    assert_int_equal(none.plan.features, 0);
    done(&none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_counts_the_moment_that_takes_most),
        cmocka_unit_test(a_run_is_foretold_by_one_trial),
        cmocka_unit_test(a_limit_below_it_is_refused_with_the_parts),
    };
    return cmocka_run_group_tests_name("train_plan", tests, NULL, NULL);
}
