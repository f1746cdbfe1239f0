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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_a_library_are_found),
        cmocka_unit_test(a_missing_library_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
