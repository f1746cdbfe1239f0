/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "guard/guard.h"
#include "serve/shadow.h"

/* The rest is tested where there are requests: test_handle_route.c, tests/e2e/test_shadow.py. */

static void an_id_and_its_twin_belong_to_each_other(void **state) {
    (void)state;
    tm_id_source source = {0};
    char id[27], twin[27], back[27];
    for (int i = 0; i < 1000; i++) {
        int64_t a = 0, b = 0;
        tm__id_next(&source, id);
        tm__id_twin(id, twin);
        tm__id_twin(twin, back);
        assert_string_not_equal(id, twin);
        assert_string_equal(id, back);
        assert_true(tm__id_time(tm__str(id), &a) && tm__id_time(tm__str(twin), &b) && a == b);
    }
    tm__id_twin("", twin); /* of no answer: none */
    assert_string_equal(twin, "");
}

static void no_exchange_is_one_of_a_shadow_unless_it_was_made_so(void **state) {
    (void)state;
    assert_null(tm__mirror_served(NULL));
    tm__mirror_free(NULL);
    tm__shadows_stop(NULL);
    tm__shadows_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_and_its_twin_belong_to_each_other),
        cmocka_unit_test(no_exchange_is_one_of_a_shadow_unless_it_was_made_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
