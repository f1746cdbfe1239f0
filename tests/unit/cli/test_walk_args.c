/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "cli/walk_args.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test"};

static void register_two(const tm_home *home) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    for (uint32_t i = 0; i < 2; i++) {
        const tm_tiny_bundle options = {.auc = 0.7 + 0.1 * i};
        tm_version version = {0};
        tm_bundle *bundle = tm__tiny_bundle_create(home, &options);
        assert_int_equal(tm__registry_add(registry, "tiny", bundle, NULL, &actor, &version, NULL),
                         TM_OK);
        tm__version_done(&version);
        tm__bundle_unref(bundle);
    }
    tm__registry_close(registry);
}

static tm_status open_words(const tm_home *home, const char *name, const char *since,
                            const char *until, tm_walk_args *out) {
    const char *const words[] = {"tidemill",          "monitor", "replay", name,      "--home",
                                 tm__home_path(home), "--since", since,    "--until", until};
    tm_cli cli = {0};
    assert_int_equal(tm__cli_parse(&cli, 10, words, NULL), TM_OK);
    const tm_status st = tm__walk_args_open(&cli, out, NULL);
    tm__cli_done(&cli);
    return st;
}

static void a_name_and_times_say_which_answers_are_meant(void **state) {
    tm_walk_args args = {0};
    register_two(*state);
    assert_int_equal(open_words(*state, "tiny", "2020-01-01", "2021-01-01", &args), TM_OK);
    assert_string_equal(args.options.model, "tiny");
    assert_int_equal(args.options.version, 0);
    assert_int_equal(args.options.from_us, INT64_C(1577836800000000));
    tm__walk_args_close(&args);
    assert_int_equal(open_words(*state, "tiny@2", "7d", "1d", &args), TM_OK);
    assert_int_equal(args.options.version, 2);
    const int64_t width_us = args.options.until_us - args.options.from_us;
    const int64_t days_us = 6 * INT64_C(86400000000);
    assert_true(width_us >= days_us && width_us < days_us + 60000000); /* each asks for the time */
    tm__walk_args_close(&args);
    assert_int_equal(open_words(*state, "tiny", "1d", "7d", &args), TM_E_USAGE);
    tm__walk_args_close(&args);
    assert_int_equal(open_words(*state, "nobody", "7d", "1d", &args), TM_E_NOT_FOUND);
    tm__walk_args_close(&args);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_name_and_times_say_which_answers_are_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
