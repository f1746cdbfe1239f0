/* SPDX-License-Identifier: Apache-2.0 */
#include "base/command.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

static tm_status run(const char *script, uint32_t seconds_max, char out[64], tm_err *err) {
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const tm_command command = {.argv = argv, .seconds_max = seconds_max};
    memset(out, 'x', 64);
    return tm__command_run(&command, out, 64, err);
}

static void what_it_writes_is_taken(void **state) {
    (void)state;
    char out[64];
    assert_int_equal(run("echo a; echo b", 20, out, NULL), TM_OK);
    assert_string_equal(out, "a\nb\n");
    assert_int_equal(run("cat; ls /proc/self/fd | wc -l", 20, out, NULL), TM_OK);
    assert_true(atoi(out) <= 4); /* of `ls` one is the folder's */
    assert_int_equal(run(":", 20, out, NULL), TM_OK);
    assert_string_equal(out, "");
}

static void what_is_wrong_with_it_is_said_and_never_what_it_wrote(void **state) {
    (void)state;
    static const struct {
        const char *script;
        uint32_t seconds_max;
        tm_status want;
        const char *says;
    } cases[] = {
        {"echo secret; exit 3", 120, TM_E_UNAVAILABLE, "ended with code 3"},
        {"echo secret; kill -9 $$", 120, TM_E_UNAVAILABLE, "was killed"},
        {"echo secret; exec sleep 60", 0, TM_E_UNAVAILABLE, "takes too long"},
        {"exec >&-; exec sleep 60", 0, TM_E_UNAVAILABLE, "takes too long"},
        {"yes secret", 120, TM_E_LIMIT, "64 bytes or more"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[64];
        tm_err err = {0};
        assert_int_equal(run(cases[i].script, cases[i].seconds_max, out, &err), cases[i].want);
        if (strstr(err.message, cases[i].says) == NULL) {
            fail_msg("%s: %s", cases[i].script, err.message);
        }
        assert_null(strstr(err.message, "secret"));
        for (size_t k = 0; k < sizeof(out); k++) {
            assert_int_equal(out[k], 0);
        }
    }
    const char *const none[] = {"/nowhere/kms", NULL};
    const tm_command command = {.argv = none, .seconds_max = 120};
    char out[64];
    tm_err err = {0};
    assert_int_equal(tm__command_run(&command, out, 64, &err), TM_E_UNAVAILABLE);
    assert_non_null(strstr(err.message, "/nowhere/kms"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_writes_is_taken),
        cmocka_unit_test(what_is_wrong_with_it_is_said_and_never_what_it_wrote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
