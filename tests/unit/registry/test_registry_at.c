/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "registry/moments.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

static void add(tm_registry *registry, const tm_home *home, const char *model, double auc) {
    const tm_actor actor = {.name = "trainer", .reason = "nightly"};
    tm_bundle *bundle =
        tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = auc, .recipe = "{\"seed\":7}"});
    tm_version version = {0};
    assert_int_equal(tm__registry_add(registry, model, bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
}

static void promote(tm_registry *registry, uint32_t version, const char *who, bool force) {
    const tm_actor actor = {.name = who, .reason = "because"};
    const tm_promotion promotion = {.version = version, .force = force};
    uint32_t from = 0;
    assert_int_equal(tm__registry_promote(registry, "late", &promotion, &actor, &from, NULL),
                     TM_OK);
}

/* What was live at a moment, as "version by, gate". */
static void is_live(tm_registry *registry, int64_t at_us, int64_t version, const char *actor) {
    json_t *list = NULL;
    assert_int_equal(tm__registry_at(registry, at_us, &list, NULL), TM_OK);
    if (version == 0) {
        assert_int_equal(json_array_size(list), 0);
    } else {
        const json_t *live = json_array_get(list, 0);
        assert_int_equal(tm__json_i64(live, "champion", 0), version);
        assert_string_equal(tm__json_text(live, "actor", ""), actor);
    }
    json_decref(list);
}

static void each_moment_has_its_version(void **state) {
    tm_registry *registry = NULL;
    const int64_t day = INT64_C(86400000000), start = 1000 * day;
    const tm_actor nurse = {.name = "nurse", .reason = "scores fell"};
    uint32_t from = 0, to = 0;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__clock_fix(start);
    add(registry, *state, "late", 0.7);
    tm__clock_fix(start + day);
    add(registry, *state, "late", 0.8);
    tm__clock_fix(start + 2 * day);
    promote(registry, 2, "ada", false);
    tm__clock_fix(start + 3 * day);
    assert_int_equal(tm__registry_rollback(registry, "late", &nurse, &from, &to, NULL), TM_OK);
    tm__clock_fix(start + 4 * day);
    promote(registry, 2, "bob", false);
    is_live(registry, start - 1, 0, "");
    is_live(registry, start, 1, "trainer");
    is_live(registry, start + 2 * day - 1, 1, "trainer");
    is_live(registry, start + 2 * day, 2, "ada");
    is_live(registry, start + 3 * day, 1, "nurse");
    is_live(registry, start + 9 * day, 2, "bob");
    tm__clock_fix(INT64_MIN);
    tm__registry_close(registry);
}

static void the_evidence_is_what_was_known_then(void **state) {
    const tm_gate_verdict no = {.is_open = false, .reason = "auc 0.8 is worse"};
    const tm_gate_verdict yes = {.is_open = true, .reason = "auc 0.8 is better"};
    const tm_actor judge = {.name = "loop"};
    tm_registry *registry = NULL;
    json_t *list = NULL;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    add(registry, *state, "late", 0.7);
    add(registry, *state, "late", 0.8);
    assert_int_equal(tm__registry_judge(registry, "late", 2, &no, &judge, NULL), TM_OK);
    promote(registry, 2, "ada", true);
    assert_int_equal(tm__registry_judge(registry, "late", 2, &yes, &judge, NULL), TM_OK);
    assert_int_equal(tm__registry_at(registry, INT64_MAX, &list, NULL), TM_OK);
    const json_t *evidence = json_object_get(json_array_get(list, 0), "evidence");
    const json_t *gate = json_object_get(evidence, "gate");
    assert_true(json_is_object(gate));
    assert_false(tm__json_bool(gate, "open", true)); /* the later verdict came after the move */
    assert_string_equal(tm__json_text(gate, "reason", ""), no.reason);
    assert_true(tm__json_bool(evidence, "forced", false));
    json_decref(list);
    tm__registry_close(registry);
}

static void a_version_knows_where_it_comes_from(void **state) {
    tm_registry *registry = NULL;
    tm_version version = {0};
    json_t *lineage = NULL;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    add(registry, *state, "late", 0.7);
    add(registry, *state, "late", 0.8);
    assert_int_equal(tm__registry_find(registry, "late@1", &version, NULL), TM_OK);
    assert_int_equal(tm__registry_lineage(registry, &version, &lineage, NULL), TM_OK);
    assert_true(json_is_null(json_object_get(lineage, "parent")));
    json_decref(lineage);
    tm__version_done(&version);
    assert_int_equal(tm__registry_find(registry, "late@2", &version, NULL), TM_OK);
    assert_int_equal(tm__registry_lineage(registry, &version, &lineage, NULL), TM_OK);
    assert_int_equal(tm__json_i64(lineage, "parent", 0), 1);
    assert_true(tm__json_text(lineage, "code", "")[0] != '\0');
    assert_int_equal(strlen(tm__json_text(lineage, "recipe_hash", "")), 64);
    assert_string_equal(tm__json_text(json_object_get(lineage, "registered"), "actor", ""),
                        "trainer");
    assert_true(json_is_null(json_object_get(lineage, "signer")));
    json_decref(lineage);
    tm__version_done(&version);
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_moment_has_its_version, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(the_evidence_is_what_was_known_then, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_version_knows_where_it_comes_from, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
