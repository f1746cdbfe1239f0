/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "model/imported/import_wire.h"

#define BYTES(text) ((tm_str){text, sizeof(text) - 1})

static void fields_come_in_order_as_views(void **state) {
    (void)state;
    const tm_str data = BYTES("\x08\x96\x01\x12\x02hi\x1D\x01\x00\x00\x00\x21\x02\0\0\0\0\0\0\0");
    tm_wire wire = tm__wire(data);
    tm_wire_field field;
    assert_true(tm__wire_next(&wire, &field) && field.number == 1 && field.value == 150);
    assert_true(tm__wire_next(&wire, &field) && field.number == 2);
    assert_true(tm__str_is(field.bytes, "hi") && field.bytes.ptr == data.ptr + 5);
    assert_true(tm__wire_next(&wire, &field) && field.type == TM_WIRE_32 && field.value == 1);
    assert_true(tm__wire_next(&wire, &field) && field.type == TM_WIRE_64 && field.value == 2);
    assert_false(tm__wire_next(&wire, &field));
    assert_false(wire.failed);
}

static void what_does_not_lie_within_is_damage(void **state) {
    (void)state;
    const tm_str cases[] = {
        BYTES("\x08"),                                         /* a number without end */
        BYTES("\x08\x96"),                                     /* cut within it */
        BYTES("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"), /* of more than 64 bits */
        BYTES("\x12\x05hi"),                                   /* longer than all */
        BYTES("\x12\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01x"),
        BYTES("\x1D\x01\x00"), /* fixed, cut */
        BYTES("\x0B"),         /* a group */
        BYTES("\x0F"),         /* a type that is none */
        BYTES("\x00\x01"),     /* field 0 */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_wire wire = tm__wire(cases[i]);
        tm_wire_field field;
        assert_false(tm__wire_next(&wire, &field));
        assert_true(wire.failed);
        assert_false(tm__wire_next(&wire, &field));
    }
    tm_wire none = tm__wire((tm_str){NULL, 0});
    tm_wire_field field;
    assert_false(tm__wire_next(&none, &field) || none.failed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_in_order_as_views),
        cmocka_unit_test(what_does_not_lie_within_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
