/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "bundle_data.h"

/* A bundle of two classes of these names, the positive one last. */
static tm_bundle *open_classes(const char *negative, const char *positive) {
    bundle_data *data = bundle_data_create(200, TM_TASK_BINARY, "linear");
    json_object_set_new(data->info, "classes", json_pack("[s, s]", negative, positive));
    tm_bundle *bundle = bundle_data_open(data);
    bundle_data_free(data);
    return bundle;
}

static void a_class_is_meant_however_it_is_written(void **state) {
    (void)state;
    static const struct {
        const char *negative, *positive, *label;
        uint32_t want;
    } cases[] = {
        {"no", "yes", "yes", 1}, {"no", "yes", "TRUE", 1}, {"no", "yes", "0", 0},
        {"no", "yes", "2", 2},   {"0", "1", "yes", 1},     {"0", "1", "1.0", 1},
        {"0", "1", "No", 0},     {"0", "1", "maybe", 2},   {"good", "bad", "1", 2},
        {"1", "2", "2.0", 1},    {"1", "2", "true", 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tm_bundle *bundle = open_classes(cases[i].negative, cases[i].positive);
        assert_int_equal(tm__bundle_class_meant(bundle, tm__str(cases[i].label)), cases[i].want);
        tm__bundle_unref(bundle);
    }
}

static void classes_look_in_json_as_what_they_are(void **state) {
    (void)state;
    static const struct {
        const char *negative, *positive;
        tm_class_kind kind;
        const char *json; /* of the positive one */
    } cases[] = {
        {"no", "yes", TM_CLASS_TEXT, "\"yes\""},   {"false", "true", TM_CLASS_BOOL, "true"},
        {"true", "false", TM_CLASS_BOOL, "false"}, {"0", "1", TM_CLASS_INT, "1"},
        {"-2", "10", TM_CLASS_INT, "10"},          {"00", "1", TM_CLASS_TEXT, "\"1\""},
        {"0", "many", TM_CLASS_TEXT, "\"many\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tm_bundle *bundle = open_classes(cases[i].negative, cases[i].positive);
        assert_int_equal(tm__bundle_class_kind(bundle), cases[i].kind);
        json_t *one = tm__bundle_class_json(bundle, 1);
        char *text = json_dumps(one, JSON_ENCODE_ANY);
        assert_string_equal(text, cases[i].json);
        free(text);
        json_decref(one);
        tm__bundle_unref(bundle);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_class_is_meant_however_it_is_written),
        cmocka_unit_test(classes_look_in_json_as_what_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
