/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/module.h"
#include "support.h"

static void functions_of_a_library_are_found(void **state) {
    (void)state;
    tm_module *module = NULL;
    assert_int_equal(tm__module_open("libsodium.so.23", &module, NULL), TM_OK);
    const tm_module_fn function = tm__module_find(module, "sodium_library_version_major");
    assert_non_null(function);
    assert_true(((int (*)(void))function)() > 0);
    assert_null(tm__module_find(module, "no_such_function"));
    tm__module_close(module);
    tm__module_close(NULL);
}

static void a_missing_library_is_named(void **state) {
    (void)state;
    tm_module *module = NULL;
    tm_err err = {0};
    assert_int_equal(tm__module_open("/nowhere/libx.so", &module, &err), TM_E_UNAVAILABLE);
    assert_non_null(strstr(err.message, "'/nowhere/libx.so'"));
    assert_null(module);
    tm__mem_fail_at(1, false);
    assert_int_equal(tm__module_open("libsodium.so.23", &module, NULL), TM_E_NOMEM);
    tm__mem_fail_at(0, false);
    assert_null(module);
}

static const char *const names[] = {"sodium_library_version_major", "sodium_init"};
static const tm_library sodium = {.need = "seals need libsodium",
                                  .file = "libsodium.so.23",
                                  .variable = "TIDEMILL_TEST_LIBRARY",
                                  .missing_hint = "Install it.",
                                  .old_hint = "Install a new one.",
                                  .names = names,
                                  .n = 2};

static void all_functions_of_a_library_are_found_or_none(void **state) {
    (void)state;
    tm_module_fn found[2] = {NULL};
    tm_err err = {0};
    assert_int_equal(tm__library_load(&sodium, "libm.so.6", found, &err), TM_E_UNSUPPORTED);
    assert_string_equal(err.message, "seals need libsodium, and 'libm.so.6' has no function "
                                     "'sodium_library_version_major'");
    assert_string_equal(err.hint, "Install a new one.");
    assert_int_equal(setenv("TIDEMILL_TEST_LIBRARY", "/nowhere/libx.so", 1), 0);
    assert_int_equal(tm__library_load(&sodium, NULL, found, &err), TM_E_UNSUPPORTED);
    assert_string_equal(err.message,
                        "seals need libsodium, and '/nowhere/libx.so' cannot be loaded");
    assert_string_equal(err.hint, "Install it.");
    assert_int_equal(unsetenv("TIDEMILL_TEST_LIBRARY"), 0);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        tm__mem_fail_at(nth, false);
        assert_int_equal(tm__library_load(&sodium, NULL, found, NULL), TM_E_NOMEM);
        tm__mem_fail_at(0, false);
    }
    assert_null(found[0]);
    assert_int_equal(tm__library_load(&sodium, NULL, found, NULL), TM_OK);
    assert_true(((int (*)(void))found[0])() > 0);
    assert_non_null(found[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_a_library_are_found),
        cmocka_unit_test(a_missing_library_is_named),
        cmocka_unit_test(all_functions_of_a_library_are_found_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
