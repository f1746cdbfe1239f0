/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "cli/subject_id.h"

static void an_id_is_one_text(void **state) {
    (void)state;
    static const struct {
        const char *text;
        tm_status want;
    } cases[] = {{"4711", TM_OK}, {"a b", TM_OK}, {"", TM_E_USAGE}, {"\xff", TM_E_USAGE}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *id = NULL;
        assert_int_equal(tm__cli_subject_read(cases[i].text, &id, NULL), cases[i].want);
        if (cases[i].want == TM_OK) {
            assert_string_equal(id, cases[i].text);
        }
        tm__cli_subject_done(id);
    }
    char *id = NULL;
    char text[1100];
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = 'x';
    }
    text[1025] = '\0';
    assert_int_equal(tm__cli_subject_read(text, &id, NULL), TM_E_USAGE);
    text[1024] = '\0';
    assert_int_equal(tm__cli_subject_read(text, &id, NULL), TM_OK);
    tm__cli_subject_done(id);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_id_is_one_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
