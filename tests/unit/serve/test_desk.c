/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/desk.h"

#include "serve/remembered.h"
#include "test.h"

static void a_desk_has_room_of_its_own(void **state) {
    (void)state;
    tm_desk desk = {0};
    tm__desk_done(&desk);
    assert_true(tm__desk_init(&desk, 3));
    desk.remembered = tm__remembered_create();
    assert_int_equal(desk.index, 3);
    assert_true(desk.arena != NULL && desk.filler != NULL && desk.registry == NULL);
    assert_true(tm__buf_text(&desk.answers, "answered"));
    tm__desk_done(&desk);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_desk_has_room_of_its_own)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
