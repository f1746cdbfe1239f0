/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "guard/guard.h"

static void each_role_may_do_its_part_and_no_more(void **state) {
    (void)state;
    static const struct {
        tm_permission permission;
        bool nobody, client, viewer, operator, admin, analyst, trainer, deployer, auditor;
    } rows[] = {
        {TM_PERMISSION_NONE, false, false, false, false, false, false, false, false, false},
        {TM_PERMISSION_PUBLIC, true, true, true, true, true, true, true, true, true},
        {TM_PERMISSION_PREDICT, false, true, false, true, true, true, true, true, false},
        {TM_PERMISSION_LABEL, false, true, false, true, true, false, true, false, false},
        {TM_PERMISSION_READ, false, false, true, true, true, true, true, true, true},
        {TM_PERMISSION_PROMOTE, false, false, false, true, true, false, false, true, false},
        {TM_PERMISSION_TRAIN, false, false, false, true, true, false, true, false, false},
        {TM_PERMISSION_ADMIN, false, false, false, false, true, false, false, false, false},
        {TM_PERMISSION_INGEST, false, true, false, true, true, false, true, false, false},
        {TM_PERMISSION_AUDIT, false, false, false, false, true, false, false, false, true},
        {(tm_permission)10, false, false, false, false, false, false, false, false, false},
        {(tm_permission)33, false, false, false, false, false, false, false, false, false},
        {(tm_permission)-1, false, false, false, false, false, false, false, false, false},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const tm_permission permission = rows[i].permission;
        assert_int_equal(tm__guard_role_can(TM_GUARD_NOBODY, permission), rows[i].nobody);
        assert_int_equal(tm__guard_role_can(TM_GUARD_CLIENT, permission), rows[i].client);
        assert_int_equal(tm__guard_role_can(TM_GUARD_VIEWER, permission), rows[i].viewer);
        assert_int_equal(tm__guard_role_can(TM_GUARD_OPERATOR, permission), rows[i].operator);
        assert_int_equal(tm__guard_role_can(TM_GUARD_ADMIN, permission), rows[i].admin);
        assert_int_equal(tm__guard_role_can(TM_GUARD_ANALYST, permission), rows[i].analyst);
        assert_int_equal(tm__guard_role_can(TM_GUARD_TRAINER, permission), rows[i].trainer);
        assert_int_equal(tm__guard_role_can(TM_GUARD_DEPLOYER, permission), rows[i].deployer);
        assert_int_equal(tm__guard_role_can(TM_GUARD_AUDITOR, permission), rows[i].auditor);
        assert_int_equal(tm__guard_role_can((tm_guard_role)9, permission), rows[i].nobody);
        assert_int_equal(tm__guard_role_can((tm_guard_role)-1, permission), rows[i].nobody);
    }
}

static void names_survive_both_ways(void **state) {
    (void)state;
    for (int i = 0; i <= 8; i++) {
        assert_int_equal(tm__guard_role_from_text(tm__guard_role_text((tm_guard_role)i)), i);
    }
    assert_string_equal(tm__permission_text((tm_permission)99), "none");
    assert_string_equal(tm__guard_role_text((tm_guard_role)99), "nobody");
    assert_string_equal(tm__permission_text(TM_PERMISSION_PUBLIC), "public");
    assert_int_equal(tm__guard_role_from_text("root"), TM_GUARD_NOBODY);
    assert_int_equal(tm__guard_role_from_text(""), TM_GUARD_NOBODY);
}

static void stored_numbers_never_change(void **state) {
    (void)state;
    assert_int_equal(TM_PERMISSION_PREDICT, 2);
    assert_int_equal(TM_PERMISSION_INGEST, 8);
    assert_int_equal(TM_PERMISSION_AUDIT, 9);
    assert_int_equal(TM_GUARD_ADMIN, 4);
    assert_int_equal(TM_GUARD_AUDITOR, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_role_may_do_its_part_and_no_more),
        cmocka_unit_test(names_survive_both_ways),
        cmocka_unit_test(stored_numbers_never_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
