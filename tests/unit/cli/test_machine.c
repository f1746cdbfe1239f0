/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "cli/machine.h"

static void the_machine_has_memory_and_disk(void **state) {
    (void)state;
    assert_true(tm__memory_bytes() > (UINT64_C(64) << 20));
    assert_true(tm__disk_bytes(".") > 0);
    assert_int_equal(tm__disk_bytes("no/such/folder"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_machine_has_memory_and_disk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
