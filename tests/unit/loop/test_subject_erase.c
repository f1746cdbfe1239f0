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
    const tm_subject_erasure erasure = {.id = "somebody-1", .actor = &actor};
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
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        nobody_is_erased_with_a_certificate_too, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
