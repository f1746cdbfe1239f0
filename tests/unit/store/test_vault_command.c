/* SPDX-License-Identifier: Apache-2.0 */
#include "store/vault_command.h"

#include <stdio.h>
#include <string.h>

#include "base/kept_secret.h"
#include "base/mem.h"
#include "test.h"

#define ONE "1111111111111111111111111111111111111111111111111111111111111111"
#define TWO "2222222222222222222222222222222222222222222222222222222222222222"

static void a_source_is_a_list_of_words_that_begins_with_a_path(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool is;
    } cases[] = {
        {"command:[\"/usr/bin/kms\"]", true},
        {"command:[\"/usr/bin/kms\",\"show\",\"a b\"]", true},
        {"command:[\"kms\"]", false},
        {"command:[]", false},
        {"command:/usr/bin/kms", false},
        {"command:[\"/usr/bin/kms\",7]", false},
        {"command:[\"/usr/bin/kms\",\"a\\u0000b\"]", false},
        {"command:", false},
        {"file:[\"/usr/bin/kms\"]", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (tm__vault_is_command(cases[i].text) != cases[i].is) {
            fail_msg("%s", cases[i].text);
        }
    }
    json_t *words = json_pack("[s, s]", "/usr/bin/kms", "a \"b\"");
    char *source = NULL;
    assert_int_equal(tm__vault_command_source(words, &source, NULL), TM_OK);
    assert_string_equal(source, "command:[\"/usr/bin/kms\",\"a \\\"b\\\"\"]");
    assert_true(tm__vault_is_command(source));
    tm__mem_free(source);
    json_decref(words);
}

static tm_status key_of(const char *lines, const char *id, char out_id[TM_ENVELOPE_ID_TEXT],
                        tm_err *err) {
    char source[400];
    tm_envelope_key key = {0};
    const tm_command_ask ask = {.id = id};
    (void)snprintf(source, sizeof(source), "command:[\"/usr/bin/printf\",\"%s\"]", lines);
    const tm_status st = tm__vault_command_key(source, &ask, &key, err);
    tm__envelope_id_to_text(key.id, out_id);
    tm__kept_reset();
    return st;
}

static void it_says_keys_one_a_line(void **state) {
    (void)state;
    char one[TM_ENVELOPE_ID_TEXT], two[TM_ENVELOPE_ID_TEXT], id[TM_ENVELOPE_ID_TEXT];
    assert_int_equal(key_of(ONE, NULL, one, NULL), TM_OK);
    assert_int_equal(key_of(TWO "\\\\n" ONE "\\\\n", NULL, two, NULL), TM_OK);
    assert_string_not_equal(one, two); /* the first line seals */
    assert_int_equal(key_of(TWO "\\\\n\\\\n  " ONE, one, id, NULL), TM_OK);
    assert_string_equal(id, one);
    static const char *const wrong[] = {"", "word", ONE " " TWO, ONE "\\\\nword", "11"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        tm_err err = {0};
        assert_int_equal(key_of(wrong[i], NULL, id, &err), TM_E_DATA);
        assert_true(strstr(err.message, "11") == NULL && strstr(err.message, "word") == NULL);
    }
    assert_int_equal(key_of(ONE, two, id, NULL), TM_E_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_is_a_list_of_words_that_begins_with_a_path),
        cmocka_unit_test(it_says_keys_one_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
