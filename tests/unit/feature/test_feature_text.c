/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

typedef struct list {
    uint64_t hashes[4096];
    uint32_t n, n_words;
    char words[1024];
} list;

static void keep(void *arg, uint64_t hash, bool is_word, tm_str part) {
    list *l = arg;
    assert_true(l->n < 4096);
    l->hashes[l->n++] = hash;
    l->n_words += is_word;
    if (is_word) {
        strncat(l->words, part.ptr, part.len);
        strcat(l->words, "|");
    }
}

static void words_and_pairs_are_runs_of_letters_digits_and_other_bytes(void **state) {
    (void)state;
    list l = {0};
    tm__text_walk(TM_STR("Don't PAY \xc2\xa3"
                         "150p!"),
                  1, keep, &l);
    assert_string_equal(l.words, "Don|t|Don't|PAY|t PAY|\xc2\xa3"
                                 "150p|PAY \xc2\xa3"
                                 "150p|");
}

static void case_of_ascii_does_not_matter_and_the_column_does(void **state) {
    (void)state;
    list a = {0}, b = {0}, c = {0};
    tm__text_walk(TM_STR("Free ENTRY"), 1, keep, &a);
    tm__text_walk(TM_STR("fREE entry"), 1, keep, &b);
    tm__text_walk(TM_STR("Free ENTRY"), 2, keep, &c);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.hashes, b.hashes, a.n * sizeof(uint64_t));
    assert_int_not_equal(a.hashes[0], c.hashes[0]);
}

static void pieces_are_characters_of_a_word_with_a_blank_around(void **state) {
    (void)state;
    list a = {0}, b = {0}, none = {0};
    tm__text_walk(TM_STR("ab"), 1, keep, &a); /* " a" " ab" " ab " "ab" "ab " "b " */
    assert_int_equal(a.n - a.n_words, 6);
    tm__text_walk(TM_STR("\xc3\xa9"
                         "b"),
                  1, keep, &b); /* two characters as well */
    assert_int_equal(b.n - b.n_words, 6);
    tm__text_walk(TM_STR(""), 1, keep, &none);
    tm__text_walk(TM_STR(" \n\t "), 1, keep, &none);
    assert_int_equal(none.n, 0);
}

static void a_very_long_text_needs_no_memory_of_its_own(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 400);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    const size_t len = 1u << 20;
    char *text = tm__mem_alloc(len, 1);
    for (size_t i = 0; i < len; i++)
        text[i] = "bird plane x"[i % 12];
    tm_row_scratch *scratch = tm__row_scratch_create(c.program);
    tm_cell cells[CASE_COLS] = {0};
    cells[CASE_REMARK] = (tm_cell){.type = TM_TYPE_TEXT, .text = {text, len}};
    const uint64_t calls = tm__mem_calls();
    const tm_view *view = tm__program_apply_row(c.program, scratch, cells);
    assert_int_equal(tm__mem_calls(), calls);
    assert_true(view->cols[case_feature(c.program, "remark.chars")][0] == (double)len);
    double sum = 0;
    for (uint64_t i = 0; i < view->sparse->starts[1]; i++)
        sum += (double)view->sparse->values[i] * (double)view->sparse->values[i];
    assert_true(fabs(sum - 1) < 1e-5);
    tm__row_scratch_free(scratch);
    tm__mem_free(text);
    case_done(&c);
}

static void form_is_counted_in_characters(void **state) {
    (void)state;
    tm_text text = {0};
    tm_text_scratch scratch;
    assert_int_equal(tm__text_index(&text, NULL), TM_OK);
    assert_int_equal(tm__text_scratch_init(&scratch, 0, NULL), TM_OK);
    const tm_str value = TM_STR("AB c\xc3\xa9 12");
    tm__text_read(&scratch, &text, &value);
    const struct {
        uint8_t part;
        double want;
    } cases[] = {{TM_TEXT_CHARS, 8},
                 {TM_TEXT_WORDS, 3},
                 {TM_TEXT_DIGITS, 2.0 / 8},
                 {TM_TEXT_UPPER, 2.0 / 3}};
    for (int i = 0; i < 4; i++) {
        const tm_step step = {.kind = TM_STEP_TEXT, .part = cases[i].part};
        assert_true(tm__text_value(&scratch, &text, &step) == cases[i].want);
    }
    tm__text_scratch_done(&scratch);
    tm__text_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_pairs_are_runs_of_letters_digits_and_other_bytes),
        cmocka_unit_test(case_of_ascii_does_not_matter_and_the_column_does),
        cmocka_unit_test(pieces_are_characters_of_a_word_with_a_blank_around),
        cmocka_unit_test(a_very_long_text_needs_no_memory_of_its_own),
        cmocka_unit_test(form_is_counted_in_characters),
    };
    return cmocka_run_group_tests_name("feature_text", tests, NULL, NULL);
}
