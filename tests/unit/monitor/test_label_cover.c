/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/label_cover.h"

#include <string.h>

#include "test.h"

static const tm_hash key = {.bytes = {7}};

static tm_privacy parsed(const char *text) {
    tm_privacy p;
    assert_int_equal(tm__privacy_parse("c", text, TM_TYPE_NONE, &p, NULL), TM_OK);
    return p;
}

static tm_label of_entity(const char *entity) {
    return (tm_label){.model = "m",
                      .entity = entity,
                      .event_us = INT64_C(1000000) * 86400 * 45 + 7,
                      .value = "37",
                      .observed_us = TM_INT_MISSING};
}

static void labels_become_what_answers_have(void **state) {
    (void)state;
    tm_arena *arena = tm__arena_create(1 << 20);
    char name[TM_PRIVACY_ROOM];
    tm_label_cover cover = {.entity = parsed("pseudonym"),
                            .time = parsed("generalise:month"),
                            .value = parsed("generalise:10"),
                            .key = &key};
    tm_label label = of_entity("anna@example.org");
    assert_null(tm__label_cover(&cover, arena, &label));
    tm__privacy_pseudonym(&key, tm__str("anna@example.org"), name);
    assert_string_equal(label.entity, name);
    assert_string_equal(label.value, "30");
    assert_true(label.event_us == INT64_C(1000000) * 86400 * 31);
    const tm_label once = label;
    assert_null(tm__label_cover(&cover, arena, &label)); /* the same of what came that way */
    assert_string_equal(label.entity, once.entity);
    assert_string_equal(label.value, once.value);
    assert_true(label.event_us == once.event_us);
    /* By id, of a model without policies, and without a time. */
    cover = (tm_label_cover){0};
    label = (tm_label){.prediction_id = "01J", .event_us = TM_INT_MISSING, .value = "37"};
    assert_null(tm__label_cover(&cover, arena, &label));
    assert_true(label.entity == NULL && label.event_us == TM_INT_MISSING);
    assert_string_equal(label.value, "37");
    tm__arena_free(arena);
}

static void what_must_not_be_kept_is_told_without_its_value(void **state) {
    (void)state;
    static const char *const policies[] = {"pseudonym", "drop", "generalise:10"};
    tm_arena *arena = tm__arena_create(1 << 20);
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        const tm_label_cover cover = {.entity = parsed(policies[i])}; /* and no key */
        tm_label label = of_entity("anna");
        const char *const why = tm__label_cover(&cover, arena, &label);
        assert_non_null(why);
        assert_null(strstr(why, "anna"));
    }
    const tm_label_cover gone = {.value = parsed("drop")};
    tm_label label = of_entity("anna");
    assert_non_null(tm__label_cover(&gone, arena, &label));
    tm__arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_become_what_answers_have),
        cmocka_unit_test(what_must_not_be_kept_is_told_without_its_value),
    };
    return cmocka_run_group_tests_name("label_cover", tests, NULL, NULL);
}
