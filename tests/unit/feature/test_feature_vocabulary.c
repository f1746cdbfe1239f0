/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

static void only_terms_of_two_texts_are_kept_and_the_most_frequent(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 400);
    const tm_column *columns[CASE_COLS];
    for (uint32_t i = 0; i < CASE_COLS; i++)
        columns[i] = tm__table_column(c.table, i);
    const tm_fit fit = {.ctx = &c.ctx, .columns = columns, .rows = c.rows, .n_rows = c.n_rows};
    tm_text all = {.input = CASE_REMARK}, few = {.input = CASE_REMARK};
    tm_words all_words = {0}, few_words = {0};
    assert_int_equal(tm__vocabulary_fit(&fit, &all, &all_words, 100000), TM_OK);
    assert_int_equal(tm__vocabulary_fit(&fit, &few, &few_words, 50), TM_OK);
    assert_true(all.n_terms > 50);
    assert_int_equal(few.n_terms, 50);
    uint32_t least = UINT32_MAX, n_above = 0;
    for (uint32_t i = 0; i < 50; i++)
        least = few_words.n_docs[i] < least ? few_words.n_docs[i] : least;
    for (uint32_t i = 0; i < all.n_terms; i++) {
        assert_true(all_words.n_docs[i] >= 2);
        n_above += all_words.n_docs[i] > least;
    }
    assert_true(n_above <= 50);
    tm__text_done(&all);
    tm__text_done(&few);
    tm__words_done(&all_words);
    tm__words_done(&few_words);
    case_done(&c);
}

static void terms_have_the_names_that_texts_give_them(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 300);
    const tm_column *columns[CASE_COLS] = {0};
    columns[CASE_REMARK] = tm__table_column(c.table, CASE_REMARK);
    const tm_fit fit = {.ctx = &c.ctx, .columns = columns, .rows = c.rows, .n_rows = c.n_rows};
    tm_text text = {.input = CASE_REMARK};
    tm_words words = {0};
    assert_int_equal(tm__vocabulary_fit(&fit, &text, &words, 100000), TM_OK);
    uint32_t terms[8], n = 0;
    char *names[8];
    for (uint32_t i = 0; i < text.n_terms && n < 8; i++) {
        if (words.is_word[i])
            terms[n++] = i;
    }
    tm__vocabulary_name(&fit, &text, terms, n, names);
    for (uint32_t i = 0; i < n; i++) {
        assert_non_null(names[i]);
        assert_true(names[i][0] != 0);
        for (const char *p = names[i]; *p != 0; p++)
            assert_false(*p >= 'A' && *p <= 'Z');
        tm__mem_free(names[i]);
    }
    tm__text_done(&text);
    tm__words_done(&words);
    case_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_terms_of_two_texts_are_kept_and_the_most_frequent),
        cmocka_unit_test(terms_have_the_names_that_texts_give_them),
    };
    return cmocka_run_group_tests_name("feature_vocabulary", tests, NULL, NULL);
}
