/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "source/change_priv.h"
#include "test.h"

static json_t *parse(const char *text) {
    json_t *json = NULL;
    assert_int_equal(tm__json_parse(text, strlen(text), 8, &json, NULL), TM_OK);
    return json;
}

static void wrong_policies_are_named(void **state) {
    (void)state;
    const struct {
        const char *text, *hint;
        tm_status status;
    } cases[] = {
        {"{\"new_column\": \"stop\", \"null_spike\": \"adapt\"}", "", TM_OK},
        {"{}", "", TM_OK},
        {"{\"new_colum\": \"stop\"}", "Did you mean 'new_column'?", TM_E_USAGE},
        {"{\"new_column\": \"ignore\"}", "Give accept, adapt, quarantine or stop.", TM_E_USAGE},
        {"{\"new_column\": 7}", "Give accept, adapt, quarantine or stop.", TM_E_USAGE},
        {"{\"mean\": \"stop\"}", "", TM_OK},
        {"{\"mean\": \"adapt\"}", "Give accept, quarantine or stop.", TM_E_USAGE},
        {"[]", "Write policy: {new_column: stop}.", TM_E_USAGE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        json_t *policy = parse(cases[i].text), *expect = parse("{\"mean\": \"avg(x) > 0\"}");
        assert_int_equal(tm__policy_check(policy, expect, &err), cases[i].status);
        assert_string_equal(err.hint, cases[i].hint);
        json_decref(policy);
        json_decref(expect);
    }
    json_t *all = tm__policy_json(NULL, NULL);
    assert_int_equal(json_object_size(all), TM_CHANGE_KINDS);
    assert_string_equal(tm__json_text(all, "unit_change", ""), "quarantine");
    json_decref(all);
}

static void a_history_is_the_same_after_it_was_saved(void **state) {
    (void)state;
    tm_watch *watch = NULL, *again = NULL;
    assert_int_equal(tm__watch_create(NULL, NULL, &watch, NULL), TM_OK);
    tm_history *h = tm__watch_column_locked(watch, "x");
    for (int i = 0; i < 1000; i++) {
        tm__history_number(h, i % 10);
        tm__history_text(h, (uint64_t)i % 7 + UINT64_C(0xfedcba9876543210));
    }
    tm__history_settle(h);
    assert_true(h->is_steady && h->low == 0 && h->high == 9 && h->n_hashes == 7);
    json_t *saved = tm__watch_save(watch, true);
    assert_null(tm__watch_save(watch, false));
    assert_int_equal(tm__watch_create(NULL, saved, &again, NULL), TM_OK);
    const tm_history *copy = tm__watch_find_locked(again, "x");
    assert_non_null(copy);
    assert_memory_equal(copy->ring, h->ring, sizeof(h->ring));
    assert_memory_equal(copy->hashes, h->hashes, sizeof(h->hashes));
    assert_memory_equal(copy->quartiles, h->quartiles, sizeof(h->quartiles));
    assert_true(copy->n_numbers == 1000 && copy->n_texts == 1000 && copy->is_steady);
    json_decref(saved);
    tm__watch_unref(again);
    tm__watch_unref(watch);
}

static void more_texts_than_categories_are_none(void **state) {
    (void)state;
    char name[] = "x";
    tm_history h = {.name = name};
    for (uint64_t i = 0; i < TM_CATEGORIES; i++) {
        tm__history_text(&h, i * 7);
    }
    assert_true(!h.has_many && h.n_hashes == TM_CATEGORIES && tm__history_has(&h, 21));
    tm__history_text(&h, 1);
    assert_true(h.has_many && h.n_hashes == 0);
    tm__history_reset(&h);
    assert_true(!h.has_many && h.n_texts == 0 && h.name == name);
}

static void what_was_resumed_is_adapted_to(void **state) {
    (void)state;
    tm_watch *watch = NULL;
    json_t *spec = parse("{\"policy\": {\"new_column\": \"stop\"}}");
    json_t *history = tm__history_resume(NULL, "new_column", "more");
    assert_int_equal(tm__watch_create(spec, history, &watch, NULL), TM_OK);
    assert_int_equal(tm__watch_policy(watch, TM_CHANGE_NEW_COLUMN, TM_STR("more")),
                     TM_POLICY_ADAPT);
    assert_int_equal(tm__watch_policy(watch, TM_CHANGE_NEW_COLUMN, TM_STR("other")),
                     TM_POLICY_STOP);
    json_decref(history);
    (void)tm__watch_column_locked(watch, "x");
    history = tm__watch_save(watch, true);
    json_t *resumed = tm__history_resume(history, "unit_change", "x");
    assert_int_equal(json_array_size(json_object_get(history, "columns")), 1);
    assert_int_equal(json_array_size(json_object_get(resumed, "columns")), 0);
    json_decref(resumed);
    json_decref(history);
    json_decref(spec);
    tm__watch_unref(watch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_policies_are_named),
        cmocka_unit_test(a_history_is_the_same_after_it_was_saved),
        cmocka_unit_test(more_texts_than_categories_are_none),
        cmocka_unit_test(what_was_resumed_is_adapted_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
