/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "train/train_priv.h"
#include "train_case.h"

enum { ROWS = 600, REPEATS = 5 };

static const train_case rows_of_case = {.target_text = {"no", "yes"}, .missing_every = 9};

/* A message that is one of two kinds by one word, and a number that says nothing. */
static tm_table *messages(void) {
    static const char *const words[] = {"meet", "lunch", "tomorrow", "report", "river", "garden"};
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(builder, "message", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "number", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "label", TM_TYPE_TEXT, NULL), TM_OK);
    for (uint64_t i = 0; i < ROWS; i++) {
        char text[128];
        const uint64_t bits = tm__rng_at(5, i);
        const bool is_yes = bits % 3 == 0;
        (void)snprintf(text, sizeof(text), "%s %s %s number %llu", words[bits / 8 % 6],
                       is_yes ? "prize" : words[bits / 64 % 6], words[bits / 512 % 6],
                       (unsigned long long)i);
        const tm_cell cells[] = {{.type = TM_TYPE_TEXT, .text = tm__str(text)},
                                 {.type = TM_TYPE_FLOAT, .f64 = (double)(bits >> 40)},
                                 {.type = TM_TYPE_TEXT, .text = tm__str(is_yes ? "yes" : "no")}};
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

static tm_table *table_of(const char *learners) {
    return strcmp(learners, "linear of text") == 0 ? messages()
                                                   : train_case_table(&rows_of_case, ROWS);
}

static tm_bundle *bundle_of(const char *learners) {
    const char *const params[] = {"gbdt.n_trees=12", "gbdt.early_stopping=0"};
    const bool is_gbdt = strcmp(learners, "gbdt") == 0;
    const bool is_text = strcmp(learners, "linear of text") == 0;
    const char *const drop[] = {"amount", "at"};
    const tm_train_options options = {.model = "m",
                                      .target = "label",
                                      .learners = is_text ? "linear" : learners,
                                      .params = params,
                                      .n_params = is_gbdt ? 2 : 0,
                                      .drop = drop,
                                      .n_drop = is_text ? 0 : 2,
                                      .work = 100000000};
    tm_table *table = table_of(learners);
    tm_ctx ctx = {0};
    tm_train_result result = {0};
    tm_bundle *bundle = NULL;
    assert_int_equal(tm__train_run(&ctx, table, NULL, &options, &result, NULL), TM_OK);
    assert_int_equal(tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, NULL), TM_OK);
    tm__train_result_done(&result);
    tm__table_unref(table);
    return bundle;
}

static json_t *worth_in(const tm_bundle *bundle, tm_table *table, uint32_t n_threads,
                        const char *metric, uint64_t seed) {
    tm_ctx ctx = {.pool = tm__pool_create(n_threads)};
    const tm_columns_options options = {.metric = metric, .seed = seed};
    json_t *out = NULL;
    assert_int_equal(tm__train_columns(&ctx, bundle, table, &options, &out, NULL), TM_OK);
    tm__pool_free(ctx.pool);
    return out;
}

static json_t *worth_of(const tm_bundle *bundle, uint32_t n_threads, const char *metric,
                        uint64_t seed) {
    tm_table *table = train_case_table(&rows_of_case, ROWS);
    json_t *out = worth_in(bundle, table, n_threads, metric, seed);
    tm__table_unref(table);
    return out;
}

static const json_t *entry_of(const json_t *worth, const char *column) {
    size_t i = 0;
    json_t *entry = NULL;
    json_array_foreach(json_object_get(worth, "columns"), i, entry) {
        if (strcmp(tm__json_text(entry, "column", ""), column) == 0) {
            return entry;
        }
    }
    fail_msg("no column %s", column);
    return NULL;
}

/* The score with one column of cells taken from other rows, one row after the other. */
static double score_by_hand(const tm_bundle *bundle, const tm_table *table, uint32_t input,
                            const uint32_t *order, const char *metric) {
    const tm_schema *schema = tm__bundle_schema(bundle);
    double *y = NULL, pred[ROWS], out = 0;
    uint32_t *rows = NULL;
    uint64_t n = 0;
    assert_int_equal(tm__train_target(bundle, table, &y, &rows, &n, NULL), TM_OK);
    tm_bundle_scratch *scratch = tm__bundle_scratch_create(bundle);
    for (uint64_t i = 0; i < n; i++) {
        tm_cell cells[8];
        for (uint32_t c = 0; c < schema->n_cols; c++) {
            const uint32_t col = tm__table_find(table, schema->cols[c].name);
            const uint64_t row = rows[c == input ? order[i] : i];
            cells[c] = tm__column_cell(tm__table_column(table, col), row);
        }
        tm__bundle_predict_row(bundle, scratch, cells, &pred[i]);
    }
    const tm_score_input in = {.task = TM_TASK_BINARY,
                               .n_classes = 2,
                               .n_rows = n,
                               .y = y,
                               .pred = pred,
                               .threshold = tm__bundle_threshold(bundle)};
    assert_int_equal(tm__metric_score(tm__metric_find(metric), &in, &out, NULL), TM_OK);
    tm__bundle_scratch_free(scratch);
    tm__mem_free(y);
    tm__mem_free(rows);
    return out;
}

static void check_losses(const char *learners, const char *metric) {
    tm_bundle *bundle = bundle_of(learners);
    tm_table *table = table_of(learners);
    const tm_metric_ops *ops = tm__metric_find(metric);
    const uint32_t n_inputs = tm__bundle_schema(bundle)->n_cols;
    json_t *worth = worth_in(bundle, table, 1, metric, 3);
    const uint64_t n = (uint64_t)tm__json_i64(worth, "rows", 0);
    uint32_t order[ROWS] = {0};
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
    }
    const double whole = score_by_hand(bundle, table, n_inputs, order, metric);
    assert_true(n > ROWS * 8 / 9 - 2 && whole == tm__json_f64(worth, "score", 0));
    for (uint32_t input = 0; input < n_inputs; input++) {
        double mean = 0;
        for (uint32_t r = 0; r < REPEATS; r++) {
            tm_rng rng = tm__rng_split(3, "train.columns", (uint64_t)input * REPEATS + r);
            for (uint32_t i = 0; i < n; i++) {
                const uint64_t j = tm__rng_below(&rng, i + UINT64_C(1));
                order[i] = order[j];
                order[j] = i;
            }
            const double shuffled = score_by_hand(bundle, table, input, order, metric);
            mean += tm__metric_gain(ops, whole, shuffled) / REPEATS;
        }
        const json_t *entry = entry_of(worth, tm__bundle_schema(bundle)->cols[input].name);
        assert_true(fabs(tm__json_f64(entry, "loses", 99) - mean) < 1e-12);
    }
    json_decref(worth);
    tm__table_unref(table);
    tm__bundle_unref(bundle);
}

static void a_loss_is_that_of_rows_with_the_column_of_others(void **state) {
    (void)state;
    static const char *const metrics[] = {"logloss", "auc", "accuracy", "brier"};
    for (uint32_t m = 0; m < 4; m++) {
        check_losses("gbdt", metrics[m]);
    }
}

static void text_moves_with_its_terms(void **state) {
    (void)state;
    tm_bundle *bundle = bundle_of("linear of text");
    assert_int_equal(tm__program_term_input(tm__bundle_program(bundle)), 0);
    tm_table *table = messages();
    json_t *worth = worth_in(bundle, table, 1, "auc", 0);
    assert_true(tm__json_f64(entry_of(worth, "message"), "loses", 0) > 0.3);
    json_decref(worth);
    tm__table_unref(table);
    tm__bundle_unref(bundle);
    check_losses("linear of text", "logloss");
}

static void columns_that_decide_lose_most_and_noise_next_to_nothing(void **state) {
    (void)state;
    static const char *const learners[] = {"gbdt", "linear"};
    for (uint32_t i = 0; i < 2; i++) {
        tm_bundle *bundle = bundle_of(learners[i]);
        json_t *worth = worth_of(bundle, 1, "auc", 0);
        const double x = tm__json_f64(entry_of(worth, "x"), "loses", 0);
        const double noise = tm__json_f64(entry_of(worth, "noise"), "loses", 1);
        assert_true(x > 0.05 && fabs(noise) < x / 4);
        assert_true(tm__json_f64(entry_of(worth, "x"), "spread", 0) > 0);
        assert_true((json_object_get(entry_of(worth, "x"), "splits") != NULL) == (i == 0));
        double shares = 0, before = 1e300;
        size_t k = 0;
        json_t *entry = NULL;
        json_array_foreach(json_object_get(worth, "columns"), k, entry) {
            shares += tm__json_f64(entry, "share", 0);
            assert_true(tm__json_f64(entry, "loses", 0) <= before);
            before = tm__json_f64(entry, "loses", 0);
        }
        assert_true(fabs(shares - 1) < 1e-12);
        json_decref(worth);
        tm__bundle_unref(bundle);
    }
}

static void splits_are_those_of_all_trees(void **state) {
    (void)state;
    tm_bundle *bundle = bundle_of("gbdt");
    json_t *worth = worth_of(bundle, 1, NULL, 0);
    const tm_model *model = tm__bundle_model(bundle);
    json_t *described = model->ops->describe(model);
    int64_t splits = 0;
    size_t i = 0;
    json_t *entry = NULL;
    json_array_foreach(json_object_get(worth, "columns"), i, entry) {
        splits += tm__json_i64(entry, "splits", 0);
    }
    assert_int_equal(splits, tm__json_i64(described, "n_leaves", 0) -
                                 tm__json_i64(described, "n_trees", 0));
    assert_true(splits > 0);
    json_decref(described);
    json_decref(worth);
    tm__bundle_unref(bundle);
}

static void a_seed_decides_and_threads_do_not(void **state) {
    (void)state;
    tm_bundle *bundle = bundle_of("gbdt");
    json_t *one = worth_of(bundle, 1, NULL, 7);
    json_t *two = worth_of(bundle, 3, NULL, 7);
    json_t *other = worth_of(bundle, 1, NULL, 8);
    assert_true(json_equal(one, two));
    assert_false(json_equal(one, other));
    json_decref(one);
    json_decref(two);
    json_decref(other);
    tm__bundle_unref(bundle);
}

static void a_score_of_another_task_is_refused(void **state) {
    (void)state;
    static const char *const metrics[] = {"rmse", "loveliness"};
    tm_bundle *bundle = bundle_of("gbdt");
    tm_table *table = train_case_table(&rows_of_case, 50);
    for (uint32_t i = 0; i < 2; i++) {
        const tm_columns_options options = {.metric = metrics[i]};
        tm_ctx ctx = {0};
        tm_err err = {0};
        json_t *out = NULL;
        assert_int_equal(tm__train_columns(&ctx, bundle, table, &options, &out, &err), TM_E_USAGE);
        assert_non_null(strstr(err.message, metrics[i]));
        assert_null(out);
    }
    tm__table_unref(table);
    tm__bundle_unref(bundle);
}

static void it_fails_cleanly_at_each_allocation(void **state) {
    (void)state;
    tm_bundle *bundle = bundle_of("gbdt");
    tm_table *table = train_case_table(&rows_of_case, 50);
    tm_status st = TM_E_NOMEM;
    for (uint64_t n = 1; st != TM_OK; n++) {
        const tm_columns_options options = {0};
        tm_ctx ctx = {0};
        json_t *out = NULL;
        tm__json_reset();
        const uint64_t alive = tm__mem_alive();
        tm__mem_fail_at(n, false);
        st = tm__train_columns(&ctx, bundle, table, &options, &out, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        json_decref(out);
        assert_int_equal(tm__mem_alive(), alive);
        assert_true(n < 5000);
    }
    tm__json_reset();
    tm__table_unref(table);
    tm__bundle_unref(bundle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loss_is_that_of_rows_with_the_column_of_others),
        cmocka_unit_test(text_moves_with_its_terms),
        cmocka_unit_test(columns_that_decide_lose_most_and_noise_next_to_nothing),
        cmocka_unit_test(splits_are_those_of_all_trees),
        cmocka_unit_test(a_seed_decides_and_threads_do_not),
        cmocka_unit_test(a_score_of_another_task_is_refused),
        cmocka_unit_test(it_fails_cleanly_at_each_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
