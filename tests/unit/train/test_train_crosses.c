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

/* What is found; NULL: nothing was looked for. */
static json_t *find(made_of what, bool has_none, uint32_t n_threads) {
    tm_table *table = make(what);
    tm_ctx ctx = {.pool = tm__pool_create(n_threads)};
    const tm_train_options o = {
        .model = "m", .target = "t", .learners = "gbdt", .has_no_crosses = has_none};
    tm_train_data data;
    tm_search *search = tm__mem_zalloc(1, sizeof(*search));
    json_t *found = NULL;
    assert_int_equal(tm__train_data_init(&data, table, NULL, &o, NULL), TM_OK);
    search->data = &data;
    search->options = &o;
    assert_int_equal(tm__train_metric(NULL, data.task, &search->metric, NULL), TM_OK);
    assert_int_equal(tm__candidates_init(search, NULL), TM_OK);
    assert_int_equal(tm__train_crosses(&ctx, search, &found, NULL), TM_OK);
    assert_int_equal(data.n_exprs, json_array_size(found));
    for (uint32_t i = 0; i < data.n_exprs; i++)
        assert_string_equal(data.exprs[i], tm__json_text(json_array_get(found, i), "feature", ""));
    tm__mem_free(search);
    tm__train_data_done(&data);
    tm__pool_free(ctx.pool);
    tm__table_unref(table);
    return found;
}

static void a_key_that_pays_is_found_on_any_number_of_threads(void **state) {
    (void)state;
    json_t *found = find(OF_PAIR, false, 1), *again = find(OF_PAIR, false, 3);
    assert_true(json_array_size(found) >= 1);
    const char *words = tm__json_text(json_array_get(found, 0), "feature", "");
    assert_true(strcmp(words, "\"a/b\" = concat(\"a\", '/', \"b\")") == 0 ||
                strcmp(words, "\"b/a\" = concat(\"b\", '/', \"a\")") == 0);
    assert_true(tm__json_f64(json_array_get(found, 0), "gain", 0) > 0.05);
    assert_true(json_equal(found, again));
    json_decref(found);
    json_decref(again);
}

static void a_ratio_that_pays_is_found(void **state) {
    (void)state;
    json_t *found = find(OF_RATIO, false, 2);
    bool is_found = false;
    for (size_t i = 0; i < json_array_size(found); i++)
        is_found = is_found ||
                   strstr(tm__json_text(json_array_get(found, i), "feature", ""), " / ") != NULL;
    assert_true(is_found);
    json_decref(found);
    assert_null(find(OF_RATIO, true, 2));
}

static void of_chance_nothing_is_made(void **state) {
    (void)state;
    json_t *found = find(OF_CHANCE, false, 2);
    assert_non_null(found);
    assert_int_equal(json_array_size(found), 0);
    json_decref(found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_pays_is_found_on_any_number_of_threads),
        cmocka_unit_test(a_ratio_that_pays_is_found),
        cmocka_unit_test(of_chance_nothing_is_made),
    };
    return cmocka_run_group_tests_name("train_crosses", tests, NULL, NULL);
}
