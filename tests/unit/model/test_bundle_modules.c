/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "bundle_data.h"
#include "made_module.h"
#include "model/bundle_priv.h"

static made_module made;
static const tm_user_module *module;
static char hash_text[TM_HASH_TEXT];

static int add_module(void **state) {
    (void)state;
    made_module_init(&made, "mean");
    module = made_module_add(&made, 0xab);
    tm__hash_to_text(&module->hash, hash_text);
    return tm__model_add(module, NULL) == TM_OK ? 0 : 1;
}

static void a_bundle_names_what_it_needs_and_nothing_else(void **state) {
    static const char *const learners[] = {"mean", "baseline"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bundle_data *data = bundle_data_create(40, TM_TASK_BINARY, learners[i]);
        json_object_set_new(data->info, "modules", json_string("of the caller, and not right"));
        tm_bundle *bundle = bundle_data_open(data);
        const json_t *list = json_object_get(tm__bundle_info(bundle), "modules");
        if (i == 0) {
            const json_t *entry = json_array_get(list, 0);
            assert_int_equal(json_array_size(list), 1);
            assert_string_equal(tm__json_text(entry, "name", ""), "mean");
            assert_string_equal(tm__json_text(entry, "version", ""), "1.0");
            assert_string_equal(tm__json_text(entry, "kind", ""), "learner");
            assert_string_equal(tm__json_text(entry, "hash", ""), hash_text);
        } else {
            assert_null(list);
        }
        tm__bundle_unref(bundle);
        bundle_data_free(data);
    }
}

static void asks(json_t *info, tm_status status, const char *says) {
    tm_err err = {0};
    assert_non_null(info);
    const tm_status st = tm__bundle_modules_check(info, &err);
    if (st != status || strstr(err.message, says) == NULL) {
        fail_msg("%s: %d: %s", says, st, err.message);
    }
    json_decref(info);
}

#define ENTRY(name, hash)                                                                          \
    json_pack("{s:[{s:s, s:s, s:s, s:s}]}", "modules", "name", (name), "version", "1.0", "kind",   \
              "learner", "hash", (hash))

static void what_is_not_loaded_is_named(void **state) {
    static const char other[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    (void)state;
    asks(json_object(), TM_OK, "");
    asks(ENTRY("mean", hash_text), TM_OK, "");
    asks(ENTRY("other", other), TM_E_UNSUPPORTED,
         "needs module 'other' 1.0, which is not loaded: its file has hash 0123456789abcdef");
    asks(ENTRY("mean", other), TM_E_UNSUPPORTED, "with hash 0123456789abcdef...");
    asks(ENTRY("no\nname", other), TM_E_INTEGRITY, "'modules'");
    asks(ENTRY("mean", "12"), TM_E_INTEGRITY, "'modules'");
    asks(json_pack("{s:s}", "modules", "mean"), TM_E_INTEGRITY, "'modules'");
    asks(json_pack("{s:[i]}", "modules", 1), TM_E_INTEGRITY, "'modules'");
}

static void what_is_said_must_be_what_is_used(void **state) {
    bundle_data *ours = bundle_data_create(40, TM_TASK_BINARY, "baseline");
    bundle_data *theirs = bundle_data_create(40, TM_TASK_BINARY, "mean");
    json_t *named = ENTRY("mean", hash_text), *none = json_object();
    json_t *empty = json_pack("{s:[]}", "modules");
    (void)state;
    assert_int_equal(tm__bundle_modules_match(named, theirs->program, theirs->model, NULL), TM_OK);
    assert_int_equal(tm__bundle_modules_match(none, ours->program, ours->model, NULL), TM_OK);
    assert_int_equal(tm__bundle_modules_match(none, theirs->program, theirs->model, NULL),
                     TM_E_INTEGRITY);
    assert_int_equal(tm__bundle_modules_match(named, ours->program, ours->model, NULL),
                     TM_E_INTEGRITY);
    assert_int_equal(tm__bundle_modules_match(empty, ours->program, ours->model, NULL),
                     TM_E_INTEGRITY);
    json_decref(named);
    json_decref(none);
    json_decref(empty);
    bundle_data_free(theirs);
    bundle_data_free(ours);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bundle_names_what_it_needs_and_nothing_else),
        cmocka_unit_test(what_is_not_loaded_is_named),
        cmocka_unit_test(what_is_said_must_be_what_is_used),
    };
    return cmocka_run_group_tests(tests, add_module, NULL);
}
