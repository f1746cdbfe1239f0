/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/label_door.h"

#include <string.h>

#include "registry/chain.h"
#include "source/intake.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

static tm_label of_model(const char *model) {
    return (tm_label){.model = model, .entity = "anna", .event_us = TM_INT_MISSING, .value = "yes"};
}

static const char *pass(tm_label_door *door, const tm_exchange *x, tm_arena *arena,
                        tm_label *label) {
    const char *why = NULL;
    assert_int_equal(tm__label_door_pass(door, x, arena, label, &why, NULL), TM_OK);
    return why;
}

static void declare_people(const tm_home *home, tm_registry *registry) {
    json_t *spec = json_pack("{s:{s:{s:s}}}", "columns", "who", "policy", "pseudonym");
    const tm_intake_add add = {.name = "people", .feed = "push", .spec = spec};
    tm_hash made;
    assert_int_equal(tm__audit_subject_make(registry, tm__str(""), &made, NULL), TM_OK);
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    json_decref(spec);
}

static void labels_go_by_the_version_that_answers(void **state) {
    const tm_home *const home = *state;
    static const tm_actor actor = {.name = "test"};
    tm_registry *registry = NULL;
    tm_version version = {0};
    tm_bundle *bundle = tm__tiny_bundle_create(
        home, &(tm_tiny_bundle){
                  .entity = "who",
                  .recipe = "{\"privacy\":{\"columns\":{\"who\":\"generalise:prefix:2\"}}}"});
    tm_arena *arena = tm__arena_create(1 << 20);
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_add(registry, "tiny", bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    tm_desk desk = {.registry = registry, .home = home};
    tm_served served = {.model = "served", .bundle = bundle};
    tm_served *routes[] = {&served};
    tm_current current = {.routes = routes, .n = 1};
    const tm_exchange x = {.desk = &desk, .current = &current};
    tm_label_door door = {0};
    tm_label label = of_model("served");
    assert_null(pass(&door, &x, arena, &label));
    assert_string_equal(label.entity, "an");
    current.n = 0; /* of a model without a route, the champion's */
    label = of_model("tiny");
    assert_null(pass(&door, &x, arena, &label));
    assert_string_equal(label.entity, "an");
    label = of_model("none"); /* nobody can tell, and nothing here is kept by pseudonyms */
    assert_null(pass(&door, &x, arena, &label));
    assert_string_equal(label.entity, "anna");
    tm__label_door_done(&door);
    declare_people(home, registry);
    label = of_model("none");
    assert_non_null(pass(&door, &x, arena, &label));
    label = (tm_label){.prediction_id = "01J", .event_us = TM_INT_MISSING, .value = "yes"};
    assert_null(pass(&door, &x, arena, &label));
    tm__label_door_done(&door);
    tm__version_done(&version);
    tm__registry_close(registry);
    tm__bundle_unref(bundle);
    tm__arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(labels_go_by_the_version_that_answers, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests_name("label_door", tests, NULL, NULL);
}
