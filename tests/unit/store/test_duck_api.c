/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "store/duck_priv.h"
#include "test.h"

static void the_library_is_found_and_names_itself(void **state) {
    (void)state;
    const char *version = NULL, *path = NULL;
    assert_int_equal(tm__duck_version(&version, &path, NULL), TM_OK);
    assert_int_equal(version[0], 'v');
    assert_non_null(strstr(path, "libduckdb.so"));
}

static void a_library_that_is_not_there_names_the_set_up(void **state) {
    (void)state;
    const char *version = NULL, *path = NULL;
    tm_err err = {0};
    assert_int_equal(setenv("TIDEMILL_DUCKDB", "/nowhere/libduckdb.so", 1), 0);
    assert_int_equal(tm__duck_version(&version, &path, &err), TM_E_UNSUPPORTED);
    assert_string_equal(err.message,
                        "this needs DuckDB, and '/nowhere/libduckdb.so' cannot be loaded");
    assert_non_null(strstr(err.hint, "./run setup"));
    assert_null(version);
    assert_int_equal(setenv("TIDEMILL_DUCKDB", "libm.so.6", 1), 0);
    assert_int_equal(tm__duck_version(&version, &path, &err), TM_E_UNSUPPORTED);
    assert_int_equal(unsetenv("TIDEMILL_DUCKDB"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_is_found_and_names_itself),
        cmocka_unit_test(a_library_that_is_not_there_names_the_set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
