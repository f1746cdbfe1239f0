/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

static tm_profile profile_of(const char *const *texts, uint32_t n) {
    tm_table_builder *builder = tm__builder_create();
    assert_int_equal(tm__builder_add_column(builder, "x", TM_TYPE_TEXT, NULL), TM_OK);
    uint32_t *rows = tm__mem_alloc(n, sizeof(uint32_t));
    for (uint32_t i = 0; i < n; i++) {
        const tm_cell cell = {.type = TM_TYPE_TEXT, .text = tm__str(texts[i])};
        assert_int_equal(tm__builder_add_row(builder, &cell, NULL), TM_OK);
        rows[i] = i;
    }
    tm_table *table = NULL;
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    tm_profile profile;
    tm__profile_column(tm__table_column(table, 0), rows, n, 3, &profile);
    tm__profile_done(&profile); /* the plain members stay known to the copy below */
    tm__profile_column(tm__table_column(table, 0), rows, n, 3, &profile);
    tm_profile plain = profile;
    tm__profile_done(&profile);
    tm__mem_free(rows);
    tm__table_unref(table);
    return plain;
}

static const char *pattern_of(const char *fmt, uint32_t first) {
    char texts[60][64];
    const char *list[60];
    for (uint32_t i = 0; i < 60; i++) {
        snprintf(texts[i], sizeof(texts[i]), fmt, first + i * 7);
        list[i] = texts[i];
    }
    const char *pattern = profile_of(list, 60).pattern;
    return pattern == NULL ? "" : pattern;
}

static void personal_identifiers_are_known_by_their_form(void **state) {
    (void)state;
    static const struct {
        const char *fmt;
        const char *want;
    } cases[] = {
        {"user%u@example.org", "e-mail addresses"},
        {"901-55-%u", "national numbers"},
        {"+1 (555) 010-%u", "phone numbers"},
        {"2001:db8::%u", "network addresses"},
        {"order %u at noon", ""},
        {"A/%u", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        assert_string_equal(pattern_of(cases[i].fmt, 1200), cases[i].want);
#pragma GCC diagnostic pop
    }
}

static void counts_and_words_are_those_of_the_rows(void **state) {
    (void)state;
    static const char *const texts[] = {"big cat", "big cat", "big cat", "dog 7", "dog 7", "eel"};
    const tm_profile profile = profile_of(texts, 6);
    assert_int_equal(profile.n_distinct, 3);
    assert_int_equal(profile.n_counts, 1);
    assert_int_equal(profile.n_in_counts, 3);
    assert_true(fabs(profile.n_words_mean - 4.0 / 3) < 1e-12);
    assert_true(fabs(profile.digits_share - 1.0 / 3) < 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(personal_identifiers_are_known_by_their_form),
        cmocka_unit_test(counts_and_words_are_those_of_the_rows),
    };
    return cmocka_run_group_tests_name("feature_profile", tests, NULL, NULL);
}
