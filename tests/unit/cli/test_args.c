/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "own_tables.h"

/* Parse words that end with NULL. */
static tm_status parse(tm_cli *cli, const char *const *words, tm_err *err) {
    int n = 0;
    while (words[n] != NULL) {
        n++;
    }
    *cli = (tm_cli){0};
    *err = (tm_err){0};
    return tm__cli_parse(cli, n, words, err);
}
#define PARSE(cli, err, ...)                                                                       \
    parse((cli), (const char *const[]){"tidemill", __VA_ARGS__, NULL}, (err))

static void options_may_stand_anywhere(void **state) {
    (void)state;
    tm_cli cli;
    tm_err err;
    assert_int_equal(PARSE(&cli, &err, "--json", "grind", "--target=y", "x.csv", "-vv"), TM_OK);
    assert_string_equal(cli.command->name, "grind");
    assert_string_equal(tm__cli_text(&cli, "target"), "y");
    assert_string_equal(tm__cli_arg(&cli, "DATA"), "x.csv");
    assert_true(cli.json);
    assert_int_equal(cli.verbose, 2);
    assert_int_equal(cli.log.level, TM_DEBUG);
    tm__cli_done(&cli);
}

static void two_words_name_a_command(void **state) {
    (void)state;
    tm_cli cli;
    tm_err err;
    assert_int_equal(PARSE(&cli, &err, "stone", "show", "a@1"), TM_OK);
    assert_string_equal(cli.command->name, "stone show");
    assert_string_equal(tm__cli_arg(&cli, "MODEL"), "a@1");
    tm__cli_done(&cli);
    assert_int_equal(PARSE(&cli, &err, "stone"), TM_OK);
    assert_null(cli.command);
    assert_string_equal(cli.args[0], "stone");
    tm__cli_done(&cli);
}

static void values_have_defaults_and_types(void **state) {
    (void)state;
    tm_cli cli;
    tm_err err;
    assert_int_equal(PARSE(&cli, &err, "grind", "-ty", "--rate", "0.5", "--budget", "90s"), TM_OK);
    assert_string_equal(tm__cli_text(&cli, "target"), "y");
    assert_string_equal(tm__cli_text(&cli, "task"), "auto");
    assert_null(tm__cli_text(&cli, "out"));
    assert_int_equal(tm__cli_i64(&cli, "seed"), 7);
    assert_true(tm__cli_f64(&cli, "rate") > 0.49 && tm__cli_f64(&cli, "rate") < 0.51);
    assert_int_equal(tm__cli_duration_us(&cli, "budget"), 90000000);
    assert_true(tm__cli_has(&cli, "rate"));
    assert_false(tm__cli_has(&cli, "seed"));
    assert_null(tm__cli_arg(&cli, "DATA"));
    tm__cli_done(&cli);
    assert_int_equal(PARSE(&cli, &err, "grind", "-ty", "--budget", "1.5"), TM_OK);
    assert_int_equal(tm__cli_duration_us(&cli, "budget"), 1500000); /* as docs/cli.md has it */
    tm__cli_done(&cli);
}

static void lists_keep_their_order(void **state) {
    (void)state;
    tm_cli cli;
    tm_err err;
    uint32_t n;
    assert_int_equal(PARSE(&cli, &err, "grind", "-p", "a=1", "--drop", "x, y", "-t", "z", "-p",
                           "b=2", "--drop=w"),
                     TM_OK);
    const char *const *params = tm__cli_list(&cli, "param", &n);
    assert_int_equal(n, 2);
    assert_string_equal(params[0], "a=1");
    assert_string_equal(params[1], "b=2");
    const char *const *drop = tm__cli_list(&cli, "drop", &n);
    assert_int_equal(n, 3);
    assert_string_equal(drop[0], "x");
    assert_string_equal(drop[1], "y");
    assert_string_equal(drop[2], "w");
    tm__cli_done(&cli);
}

static void dashes_end_the_options(void **state) {
    (void)state;
    tm_cli cli;
    tm_err err;
    assert_int_equal(PARSE(&cli, &err, "many", "-", "--", "--json", "-x"), TM_OK);
    assert_int_equal(cli.n_args, 3);
    assert_string_equal(cli.args[1], "--json");
    assert_false(cli.json);
    tm__cli_done(&cli);
}

static void help_asks_for_nothing_else(void **state) {
    (void)state;
    tm_cli cli;
    tm_err err;
    assert_int_equal(PARSE(&cli, &err, "grind", "--help"), TM_OK);
    assert_true(tm__cli_flag(&cli, "help"));
    tm__cli_done(&cli);
    assert_int_equal(PARSE(&cli, &err, "-h"), TM_OK);
    assert_null(cli.command);
    tm__cli_done(&cli);
}

static void wrong_lines_say_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        const char *words[6];
        const char *message, *hint;
    } cases[] = {
        {{"grnd"}, "unknown command 'grnd'", "Did you mean `tidemill grind`?"},
        {{"stone", "sow"}, "unknown command 'stone sow'", "Did you mean `tidemill stone show`?"},
        {{"zzzzzzzz"}, "unknown command 'zzzzzzzz'", "`tidemill help` lists the commands."},
        {{"grind", "--tarqet", "y"}, "unknown option '--tarqet'", "Did you mean --target?"},
        {{"grind", "-z"}, "unknown option '-z'", "`tidemill grind --help` lists the options."},
        {{"--target", "grind"},
         "unknown option '--target'",
         "Options of a command stand after it; `tidemill help` lists commands."},
        {{"grind", "-t", "y", "a", "b"}, "one word too many: 'b'", NULL},
        {{"grind", "x.csv"}, "option '--target COL' is missing", NULL},
        {{"stone", "show"}, "MODEL is missing", NULL},
        {{"grind", "--target"}, "option '--target' needs a value", NULL},
        {{"grind", "--target", "--json"}, "option '--target' needs a value", NULL},
        {{"grind", "--target="}, "option '--target' has an empty value", NULL},
        {{"grind", "--json=1"}, "option '--json' takes no value", NULL},
        {{"grind", "-t", "y", "-t", "z"}, "option '--target' stands twice", NULL},
        {{"grind", "--seed", "1.5"}, "option '--seed' takes a whole number, not '1.5'", NULL},
        {{"grind", "--seed", "-1"}, "option '--seed' is at least 0, not '-1'", NULL},
        {{"grind", "--rate", "x"}, "option '--rate' takes a number, not 'x'", NULL},
        {{"grind", "--rate", "11"}, "option '--rate' is at most 10, not '11'", NULL},
        {{"grind", "--budget", "soon"}, "option '--budget' takes a duration, not 'soon'", NULL},
        {{"grind", "--task", "x"},
         "option '--task' does not know 'x'",
         "Choose one of: auto binary."},
        {{"grind", "--drop", "a,,b"}, "option '--drop' has an empty part: 'a,,b'", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *words[8] = {"tidemill"};
        memcpy(&words[1], cases[i].words, sizeof(cases[i].words));
        tm_cli cli;
        tm_err err;
        assert_int_equal(parse(&cli, words, &err), TM_E_USAGE);
        assert_string_equal(err.message, cases[i].message);
        if (cases[i].hint != NULL) {
            assert_string_equal(err.hint, cases[i].hint);
        }
        tm__cli_done(&cli);
    }
}

static void running_out_of_memory_leaks_nothing(void **state) {
    (void)state;
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK && nth < 100; nth++) {
        tm_cli cli;
        tm_err err;
        tm__mem_fail_at(nth, false);
        st = PARSE(&cli, &err, "grind", "x.csv", "-t", "y", "--drop", "a,b", "-p", "c=1");
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        tm__cli_done(&cli);
        assert_int_equal(tm__mem_alive(), alive);
    }
    assert_int_equal(st, TM_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_may_stand_anywhere),
        cmocka_unit_test(two_words_name_a_command),
        cmocka_unit_test(values_have_defaults_and_types),
        cmocka_unit_test(lists_keep_their_order),
        cmocka_unit_test(dashes_end_the_options),
        cmocka_unit_test(help_asks_for_nothing_else),
        cmocka_unit_test(wrong_lines_say_what_is_wrong),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
