/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/buf.h"
#include "own_tables.h"

static void examples_come_before_options(void **state) {
    (void)state;
    tm_buf text;
    tm__buf_init(&text, 65536);
    tm__help_command(&own_commands[0], 80, &text);
    const char *help = (const char *)text.data;
    assert_true(strncmp(help, "Learn from a table.\n", 20) == 0);
    const char *example = strstr(help, "tidemill grind x.csv --target y");
    const char *options = strstr(help, "Options:");
    assert_non_null(example);
    assert_non_null(options);
    assert_true(example < options);
    assert_non_null(strstr(help, "Usage: tidemill grind [DATA] --target COL [options]"));
    assert_non_null(strstr(help, "One of: auto binary. [auto]"));
    assert_non_null(strstr(help, "--json"));
    assert_non_null(strstr(help, "It reads only the files named."));
    tm__buf_done(&text);
}

static void no_line_is_wider_than_asked(void **state) {
    (void)state;
    tm_buf text;
    tm__buf_init(&text, 65536);
    tm__help_command(&own_commands[0], 60, &text);
    size_t width = 0;
    for (size_t i = 0; i < text.len; i++) {
        width = text.data[i] == '\n' ? 0 : width + 1;
        assert_true(width <= 60);
    }
    tm__buf_done(&text);
}

static void a_first_word_lists_its_commands(void **state) {
    (void)state;
    tm_buf text;
    tm__buf_init(&text, 65536);
    tm__help_list("stone", 80, &text);
    assert_non_null(strstr((const char *)text.data, "stone ls"));
    assert_null(strstr((const char *)text.data, "grind"));
    tm__buf_reset(&text);
    tm__help_list(NULL, 80, &text);
    assert_non_null(strstr((const char *)text.data, "Learn:\n  grind"));
    assert_non_null(strstr((const char *)text.data, "Look:\n  stone ls"));
    tm__buf_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_come_before_options),
        cmocka_unit_test(no_line_is_wider_than_asked),
        cmocka_unit_test(a_first_word_lists_its_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
