/* SPDX-License-Identifier: Apache-2.0 */
/* The whole of it is tested from outside (tests/e2e/test_subject.py): what a certificate says of a
 * home that knows nobody, and that an end is noted once. */
#include "test.h"

#include "loop/subject.h"
#include "registry/chain.h"
#include "temp_home.h"

static const tm_actor actor = {.name = "test"};

static size_t entries(tm_registry *registry) {
    json_t *list = NULL;
    int64_t next = 0;
    const tm_audit_filter filter = {.event = "subject"};
    assert_int_equal(tm__audit_list(registry, &filter, &list, &next, NULL), TM_OK);
    const size_t n = json_array_size(list);
    json_decref(list);
    return n;
}

static void nobody_is_erased_with_a_certificate_too(void **state) {
    tm_ctx ctx = {0};
    tm_registry *registry = NULL;
    json_t *body = NULL;
    const tm_hash certificate = {{1}};
    tm_dict *ids = tm__dict_create();
    const tm_subject_erasure erasure = {.ids = ids, .actor = &actor};
    assert_int_equal(tm__dict_add(ids, tm__str("somebody-1")), 0);
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    assert_int_equal(tm__subject_erase(&ctx, *state, registry, &erasure, &body, NULL), TM_OK);
    assert_true(tm__json_bool(body, "complete", false) && tm__json_bool(body, "scanned", false));
    assert_int_equal(json_array_size(json_object_get(body, "models")), 0);
    assert_int_equal(entries(registry), 2); /* it began, all was let go of */
    json_decref(body);
    /* Not ended yet: the same erasure goes on, and looks once more. */
    assert_int_equal(tm__subject_erase(&ctx, *state, registry, &erasure, &body, NULL), TM_OK);
    assert_int_equal(entries(registry), 3);
    assert_int_equal(tm__subject_erased(registry, &erasure, &certificate, NULL), TM_OK);
    assert_int_equal(entries(registry), 4);
    json_decref(body);
    tm__dict_free(ids);
    tm__registry_close(registry);
}

static void several_are_in_one_certificate_and_have_an_entry_each(void **state) {
    tm_ctx ctx = {0};
    tm_registry *registry = NULL;
    json_t *body = NULL;
    tm_dict *ids = tm__dict_create();
    const tm_subject_erasure erasure = {.ids = ids, .actor = &actor};
    assert_int_equal(tm__dict_add(ids, tm__str("somebody-1")), 0);
    assert_int_equal(tm__dict_add(ids, tm__str("b")), 1);
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    assert_int_equal(tm__subject_erase(&ctx, *state, registry, &erasure, &body, NULL), TM_OK);
    assert_int_equal(entries(registry), 4); /* each began, all was let go of for each */
    assert_null(json_object_get(body, "subject"));
    assert_int_equal(json_array_size(json_object_get(body, "subjects")), 2);
    assert_false(tm__json_bool(body, "scanned", true)); /* one is too short to be looked for */
    assert_int_equal(tm__subject_erased(registry, &erasure, NULL, NULL), TM_OK);
    assert_int_equal(entries(registry), 6);
    json_decref(body);
    tm__dict_free(ids);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(nobody_is_erased_with_a_certificate_too),
                                       TEST(several_are_in_one_certificate_and_have_an_entry_each)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
