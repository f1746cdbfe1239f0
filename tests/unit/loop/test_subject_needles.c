/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "loop/subject_needles.h"

static bool stands_in(const tm_needles *needles, const char *text) {
    return tm__needles_stand_in(needles, (const uint8_t *)text, strlen(text));
}

static void any_of_many_is_found_wherever_it_stands(void **state) {
    (void)state;
    tm_dict *texts = tm__dict_create();
    tm_needles *needles = NULL;
    for (int i = 0; i < 3000; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "somebody-%d-", i);
        assert_int_equal(tm__dict_add(texts, tm__str(text)), i);
    }
    assert_int_equal(tm__needles_create(texts, &needles, NULL), TM_OK);
    assert_int_equal(tm__needles_longest(needles), strlen("somebody-2999-"));
    assert_true(tm__needles_are_all(needles));
    assert_true(stands_in(needles, "somebody-0-"));
    assert_true(stands_in(needles, "before somebody-2999- behind"));
    assert_false(stands_in(needles, "somebody-3000-"));
    assert_false(stands_in(needles, "somebody-17"));
    assert_false(stands_in(needles, "some"));
    assert_false(tm__needles_stand_in(needles, NULL, 0));
    tm__needles_free(needles);
    tm__dict_free(texts);
}

static void what_is_short_is_not_looked_for(void **state) {
    (void)state;
    tm_dict *texts = tm__dict_create();
    tm_needles *needles = NULL;
    assert_int_equal(tm__dict_add(texts, tm__str("short")), 0);
    assert_int_equal(tm__needles_create(texts, &needles, NULL), TM_OK);
    assert_false(tm__needles_are_all(needles) || stands_in(needles, "short"));
    assert_int_equal(tm__needles_longest(needles), 0);
    tm__needles_free(needles);
    assert_int_equal(tm__dict_add(texts, tm__str("longer")), 1);
    assert_int_equal(tm__needles_create(texts, &needles, NULL), TM_OK);
    assert_true(!tm__needles_are_all(needles) && stands_in(needles, "a longer"));
    tm__needles_free(needles);
    assert_int_equal(tm__needles_create(NULL, &needles, NULL), TM_OK);
    assert_true(tm__needles_are_all(needles) && !stands_in(needles, "anything"));
    tm__needles_free(needles);
    tm__needles_free(NULL);
    tm__dict_free(texts);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_of_many_is_found_wherever_it_stands),
                                       cmocka_unit_test(what_is_short_is_not_looked_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
