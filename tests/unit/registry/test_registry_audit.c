/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "registry/chain.h"
#include "temp_home.h"

static const tm_actor actor = {.name = "cli:me", .reason = "because"};

static void append(tm_registry *registry, const char *event, const char *object, const char *id) {
    tm_hash subject;
    tm_audit_note note = {.event = event, .object = object};
    if (id != NULL) {
        assert_int_equal(tm__audit_subject_make(registry, tm__str(id), &subject, NULL), TM_OK);
        note.subject = &subject;
    }
    assert_int_equal(tm__audit_append(registry, &note, &actor, NULL), TM_OK);
}

static size_t count(tm_registry *registry, const tm_audit_filter *filter) {
    json_t *list = NULL;
    int64_t next = 0;
    assert_int_equal(tm__audit_list(registry, filter, &list, &next, NULL), TM_OK);
    const size_t n = json_array_size(list);
    json_decref(list);
    return n;
}

static void entries_are_found_by_what_they_are(void **state) {
    tm_registry *registry = NULL;
    tm_hash subject, other;
    json_t *list = NULL;
    bool has = false;
    int64_t next = 0;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    assert_int_equal(tm__audit_subject_find(registry, tm__str("1"), &has, &other, NULL), TM_OK);
    assert_false(has);
    append(registry, "source.added", "source:flights", NULL);
    append(registry, "source.pulled", "source:flights", NULL);
    append(registry, "sourced", "sources", NULL);
    append(registry, "subject.exported", "subject", "4711");
    append(registry, "answer.read", "prediction:x", "4711");
    append(registry, "answer.read", "prediction:y", "4712");
    assert_int_equal(tm__audit_subject_find(registry, tm__str("4711"), &has, &subject, NULL),
                     TM_OK);
    assert_int_equal(tm__audit_subject_find(registry, tm__str("1"), &has, &other, NULL), TM_OK);
    const struct {
        tm_audit_filter filter;
        size_t want;
    } cases[] = {
        {{0}, 6},
        {{.event = "source"}, 2},
        {{.event = "source.added"}, 1},
        {{.object = "source"}, 2},
        {{.object = "source:flights"}, 2},
        {{.actor = "cli:me"}, 6},
        {{.actor = "cli:you"}, 0},
        {{.subject = &subject}, 2},
        {{.subject = &subject, .event = "answer"}, 1},
        {{.subject = &other}, 0},
        {{.after = 4}, 2},
        {{.newest = 3}, 3},
        {{.until_us = 1}, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(count(registry, &cases[i].filter), cases[i].want);
    }
    const tm_audit_filter last = {.newest = 1};
    assert_int_equal(tm__audit_list(registry, &last, &list, &next, NULL), TM_OK);
    const json_t *const item = json_array_get(list, 0);
    assert_int_equal(tm__json_i64(item, "seq", 0), 6);
    assert_string_equal(tm__json_text(item, "outcome", ""), "done");
    assert_string_equal(tm__json_text(item, "reason", ""), "because");
    assert_int_equal(strlen(tm__json_text(item, "subject", "")), 64);
    json_decref(list);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(entries_are_found_by_what_they_are)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
