/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "loop/subject_group.h"
#include "registry/chain.h"
#include "temp_home.h"

static const tm_actor actor = {.name = "test"};

static json_t *look(const char *source, int n) {
    return json_pack("{s:[{s:s, s:i}], s:[], s:[], s:[]}", "sources", "source", source, "n", n,
                     "versions", "answers", "delivered");
}

static int64_t rows_of(const tm_subject_group *group, size_t i) {
    return tm__json_i64(json_array_get(json_object_get(group->found, "sources"), i), "n", -1);
}

static void init(tm_subject_group *group, tm_registry *registry, const tm_subject_erasure *who) {
    assert_int_equal(tm__subject_group_init(group, registry, who, NULL), TM_OK);
    group->now.rows[1] = 5;
}

/* The first look counts, also when the command is given again; what comes later is added. */
static void what_was_found_at_first_outlives_a_stop(void **state) {
    tm_registry *registry = NULL;
    tm_subject_group group;
    tm_dict *ids = tm__dict_create();
    const tm_subject_erasure who = {.ids = ids, .actor = &actor};
    json_t *first = look("people", 5), *second = look("people", 2), *other = look("others", 3);
    assert_int_equal(tm__dict_add(ids, tm__str("a")), 0);
    assert_int_equal(tm__dict_add(ids, tm__str("b")), 1);
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    init(&group, registry, &who);
    assert_int_equal(tm__subject_group_begin(&group, first, NULL), TM_OK);
    tm__subject_group_done(&group);
    init(&group, registry, &who);
    tm__subject_group_look(&group);
    group.now.rows[1] = 2;
    assert_int_equal(tm__subject_group_begin(&group, second, NULL), TM_OK);
    assert_int_equal(rows_of(&group, 0), 5);
    assert_int_equal(group.at_first.rows[1], 5);
    tm__subject_group_came(&group, second);
    tm__subject_group_came(&group, other);
    assert_int_equal(rows_of(&group, 0), 7);
    assert_int_equal(rows_of(&group, 1), 3);
    assert_int_equal(group.at_first.rows[1], 9);
    assert_int_equal(group.at_first.rows[0], 0);
    /* Once it has ended, it begins anew. */
    assert_int_equal(tm__subject_group_note(&group, "subject.erased", NULL, NULL), TM_OK);
    tm__subject_group_done(&group);
    init(&group, registry, &who);
    assert_int_equal(tm__subject_group_begin(&group, other, NULL), TM_OK);
    assert_int_equal(json_array_size(json_object_get(group.found, "sources")), 1);
    tm__subject_group_done(&group);
    tm__registry_close(registry);
    json_decref(first);
    json_decref(second);
    json_decref(other);
    tm__dict_free(ids);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        what_was_found_at_first_outlives_a_stop, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
