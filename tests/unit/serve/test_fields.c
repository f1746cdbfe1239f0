/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "serve/fields.h"
#include "temp_home.h"

static const char *const names[] = {"age", "city"};

static const json_t *entry(const json_t *list, const char *state, const char *field) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *const e = json_array_get(list, i);
        if (strcmp(tm__json_text(e, "state", ""), state) == 0 &&
            strcmp(tm__json_text(e, "field", ""), field) == 0) {
            return e;
        }
    }
    return NULL;
}

static void what_was_counted_is_kept_once(void **state) {
    tm_served served = {.model = "m", .version = 1};
    tm_served *routes[] = {&served};
    const tm_current current = {.n = 1, .routes = routes};
    tm_teller teller = {.home = *state};
    json_t *list = NULL;
    served.fields = tm__fields_create(names, 2, 2);
    assert_int_equal(tm__fields_keep(&current, &teller, 5, NULL), TM_OK);
    assert_null(teller.store);                        /* nothing came, nothing is made */
    for (uint32_t thread = 0; thread < 3; thread++) { /* the third is none of its threads */
        tm__fields_count(served.fields, thread, TM_FIELD_ROWS, 0);
        tm__fields_count(served.fields, thread, TM_FIELD_ABSENT, 1);
        tm__fields_count(served.fields, thread, TM_FIELD_REFUSED, 0);
        tm__fields_count(served.fields, thread, TM_FIELD_CONVERTED, 7);
    }
    tm__fields_unknown(served.fields, tm__str("agee"));
    tm__fields_unknown(served.fields, tm__str("agee"));
    tm__fields_unknown(served.fields, tm__str("a\nb"));
    tm__fields_count(NULL, 0, TM_FIELD_ROWS, 0);
    tm__fields_unknown(NULL, tm__str("x"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tm__fields_keep(&current, &teller, 5, NULL), TM_OK);
    }
    const tm_drift_window_key key = {"m", 1};
    assert_int_equal(tm__field_days_report(*state, &key, &list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 4);
    assert_int_equal(tm__json_i64(entry(list, "absent", "city"), "times", 0), 2);
    assert_true(tm__json_f64(entry(list, "absent", "city"), "is", 0) == 1);
    assert_int_equal(tm__json_i64(entry(list, "refused", "age"), "times", 0), 2);
    assert_int_equal(tm__json_i64(entry(list, "unknown", "agee"), "times", 0), 2);
    assert_non_null(entry(list, "unknown", "a?b"));
    json_decref(list);
    tm__fields_free(served.fields);
    tm__teller_done(&teller);
}

static void name_many(void *arg, uint64_t item, uint32_t worker) {
    char name[200];
    (void)worker;
    for (uint32_t i = 0; i < 2000; i++) {
        (void)snprintf(name, sizeof(name), "%s%u",
                       i % 2 == 0 ? "common"
                                  : "some very long name that goes on and on and on "
                                    "until it is longer than what is kept of it",
                       i % 2 == 0 ? i % 10 : (uint32_t)item * 2000 + i);
        tm__fields_unknown(arg, tm__str(name));
    }
}

/* Names that nobody can foresee, from several threads: none is lost, memory does not grow. */
static void names_are_bounded_and_all_are_counted(void **state) {
    tm_served served = {.model = "m", .version = 1};
    tm_served *routes[] = {&served};
    const tm_current current = {.n = 1, .routes = routes};
    tm_teller teller = {.home = *state};
    json_t *list = NULL;
    int64_t n = 0;
    served.fields = tm__fields_create(names, 2, 1);
    tm_pool *const pool = tm__pool_create(4);
    const uint64_t alive = tm__mem_alive();
    tm__pool_run(pool, 8, name_many, served.fields);
    assert_int_equal(tm__mem_alive(), alive);
    tm__pool_free(pool);
    assert_int_equal(tm__fields_keep(&current, &teller, 5, NULL), TM_OK);
    const tm_drift_window_key key = {"m", 1};
    assert_int_equal(tm__field_days_report(*state, &key, &list, NULL), TM_OK);
    assert_true(json_array_size(list) <= TM_FIELD_NAMES + 1);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *const e = json_array_get(list, i);
        n += tm__json_i64(e, "times", 0);
        assert_true(strlen(tm__json_text(e, "field", "")) <= TM_FIELD_NAME_MAX);
    }
    assert_int_equal(n, 8 * 2000);
    json_decref(list);
    tm__fields_free(served.fields);
    tm__teller_done(&teller);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(what_was_counted_is_kept_once),
        HOME(names_are_bounded_and_all_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
