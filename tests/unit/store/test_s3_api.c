/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "store/s3_priv.h"
#include "test.h"

static void all_functions_are_found(void **state) {
    (void)state;
    tm_curl_api api = {0};
    assert_int_equal(tm__curl_api_load(NULL, &api, NULL), TM_OK);
#define X(name) assert_true(api.name != NULL);
    TM_CURL_FUNCTIONS(X)
#undef X
}

static void a_missing_library_names_its_package(void **state) {
    (void)state;
    const char *const names[] = {"libnowhere.so.4", "libm.so.6"};
    for (size_t i = 0; i < 2; i++) {
        tm_curl_api api = {0};
        tm_err err = {0};
        assert_int_equal(tm__curl_api_load(names[i], &api, &err), TM_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, names[i]));
        assert_non_null(strstr(err.hint, "libcurl4"));
        assert_true(api.easy_init == NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_functions_are_found),
        cmocka_unit_test(a_missing_library_names_its_package),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
