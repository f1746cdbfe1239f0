/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/json.h"
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

static void every_parameter_is_listed_with_its_default_and_range(void **state) {
    (void)state;
    tm_buf text;
    tm__buf_init(&text, 65536);
    tm__help_params(80, &text);
    tm__buf_byte(&text, '\0');
    const char *help = (const char *)text.data;
    json_t *all = tm__help_params_json(),
           *gbdt = json_object_get(json_object_get(all, "learners"), "gbdt");
    size_t i = 0;
    json_t *param = NULL;
    assert_true(json_array_size(gbdt) > 15);
    json_array_foreach(gbdt, i, param) {
        char want[96];
        (void)snprintf(want, sizeof(want), "gbdt.%s=", tm__json_text(param, "name", "?"));
        assert_non_null(strstr(help, want));
        assert_true(json_is_array(json_object_get(param, "choices")) !=
                    json_is_number(json_object_get(param, "min")));
    }
    assert_non_null(strstr(help, "gbdt.n_trees=200"));
    assert_non_null(strstr(help, "[1 to 100000]"));
    assert_non_null(strstr(help, "gbdt.objective=auto"));
    assert_non_null(strstr(help, "linear.strength=0"));
    json_decref(all);
    tm__buf_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_come_before_options),
        cmocka_unit_test(no_line_is_wider_than_asked),
        cmocka_unit_test(a_first_word_lists_its_commands),
        cmocka_unit_test(every_parameter_is_listed_with_its_default_and_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
