/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "feature_case.h"

static const char *const words[] = {"number", "category", "text", "time", "keep", "drop"};

static void meanings_have_words_and_types(void **state) {
    (void)state;
    tm_meaning meaning = TM_MEANS_WHAT_IT_LOOKS_LIKE;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_true(tm__meaning_from_text(words[i], &meaning));
        assert_string_equal(tm__meaning_text(meaning), words[i]);
    }
    assert_false(tm__meaning_from_text("", &meaning));
    assert_false(tm__meaning_from_text("Category", &meaning));
    assert_true(tm__meaning_fits(TM_MEANS_TIME, TM_TYPE_TEXT));
    assert_false(tm__meaning_fits(TM_MEANS_TIME, TM_TYPE_FLOAT));
    assert_false(tm__meaning_fits(TM_MEANS_TEXT, TM_TYPE_INT));
    assert_false(tm__meaning_fits(TM_MEANS_CATEGORY, TM_TYPE_TIME));
    assert_true(tm__meaning_fits(TM_MEANS_DROP, TM_TYPE_TIME));
}

static void another_type_is_read_by_an_expression(void **state) {
    (void)state;
    static const struct {
        tm_type type;
        tm_meaning meaning;
        const char *want;
    } cases[] = {
        {TM_TYPE_INT, TM_MEANS_CATEGORY, "\"a \"\"b\"\".category\" = text(\"a \"\"b\"\"\")"},
        {TM_TYPE_TEXT, TM_MEANS_NUMBER, "\"a \"\"b\"\".number\" = number(\"a \"\"b\"\"\")"},
        {TM_TYPE_TEXT, TM_MEANS_TIME, "\"a \"\"b\"\".time\" = time(\"a \"\"b\"\"\")"},
        {TM_TYPE_DATE, TM_MEANS_NUMBER, "\"a \"\"b\"\".number\" = days(\"a \"\"b\"\"\")"},
        {TM_TYPE_TEXT, TM_MEANS_CATEGORY, NULL},
        {TM_TYPE_INT, TM_MEANS_NUMBER, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = NULL;
        assert_true(tm__meaning_words("a \"b\"", cases[i].type, cases[i].meaning, &text));
        if (cases[i].want == NULL)
            assert_null(text);
        else
            assert_string_equal(text, cases[i].want);
        tm__mem_free(text);
    }
}

/* What is asked is made, and columns, rows and files agree on it. */
static void a_meaning_decides_what_is_made_of_a_column(void **state) {
    (void)state;
    static const tm_as as[] = {
        {"size", TM_MEANS_CATEGORY, false}, {"color", TM_MEANS_TEXT, false},
        {"code", TM_MEANS_NUMBER, false},   {"row_id", TM_MEANS_KEEP, false},
        {"at", TM_MEANS_NUMBER, false},     {"remark", TM_MEANS_CATEGORY, false},
        {"not there", TM_MEANS_KEEP, false}};
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 800);
    c.options.as = as;
    c.options.n_as = sizeof(as) / sizeof(as[0]);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    const uint32_t size = case_feature(c.program, "size.category");
    assert_int_not_equal(size, UINT32_MAX);
    assert_true(tm__program_feature(c.program, size)->is_categorical);
    assert_int_equal(tm__program_feature(c.program, size)->input, CASE_INT);
    assert_int_equal(case_feature(c.program, "size"), UINT32_MAX);
    assert_int_equal(case_feature(c.program, "color"), UINT32_MAX);
    assert_int_not_equal(case_feature(c.program, "color.words"), UINT32_MAX);
    assert_int_not_equal(case_feature(c.program, "row_id"), UINT32_MAX);
    assert_int_not_equal(case_feature(c.program, "at.number"), UINT32_MAX);
    assert_int_equal(case_feature(c.program, "at.hour"), UINT32_MAX);
    assert_rows_equal_columns(c.program, c.table);
    json_t *said = tm__program_to_json(c.program);
    char *text = json_dumps(said, 0);
    assert_non_null(strstr(text, "category, as asked: "));
    assert_non_null(strstr(text, "keep, as asked: as it is"));
    free(text);
    json_decref(said);
    case_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(meanings_have_words_and_types),
        cmocka_unit_test(another_type_is_read_by_an_expression),
        cmocka_unit_test(a_meaning_decides_what_is_made_of_a_column),
    };
    return cmocka_run_group_tests_name("feature_meaning", tests, NULL, NULL);
}
