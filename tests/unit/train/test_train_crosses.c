/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "train/train_priv.h"

/* 8000 rows of two texts, two numbers and a target: of the pair of texts, the ratio of the numbers,
 * or chance. */
typedef enum made_of { OF_PAIR, OF_RATIO, OF_CHANCE } made_of;

static tm_table *make(made_of what) {
    tm_table_builder *builder = tm__builder_create();
    static const char *const names[] = {"a", "b", "x", "y", "t"};
    static const tm_type types[] = {TM_TYPE_TEXT, TM_TYPE_TEXT, TM_TYPE_FLOAT, TM_TYPE_FLOAT,
                                    TM_TYPE_BOOL};
    for (int c = 0; c < 5; c++)
        assert_int_equal(tm__builder_add_column(builder, names[c], types[c], NULL), TM_OK);
    tm_rng rng = tm__rng_split(3, "crosses", (uint64_t)what);
    for (int i = 0; i < 8000; i++) {
        char a[16], b[16];
        const uint64_t va = tm__rng_below(&rng, 25), vb = tm__rng_below(&rng, 25);
        const double x = 1 + tm__rng_f64(&rng) * 9, y = 1 + tm__rng_f64(&rng) * 9;
        snprintf(a, sizeof(a), "a%u", (unsigned)va);
        snprintf(b, sizeof(b), "b%u", (unsigned)vb);
        /* Of a pair: neither part tells anything alone. */
        const bool is_high = what == OF_PAIR    ? tm__rng_at(9, va * 25 + vb) % 2 == 0
                             : what == OF_RATIO ? (uint64_t)(x / y * 16) % 2 == 0
                                                : tm__rng_below(&rng, 2) == 0;
        const bool is_true = tm__rng_f64(&rng) < (is_high ? 0.9 : 0.1);
        const tm_cell cells[] = {{.type = TM_TYPE_TEXT, .text = tm__str(a)},
                                 {.type = TM_TYPE_TEXT, .text = tm__str(b)},
                                 {.type = TM_TYPE_FLOAT, .f64 = x},
                                 {.type = TM_TYPE_FLOAT, .f64 = y},
                                 {.type = TM_TYPE_BOOL, .i64 = is_true}};
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    tm_table *table = NULL;
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

static json_t *train(made_of what, bool has_none, uint32_t n_threads, double *out_auc,
                     tm_hash *out_hash) {
    tm_table *table = make(what);
    tm_ctx ctx = {.pool = tm__pool_create(n_threads)};
    tm_train_options o = {.model = "m",
                          .target = "t",
                          .learners = "gbdt,baseline",
                          .has_no_crosses = has_none,
                          .work = UINT64_C(2000000000)};
    tm_train_result result;
    tm_bundle *bundle = NULL;
    assert_int_equal(tm__train_run(&ctx, table, NULL, &o, &result, NULL), TM_OK);
    assert_int_equal(tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, NULL), TM_OK);
    json_t *crosses = json_incref(json_object_get(tm__bundle_info(bundle), "crosses"));
    *out_auc = tm__json_f64(json_object_get(result.report, "test"), "auc", 0);
    *out_hash = result.bundle_hash;
    tm__bundle_unref(bundle);
    tm__train_result_done(&result);
    tm__pool_free(ctx.pool);
    tm__table_unref(table);
    return crosses;
}

static void a_key_that_pays_is_found_on_any_number_of_threads(void **state) {
    (void)state;
    double auc = 0, again = 0;
    tm_hash first, second;
    json_t *crosses = train(OF_PAIR, false, 1, &auc, &first);
    assert_true(json_array_size(crosses) >= 1);
    const char *words = tm__json_text(json_array_get(crosses, 0), "feature", "");
    assert_true(strcmp(words, "\"a/b\" = concat(\"a\", '/', \"b\")") == 0 ||
                strcmp(words, "\"b/a\" = concat(\"b\", '/', \"a\")") == 0);
    assert_true(tm__json_f64(json_array_get(crosses, 0), "gain", 0) > 0.05);
    json_decref(crosses);
    json_decref(train(OF_PAIR, false, 3, &again, &second));
    assert_memory_equal(&first, &second, sizeof(first));
}

static void a_ratio_that_pays_is_found(void **state) {
    (void)state;
    double auc = 0, without = 0;
    tm_hash hash;
    json_t *crosses = train(OF_RATIO, false, 2, &auc, &hash);
    bool is_found = false;
    for (size_t i = 0; i < json_array_size(crosses); i++) {
        const char *words = tm__json_text(json_array_get(crosses, i), "feature", "");
        is_found = is_found || strstr(words, " / ") != NULL;
    }
    assert_true(is_found);
    json_decref(crosses);
    crosses = train(OF_RATIO, true, 2, &without, &hash);
    assert_null(crosses);
    assert_true(auc > without + 0.02);
}

static void of_chance_nothing_is_made(void **state) {
    (void)state;
    double auc = 0;
    tm_hash hash;
    json_t *crosses = train(OF_CHANCE, false, 2, &auc, &hash);
    assert_int_equal(json_array_size(crosses), 0);
    assert_true(auc > 0.46 && auc < 0.54);
    json_decref(crosses);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_pays_is_found_on_any_number_of_threads),
        cmocka_unit_test(a_ratio_that_pays_is_found),
        cmocka_unit_test(of_chance_nothing_is_made),
    };
    return cmocka_run_group_tests_name("train_crosses", tests, NULL, NULL);
}
