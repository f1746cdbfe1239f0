/* SPDX-License-Identifier: Apache-2.0 */
#include "table/task.h"

#include "test.h"

static void names_read_back(void **state) {
    (void)state;
    for (tm_task task = TM_TASK_BINARY; task <= TM_TASK_RANKING; task++) {
        assert_int_equal(tm__task_from_text(tm__task_text(task)), task);
    }
    assert_int_equal(tm__task_from_text("none"), TM_TASK_NONE);
    assert_int_equal(tm__task_from_text("clustering"), TM_TASK_NONE);
    assert_string_equal(tm__task_text((tm_task)99), "none");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_read_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
