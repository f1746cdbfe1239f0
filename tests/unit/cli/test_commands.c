/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"

static void every_command_is_found_by_its_name(void **state) {
    (void)state;
    uint32_t n;
    const tm_command *all = tm__commands(&n);
    assert_true(n >= 4);
    for (uint32_t i = 0; i < n; i++) {
        assert_ptr_equal(tm__command_find(all[i].name), &all[i]);
        assert_non_null(all[i].run);
        assert_true(all[i].n_examples > 0);
    }
    assert_null(tm__command_find("grnd"));
}

/* Cut an example at blanks, without a shell; words in quotes make it not comparable. */
static int words_of(char *line, const char **out, int n_max) {
    int n = 0;
    for (char *rest = line; *rest != '\0' && n < n_max;) {
        char *end = strchr(rest, ' ');
        out[n++] = rest;
        if (end == NULL) {
            break;
        }
        *end = '\0';
        rest = end + 1;
    }
    return n;
}

static void every_plain_example_parses(void **state) {
    (void)state;
    uint32_t n;
    const tm_command *all = tm__commands(&n);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < all[i].n_examples; j++) {
            char line[512];
            const char *words[64];
            tm_cli cli = {0};
            tm_err err = {0};
            strncpy(line, all[i].examples[j].command, sizeof(line) - 1);
            line[sizeof(line) - 1] = '\0';
            if (strpbrk(line, "'\">|$") != NULL) {
                continue;
            }
            const int n_words = words_of(line, words, 64);
            print_message("%s\n", all[i].examples[j].command);
            assert_int_equal(tm__cli_parse(&cli, n_words, words, &err), TM_OK);
            assert_ptr_equal(cli.command, &all[i]);
            tm__cli_done(&cli);
        }
    }
}

static void defaults_are_values_of_their_type(void **state) {
    (void)state;
    uint32_t n;
    const tm_command *all = tm__commands(&n);
    for (uint32_t i = 0; i < n; i++) {
        tm_cli cli = {.command = &all[i]};
        for (uint32_t j = 0; j < all[i].n_options; j++) {
            const tm_option *option = &all[i].options[j];
            switch (option->type) {
            case TM_OPTION_INT:
                (void)tm__cli_i64(&cli, option->name);
                break;
            case TM_OPTION_FLOAT:
                (void)tm__cli_f64(&cli, option->name);
                break;
            case TM_OPTION_DURATION:
                (void)tm__cli_duration_us(&cli, option->name);
                break;
            case TM_OPTION_CHOICE:
                assert_true(option->otherwise == NULL ||
                            strstr(option->choices, option->otherwise) != NULL);
                break;
            default:
                break;
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_found_by_its_name),
        cmocka_unit_test(every_plain_example_parses),
        cmocka_unit_test(defaults_are_values_of_their_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
