/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/buf.h"
#include "own_tables.h"

static void each_shell_gets_commands_and_choices(void **state) {
    (void)state;
    static const char *const shells[] = {"bash", "zsh", "fish"};
    for (int i = 0; i < 3; i++) {
        tm_buf text;
        tm__buf_init(&text, 1u << 20);
        assert_true(tm__completion_write(shells[i], &text));
        assert_false(text.failed);
        const char *script = (const char *)text.data;
        assert_non_null(strstr(script, "grind"));
        assert_non_null(strstr(script, "auto binary"));
        assert_non_null(strstr(script, i == 2 ? "-l target" : "--target"));
        assert_non_null(strstr(script, "ls show"));
        tm__buf_done(&text);
    }
}

static void quotes_of_fish_are_escaped(void **state) {
    (void)state;
    tm_buf text;
    tm__buf_init(&text, 1u << 20);
    assert_true(tm__completion_write("fish", &text));
    assert_non_null(
        strstr((const char *)text.data, "'File to write; it says \\'why\\' and a\\\\b.'"));
    tm__buf_done(&text);
}

static void an_unknown_shell_writes_nothing(void **state) {
    (void)state;
    tm_buf text;
    tm__buf_init(&text, 1024);
    assert_false(tm__completion_write("tcsh", &text));
    assert_int_equal(text.len, 0);
    tm__buf_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_shell_gets_commands_and_choices),
        cmocka_unit_test(quotes_of_fish_are_escaped),
        cmocka_unit_test(an_unknown_shell_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
