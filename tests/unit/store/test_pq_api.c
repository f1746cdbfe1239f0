/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "store/pq_priv.h"
#include "test.h"

static void the_library_is_found_with_all_its_functions(void **state) {
    (void)state;
    tm_pq_api api = {0};
    assert_int_equal(tm__pq_api_load(&api, NULL), TM_OK);
#define X(name) assert_true(api.name != NULL);
    TM_PQ_FUNCTIONS(X)
#undef X
}

static void a_library_that_is_not_there_names_its_package(void **state) {
    (void)state;
    tm_pq_api api = {0};
    tm_err err = {0};
    assert_int_equal(setenv("TIDEMILL_LIBPQ", "/nowhere/libpq.so.5", 1), 0);
    assert_int_equal(tm__pq_api_load(&api, &err), TM_E_UNSUPPORTED);
    assert_string_equal(err.message,
                        "PostgreSQL needs libpq, and '/nowhere/libpq.so.5' cannot be loaded");
    assert_non_null(strstr(err.hint, "libpq5"));
    assert_int_equal(setenv("TIDEMILL_LIBPQ", "libm.so.6", 1), 0);
    assert_int_equal(tm__pq_api_load(&api, &err), TM_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "has no function"));
    assert_int_equal(unsetenv("TIDEMILL_LIBPQ"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_is_found_with_all_its_functions),
        cmocka_unit_test(a_library_that_is_not_there_names_its_package),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
