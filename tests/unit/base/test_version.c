/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>

#include "tidemill/bundle.h"

static void the_library_knows_the_version_of_the_build(void **state) {
    (void)state;
    unsigned major, minor, patch;
    char end;
    assert_string_equal(tm_version_text(), TM_VERSION);
    assert_int_equal(sscanf(tm_version_text(), "%u.%u.%u%c", &major, &minor, &patch, &end), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_knows_the_version_of_the_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
