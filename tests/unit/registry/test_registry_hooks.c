/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "registry/hooks.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

#define NOW INT64_C(4000000000000000)

static const tm_actor actor = {.name = "test"};

static tm_registry *open_one(const tm_home *home) {
    tm_registry *registry = NULL;
    tm_version version = {0};
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.7});
    assert_int_equal(tm__registry_add(registry, "late", bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
    return registry;
}

static void declare(tm_registry *registry, const char *text) {
    json_t *recipe = json_loads(text, 0, NULL);
    assert_int_equal(tm__registry_set_recipe(registry, "late", recipe, &actor, NULL), TM_OK);
    json_decref(recipe);
}

static void note(tm_registry *registry, const char *event) {
    json_t *details = json_pack("{s:s}", "secret", "no");
    assert_int_equal(tm__registry_note(registry, "late", event, 1, &actor, details, NULL), TM_OK);
    json_decref(details);
}

/* What a receiver is owed, "" for nothing; *out_seq is its number. */
static void is_owed(tm_registry *registry, const char *name, int64_t now_us, const char *want,
                    int64_t *out_seq) {
    json_t *event = NULL;
    assert_int_equal(tm__hook_next(registry, "late", name, now_us, &event, NULL), TM_OK);
    assert_string_equal(tm__json_text(event, "event", ""), want);
    *out_seq = tm__json_i64(event, "seq", 0);
    json_decref(event);
}

static bool count_due(void *arg, const char *model, const char *name) {
    assert_string_equal(model, "late");
    assert_true(name[0] != '\0');
    ++*(uint32_t *)arg;
    return true;
}

static uint32_t due(tm_registry *registry, int64_t now_us) {
    uint32_t n = 0;
    assert_int_equal(tm__hooks_due(registry, now_us, count_due, &n, NULL), TM_OK);
    return n;
}

static void done(tm_registry *registry, const char *name, int64_t seq, const char *problem,
                 int64_t now_us) {
    assert_int_equal(tm__hook_done(registry, "late", name, seq, problem, now_us, NULL), TM_OK);
}

static void each_receiver_gets_all_in_order(void **state) {
    tm_registry *registry = open_one(*state);
    int64_t seq = 0;
    assert_int_equal(due(registry, NOW), 0);
    declare(registry, "{\"webhooks\":[{\"name\":\"a\"},{\"name\":\"b\"}]}");
    note(registry, "one");
    note(registry, "two");
    assert_int_equal(due(registry, NOW), 2);
    is_owed(registry, "a", NOW, "recipe.set", &seq); /* from what declared it on, not before */
    done(registry, "a", seq, NULL, NOW);
    is_owed(registry, "a", NOW, "one", &seq);
    is_owed(registry, "a", NOW, "one", &seq); /* until it is taken */
    done(registry, "a", seq, NULL, NOW);
    is_owed(registry, "a", NOW, "two", &seq);
    done(registry, "a", seq, NULL, NOW);
    is_owed(registry, "a", NOW, "", &seq);
    is_owed(registry, "b", NOW, "recipe.set", &seq);
    is_owed(registry, "c", NOW, "", &seq);
    assert_int_equal(due(registry, NOW), 1);                /* a has all */
    declare(registry, "{\"webhooks\":[{\"name\":\"a\"}]}"); /* b goes, a stays where it is */
    is_owed(registry, "b", NOW, "", &seq);
    is_owed(registry, "a", NOW, "recipe.set", &seq);
    done(registry, "a", seq, NULL, NOW);
    assert_int_equal(due(registry, NOW), 0);
    tm__registry_close(registry);
}

static void recipes_stay_in_the_house(void **state) {
    tm_registry *registry = open_one(*state);
    json_t *event = NULL;
    declare(registry, "{\"webhooks\":[{\"name\":\"a\",\"webhook\":\"http://x/token\"}]}");
    assert_int_equal(tm__hook_next(registry, "late", "a", NOW, &event, NULL), TM_OK);
    assert_true(json_is_null(json_object_get(event, "details")));
    assert_string_equal(tm__json_text(event, "schema", ""), "tidemill.event/1");
    json_decref(event);
    tm__registry_close(registry);
}

static void what_is_not_taken_comes_again_and_ends(void **state) {
    tm_registry *registry = open_one(*state);
    int64_t seq = 0, at = NOW, other = 0;
    declare(registry, "{\"webhooks\":[{\"name\":\"a\"}]}");
    note(registry, "one");
    is_owed(registry, "a", at, "recipe.set", &seq);
    for (uint32_t i = 0; i < TM_HOOK_TRIES; i++) {
        is_owed(registry, "a", at, "recipe.set", &other);
        assert_int_equal(other, seq);
        done(registry, "a", seq, "nobody answers", at);
        if (i + 1 < TM_HOOK_TRIES) {
            is_owed(registry, "a", at + 9000000, "", &other); /* ten seconds at least */
            assert_int_equal(due(registry, at + 9000000), 0);
            const int64_t back = at - INT64_C(86400) * 1000000; /* the clock goes back a day */
            is_owed(registry, "a", back, "recipe.set", &other);
            assert_int_equal(due(registry, back), 1);
        }
        at += INT64_C(6 * 3600) * 1000000;
    }
    is_owed(registry, "a", at, "one", &other);
    json_t *list = NULL;
    assert_int_equal(tm__hooks_list(registry, "none", &list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    assert_int_equal(tm__hooks_list(registry, NULL, &list, NULL), TM_OK);
    assert_string_equal(tm__json_text(json_array_get(list, 0), "model", ""), "late");
    assert_true(json_is_null(json_object_get(json_array_get(list, 0), "next")));
    assert_int_equal(tm__json_i64(json_array_get(list, 0), "behind", 0), 1);
    assert_string_equal(tm__json_text(json_array_get(list, 0), "error", ""), "nobody answers");
    json_decref(list);
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_receiver_gets_all_in_order, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(recipes_stay_in_the_house, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(what_is_not_taken_comes_again_and_ends, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
