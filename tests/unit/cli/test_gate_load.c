/* SPDX-License-Identifier: Apache-2.0 */
/* This program is its own child: `test_gate_load bench version NAME --rate ...`. */
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/gate_load.h"
#include "temp_home.h"

static tm_gate_load load;

static int play_child(int argc, char **argv) {
    if (argc != 11 || strcmp(argv[2], "version") != 0 || strcmp(argv[5], "50") != 0 ||
        strcmp(argv[7], "3") != 0 || strcmp(argv[10], "--json") != 0) {
        return 9;
    }
    if (strcmp(argv[3], "crashes") == 0) {
        (void)raise(SIGKILL);
    }
    if (strcmp(argv[3], "refuses") == 0) {
        (void)fputs("error: it is not whole\nhint: no\n", stderr);
        return 8;
    }
    (void)printf("{\"schema\":\"x\",\"rows_per_second\":50,\"p99_us\":7}\n");
    return 0;
}

static tm_status test_version(const tm_home *home, const char *version, json_t **out, tm_err *err) {
    const tm_gate gate = {.load_rate = 50};
    const tm_load_tester *const tester = tm__gate_load_tester(&load);
    return tester->run(tester->arg, home, version, &gate, out, err);
}

static void figures_come_back_and_what_gives_way_is_told(void **state) {
    json_t *figures = NULL;
    tm_err err = {0};
    assert_int_equal(test_version(*state, "good", &figures, &err), TM_OK);
    assert_true(tm__json_f64(figures, "p99_us", 0) == 7);
    assert_null(json_object_get(figures, "schema"));
    json_decref(figures);
    assert_int_equal(test_version(*state, "crashes", &figures, &err), TM_E_REFUSED);
    assert_non_null(strstr(err.message, "signal 9"));
    assert_int_equal(test_version(*state, "refuses", &figures, &err), TM_E_REFUSED);
    assert_non_null(strstr(err.message, "error: it is not whole"));
    assert_null(strstr(err.message, "hint"));
}

static void nobody_is_started_when_no_gate_asks(void **state) {
    tm_gate_load none;
    json_t *figures = NULL;
    const tm_gate gate = {.load_rate = 50};
    const tm_cli cli = {.home = tm__home_path(*state)};
    assert_int_equal(tm__gate_load_open(&cli, "late", &none, NULL), TM_OK);
    assert_null(none.supervisor);
    const tm_load_tester *const tester = tm__gate_load_tester(&none);
    assert_int_equal(tester->run(tester->arg, *state, "late@1", &gate, &figures, NULL),
                     TM_E_CONFLICT);
    tm__gate_load_close(&none);
}

int main(int argc, char **argv) {
    const tm_cli cli = {0};
    if (argc > 1 && strcmp(argv[1], "bench") == 0) {
        return play_child(argc, argv);
    }
    if (tm__gate_load_open(&cli, NULL, &load, NULL) != TM_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(figures_come_back_and_what_gives_way_is_told,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(nobody_is_started_when_no_gate_asks, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tm__gate_load_close(&load);
    return failed;
}
