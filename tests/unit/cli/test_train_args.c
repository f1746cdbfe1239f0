/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/train_args.h"

#include "test.h"

#define N_WORDS 8

/* words: what stands behind "tidemill train", up to a NULL. */
static tm_status args_of(const char *const words[N_WORDS], tm_cli *cli, tm_train_options *out,
                         char name[TM_MAX_NAME + 1], tm_err *err) {
    const char *all[N_WORDS + 2] = {"tidemill", "train"};
    int n = 2;
    for (size_t i = 0; i < N_WORDS && words[i] != NULL; i++) {
        all[n++] = words[i];
    }
    *cli = (tm_cli){0};
    *out = (tm_train_options){0};
    assert_int_equal(tm__cli_parse(cli, n, all, NULL), TM_OK);
    return tm__train_args(cli, out, name, err);
}

static void a_model_is_called_as_is_said_or_like_what_it_learns_from(void **state) {
    (void)state;
    static const struct {
        const char *words[N_WORDS], *name;
    } cases[] = {
        {{"data/late flights.2024.csv", "--target", "late"}, "late-flights"},
        {{"data/a.csv", "--target", "late", "--name", "mine_2"}, "mine_2"},
        {{"--source", "orders", "--target", "late"}, "orders"},
        {{"--sql", "SELECT 1", "--target", "is it late?"}, "is-it-late"},
        {{".csv", "--target", "late"}, "model"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_cli cli;
        tm_train_options options;
        char name[TM_MAX_NAME + 1];
        assert_int_equal(args_of(cases[i].words, &cli, &options, name, NULL), TM_OK);
        assert_string_equal(name, cases[i].name);
        assert_string_equal(options.model, cases[i].name);
        tm__cli_done(&cli);
    }
}

static void what_cannot_stand_together_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *words[N_WORDS], *message;
    } cases[] = {
        {{"a.csv"}, "option '--target COL' is missing"},
        {{"a.csv", "--target", "y", "--name", "a b"}, "'a b' is no name for a model"},
        {{"a.csv", "--target", "y", "--work", "9000000", "--budget", "1m"},
         "--work and --budget cannot stand together"},
        {{"a.csv", "--target", "y", "--label-delay", "1d", "--checkpoint", "10m"},
         "--checkpoint of labels that come late needs --as-of"},
        {{"a.csv", "--continue", "late", "--seed", "7"},
         "'--seed' and --continue cannot stand together"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_cli cli;
        tm_train_options options;
        tm_err err = {0};
        char name[TM_MAX_NAME + 1];
        assert_int_equal(args_of(cases[i].words, &cli, &options, name, &err), TM_E_USAGE);
        assert_string_equal(err.message, cases[i].message);
        tm__cli_done(&cli);
    }
}

static void options_are_what_was_typed(void **state) {
    (void)state;
    static const char *const words[N_WORDS] = {"a.csv", "--target", "y",   "--budget",
                                               "90s",   "--drop",   "x,z", "--seed=7"};
    tm_cli cli;
    tm_train_options options;
    char name[TM_MAX_NAME + 1];
    assert_int_equal(args_of(words, &cli, &options, name, NULL), TM_OK);
    assert_string_equal(options.target, "y");
    assert_int_equal(options.budget_ms, 90000);
    assert_int_equal(options.seed, 7);
    assert_true(options.n_drop > 0 && options.finds_times);
    tm__cli_done(&cli);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_called_as_is_said_or_like_what_it_learns_from),
        cmocka_unit_test(what_cannot_stand_together_is_refused),
        cmocka_unit_test(options_are_what_was_typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
