/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "train/train_search_priv.h"
#include "train_case.h"

typedef struct rung_case {
    tm_train_data data;
    tm_search search;
    tm_train_options options;
} rung_case;

static void init(rung_case *c, uint32_t n_rows) {
    const train_case shuffled = {.is_shuffled = true};
    tm_table *table = train_case_table(&shuffled, n_rows);
    memset(c, 0, sizeof(*c));
    c->options = (tm_train_options){.target = "label", .seed = 2};
    assert_int_equal(tm__train_data_init(&c->data, table, NULL, &c->options, NULL), TM_OK);
    c->search.data = &c->data;
    c->search.options = &c->options;
    tm__table_unref(table);
}

static void folds_are_made_one_by_one_and_cover_each_row_once(void **state) {
    (void)state;
    rung_case c;
    tm_rung rung;
    tm_ctx ctx = {0};
    init(&c, 1000);
    assert_int_equal(tm__rung_init(&ctx, &rung, &c.search, 100000, NULL), TM_OK);
    assert_int_equal(rung.n_folds, 1);
    assert_int_equal(rung.n_planned, TM_MAX_FOLDS);
    const uint64_t n_first = rung.n_valid;
    assert_int_equal(tm__rung_fill(&ctx, &rung, &c.search, 3, NULL), TM_OK);
    assert_int_equal(rung.n_folds, 3);
    assert_true(rung.n_valid > n_first && rung.n_valid < c.data.n_train);
    assert_int_equal(tm__rung_fill(&ctx, &rung, &c.search, TM_MAX_FOLDS, NULL), TM_OK);
    assert_int_equal(rung.n_valid, c.data.n_train);
    uint32_t *seen = tm__mem_zalloc(c.data.n_rows, sizeof(*seen));
    for (uint32_t f = 0; f < rung.n_folds; f++) {
        for (uint64_t i = 0; i < rung.folds[f].n_valid; i++) {
            seen[rung.folds[f].valid_rows[i]]++;
        }
    }
    for (uint64_t i = 0; i < c.data.n_train; i++) {
        assert_int_equal(seen[c.data.train[i]], 1);
    }
    tm__mem_free(seen);
    tm__rung_done(&rung);
    tm__train_data_done(&c.data);
}

static void a_sample_keeps_the_order_and_is_within_a_larger_one(void **state) {
    (void)state;
    rung_case c;
    init(&c, 2000);
    uint32_t *small = tm__mem_alloc(c.data.n_train, sizeof(*small));
    uint32_t *large = tm__mem_alloc(c.data.n_train, sizeof(*large));
    const uint64_t n_small = tm__rung_sample(&c.data, 1, 200, small);
    const uint64_t n_large = tm__rung_sample(&c.data, 1, 800, large);
    assert_true(n_small > 120 && n_small < 280);
    uint64_t at = 0;
    for (uint64_t i = 0; i < n_small; i++) {
        while (at < n_large && large[at] != small[i]) {
            at++;
        }
        assert_true(at < n_large);
    }
    assert_int_equal(tm__rung_sample(&c.data, 1, 1u << 30, large), c.data.n_train);
    tm__mem_free(small);
    tm__mem_free(large);
    tm__train_data_done(&c.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_are_made_one_by_one_and_cover_each_row_once),
        cmocka_unit_test(a_sample_keeps_the_order_and_is_within_a_larger_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
