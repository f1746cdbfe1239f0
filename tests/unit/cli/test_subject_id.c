/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/subject_id.h"
#include "temp_home.h"

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

static tm_status read_text(const char *path, const char *text, tm_cli_subjects *out, tm_err *err) {
    tm__cli_subjects_done(out);
    assert_int_equal(tm__fs_publish(path, text, strlen(text), NULL), TM_OK);
    return tm__cli_subjects_read(NULL, path, out, err);
}

static void a_file_holds_an_id_a_line(void **state) {
    tm_cli_subjects who = {0};
    tm_err err = {0};
    char *const path = tm__fs_join(tm__home_path(*state), "ids.txt");
    assert_int_equal(read_text(path, "a\r\n\n b c \n4711\na", &who, NULL), TM_OK);
    assert_int_equal(tm__dict_count(who.ids), 3);
    assert_true(tm__str_is(tm__dict_get(who.ids, 1), "b c"));
    assert_int_equal(read_text(path, "a\nb\xff\n", &who, &err), TM_E_USAGE);
    assert_non_null(strstr(err.hint, "line 2"));
    assert_int_equal(read_text(path, "\n \n", &who, NULL), TM_E_USAGE);
    tm__cli_subjects_done(&who);
    /* One of both. */
    assert_int_equal(tm__cli_subjects_read(NULL, NULL, &who, NULL), TM_E_USAGE);
    assert_int_equal(tm__cli_subjects_read("a", path, &who, NULL), TM_E_USAGE);
    assert_int_equal(tm__cli_subjects_read("a", NULL, &who, NULL), TM_OK);
    assert_int_equal(tm__dict_find(who.ids, tm__str("a")), 0);
    tm__cli_subjects_done(&who);
    tm__mem_free(path);
}

static void no_more_than_a_command_erases(void **state) {
    tm_cli_subjects who = {0};
    tm_buf text;
    char *const path = tm__fs_join(tm__home_path(*state), "ids.txt");
    tm__buf_init(&text, 1000000);
    for (uint32_t i = 0; i < TM_SUBJECTS_MAX; i++) {
        char line[16];
        (void)snprintf(line, sizeof(line), "%u\n", i);
        tm__buf_text(&text, line);
    }
    tm__buf_byte(&text, '\0');
    assert_int_equal(read_text(path, (const char *)text.data, &who, NULL), TM_OK);
    text.len--;
    tm__buf_append(&text, "last", 5);
    assert_int_equal(read_text(path, (const char *)text.data, &who, NULL), TM_E_LIMIT);
    tm__cli_subjects_done(&who);
    tm__buf_done(&text);
    tm__mem_free(path);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_id_is_one_text),
                                       TEST(a_file_holds_an_id_a_line),
                                       TEST(no_more_than_a_command_erases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
