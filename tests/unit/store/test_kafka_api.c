/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "store/kafka_priv.h"
#include "test.h"

static void the_library_is_found_with_all_its_functions(void **state) {
    (void)state;
    tm_kafka_api api = {0};
    assert_int_equal(tm__kafka_api_load(&api, NULL), TM_OK);
#define X(name) assert_true(api.name != NULL);
    TM_KAFKA_FUNCTIONS(X)
#undef X
}

static void a_library_that_is_not_there_names_its_package(void **state) {
    (void)state;
    tm_kafka_api api = {0};
    tm_err err = {0};
    assert_int_equal(setenv("TIDEMILL_LIBRDKAFKA", "/nowhere/librdkafka.so.1", 1), 0);
    assert_int_equal(tm__kafka_api_load(&api, &err), TM_E_UNSUPPORTED);
    assert_string_equal(err.message,
                        "Kafka needs librdkafka, and '/nowhere/librdkafka.so.1' cannot be loaded");
    assert_non_null(strstr(err.hint, "librdkafka1"));
    assert_int_equal(unsetenv("TIDEMILL_LIBRDKAFKA"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_is_found_with_all_its_functions),
        cmocka_unit_test(a_library_that_is_not_there_names_its_package),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
