/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/training_file.h"
#include "temp_home.h"

#define SCHEMA "\"schema\":\"" TM_TRAINING_SCHEMA "\""
#define NOW INT64_C(3600000000)

static void put(const tm_home *home, const char *name, const char *text) {
    char *const path = tm__fs_join(tm__home_jobs(home), name);
    assert_int_equal(tm__fs_replace(path, text, strlen(text), NULL), TM_OK);
    tm__mem_free(path);
}

static void what_no_training_wrote_is_passed_over(void **state) {
    json_t *found = NULL;
    put(*state, "training.a.json", "{");
    put(*state, "training.b.json", "{\"schema\":\"other/1\",\"at_us\":3600000000}");
    put(*state, "training..json", "{" SCHEMA "}");
    put(*state, "run.late.err", "words");
    assert_int_equal(tm__trainings_read(*state, NOW, &found, NULL), TM_OK);
    assert_int_equal(json_array_size(found), 0);
    json_decref(found);
}

static void those_that_run_are_told_newest_first(void **state) {
    json_t *found = NULL;
    put(*state, "training.a.json", "{" SCHEMA ",\"began_us\":1,\"at_us\":3590000000}");
    put(*state, "training.b.json", "{" SCHEMA ",\"began_us\":2,\"at_us\":3610000000}");
    put(*state, "training.c.json", "{" SCHEMA ",\"began_us\":3,\"at_us\":2999999999}"); /* killed */
    assert_int_equal(tm__trainings_read(*state, NOW, &found, NULL), TM_OK);
    assert_int_equal(json_array_size(found), 2);
    const json_t *const b = json_array_get(found, 0), *const a = json_array_get(found, 1);
    assert_string_equal(tm__json_text(b, "id", ""), "b");
    assert_true(tm__json_f64(b, "age_seconds", 9) == 0); /* a clock that went back */
    assert_string_equal(tm__json_text(a, "id", ""), "a");
    assert_true(tm__json_f64(a, "age_seconds", 0) == 10);
    json_decref(found);
}

static void of_many_some_are_read(void **state) {
    json_t *found = NULL;
    for (uint32_t i = 0; i < TM_TRAININGS_MAX + 9; i++) {
        char name[40];
        (void)snprintf(name, sizeof name, "training.%02u.json", i);
        put(*state, name, "{" SCHEMA ",\"at_us\":3600000000}");
    }
    assert_int_equal(tm__trainings_read(*state, NOW, &found, NULL), TM_OK);
    assert_int_equal(json_array_size(found), TM_TRAININGS_MAX);
    json_decref(found);
}

static void files_of_killed_trainings_are_swept(void **state) {
    put(*state, "training.a.json", "{" SCHEMA ",\"at_us\":2999999999}");
    put(*state, "training.b.json", "{" SCHEMA ",\"at_us\":3600000000}");
    tm__trainings_sweep(*state, NOW);
    char *const a = tm__fs_join(tm__home_jobs(*state), "training.a.json");
    char *const b = tm__fs_join(tm__home_jobs(*state), "training.b.json");
    assert_int_equal(tm__fs_info(a).kind, TM_PATH_NONE);
    assert_int_equal(tm__fs_info(b).kind, TM_PATH_FILE);
    tm__mem_free(a);
    tm__mem_free(b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_no_training_wrote_is_passed_over),
        TEST(those_that_run_are_told_newest_first),
        TEST(of_many_some_are_read),
        TEST(files_of_killed_trainings_are_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
