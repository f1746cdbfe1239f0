/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "table/sketch_priv.h"
#include "test.h"

#define N_TEXTS 5000u

static void add(tm_tops *t, uint64_t *counts, uint32_t number, uint64_t count) {
    char text[32];
    const int len = snprintf(text, sizeof(text), "text %u", number);
    counts[number] += count;
    assert_true(
        tm__tops_add(t, tm__hash64(text, (size_t)len, 1), (tm_str){text, (size_t)len}, count));
}

/* Every count is right within n_short, which keeps its bound; no frequent text is lost. */
static void check(const tm_tops *t, const uint64_t *counts, uint64_t n) {
    tm_sketch_item items[512];
    bool found[N_TEXTS] = {false};
    const uint32_t n_items = tm__tops_list(t, items, 512);
    assert_true(t->n_short <= n / (TM_SKETCH_TOP + 1));
    for (uint32_t i = 0; i < n_items; i++) {
        char text[TM_SKETCH_TEXT + 1];
        assert_true(tm__str_copy(text, sizeof(text), items[i].text));
        const uint32_t number = (uint32_t)strtoul(text + 5, NULL, 10);
        assert_true(items[i].count <= counts[number]);
        assert_true(items[i].count + t->n_short >= counts[number]);
        assert_true(i == 0 || items[i].count <= items[i - 1].count);
        found[number] = true;
    }
    for (uint32_t i = 0; i < N_TEXTS; i++) {
        assert_true(found[i] || counts[i] <= t->n_short);
    }
}

static void frequent_texts_are_found_in_every_cut(void **state) {
    (void)state;
    const uint32_t cuts[] = {1, 3, 40, 1000};
    for (uint32_t c = 0; c < 4; c++) {
        tm_tops all = {0}, part = {0};
        uint64_t counts[N_TEXTS] = {0};
        tm_rng rng = tm__rng_split(9, "tops", c);
        const uint32_t n = 60000;
        for (uint32_t i = 0; i < n; i++) {
            /* a few often, most rarely */
            const uint64_t r = tm__rng_below(&rng, 100);
            add(&part, counts, (uint32_t)(r < 60 ? r % 10 : tm__rng_below(&rng, N_TEXTS)), 1);
            if ((i + 1) % (n / cuts[c]) == 0) {
                assert_true(tm__tops_merge(&all, &part));
                tm__tops_reset(&part);
            }
        }
        check(&all, counts, n);
        tm__tops_done(&all);
        tm__tops_done(&part);
    }
}

static void few_texts_are_counted_exactly(void **state) {
    (void)state;
    tm_tops t = {0};
    uint64_t counts[N_TEXTS] = {0};
    for (uint32_t i = 0; i < 10000; i++) {
        add(&t, counts, i % TM_SKETCH_TOP, i % 3 + 1);
    }
    assert_true(t.n_short == 0);
    check(&t, counts, 20000);
    tm__tops_done(&t);
}

/* The worst there is: all differ. And a weight that outgrows all others. */
static void texts_that_all_differ_keep_the_bound(void **state) {
    (void)state;
    tm_tops t = {0};
    uint64_t counts[N_TEXTS] = {0};
    for (uint32_t i = 0; i < N_TEXTS; i++) {
        add(&t, counts, i, 1);
    }
    add(&t, counts, 17, 1000000);
    check(&t, counts, N_TEXTS + 1000000);
    tm_sketch_item first;
    assert_int_equal(tm__tops_list(&t, &first, 1), 1);
    assert_true(tm__str_is(first.text, "text 17"));
    tm__tops_done(&t);
}

static void a_long_text_is_cut_and_says_so(void **state) {
    (void)state;
    char text[200];
    memset(text, 'a', sizeof(text));
    tm_tops t = {0}, back = {0};
    tm_buf out;
    tm_reader in;
    bool has_memory = true;
    assert_true(tm__tops_add(&t, 1, (tm_str){text, 64}, 1));
    assert_true(tm__tops_add(&t, 2, (tm_str){text, 65}, 2));
    assert_true(tm__tops_add(&t, 3, (tm_str){text, 0}, 3));
    tm__buf_init(&out, 4096);
    tm__tops_write(&t, &out);
    tm__reader_init(&in, out.data, out.len);
    assert_true(tm__tops_read(&back, &in, &has_memory));
    tm_sketch_item items[4];
    assert_int_equal(tm__tops_list(&back, items, 4), 3);
    assert_int_equal(items[0].text.len, 0);
    assert_true(items[1].is_cut && items[1].text.len == 64);
    assert_true(!items[2].is_cut && items[2].text.len == 64);
    tm__tops_done(&t);
    tm__tops_done(&back);
    tm__buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frequent_texts_are_found_in_every_cut),
        cmocka_unit_test(few_texts_are_counted_exactly),
        cmocka_unit_test(texts_that_all_differ_keep_the_bound),
        cmocka_unit_test(a_long_text_is_cut_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
