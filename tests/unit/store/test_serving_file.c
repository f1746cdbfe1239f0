/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/serving_file.h"
#include "temp_home.h"

#define SCHEMA "\"schema\":\"tidemill.serving/1\""
#define MINUTE INT64_C(60000000)

static json_t *read_text(const tm_home *home, const char *text) {
    char *path = tm__fs_join(tm__home_path(home), TM_SERVING_FILE);
    json_t *out = NULL;
    assert_int_equal(tm__fs_replace(path, text, strlen(text), NULL), TM_OK);
    assert_int_equal(tm__serving_read(home, &out, NULL), TM_OK);
    tm__mem_free(path);
    return out;
}

static void what_no_server_wrote_is_nothing(void **state) {
    static const char *const texts[] = {"",
                                        "{",
                                        "7",
                                        "[]",
                                        "{}",
                                        "{\"server\":{}}",
                                        "{" SCHEMA "}",
                                        "{" SCHEMA ",\"server\":1}",
                                        "{\"schema\":\"tidemill.serving/9\",\"server\":{}}"};
    json_t *out = NULL;
    assert_int_equal(tm__serving_read(*state, &out, NULL), TM_OK);
    assert_null(out);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_null(read_text(*state, texts[i]));
    }
    assert_false(tm__serving_runs(NULL));
    assert_false(tm__serving_is_fresh(NULL, 0));
    assert_null(tm__serving_route(NULL, "late"));
}

static void a_word_is_fresh_for_some_seconds(void **state) {
    json_t *said =
        read_text(*state, "{" SCHEMA ",\"server\":{\"state\":\"running\",\"at_us\":60000000}}");
    assert_true(tm__serving_runs(said));
    assert_true(tm__serving_is_fresh(said, MINUTE + 4000000));
    assert_false(tm__serving_is_fresh(said, 2 * MINUTE));
    assert_false(tm__serving_is_fresh(said, 0)); /* the clock went back */
    json_decref(said);
    said = read_text(*state, "{" SCHEMA ",\"server\":{\"state\":\"stopped\",\"at_us\":60000000}}");
    assert_true(said != NULL && !tm__serving_runs(said) && !tm__serving_is_fresh(said, MINUTE));
    json_decref(said);
}

static void a_shadow_is_found_among_the_arms(void **state) {
    json_t *said = read_text(
        *state, "{" SCHEMA ",\"server\":{},\"routes\":[{\"model\":\"other\"},{\"model\":\"late\","
                "\"arms\":[{\"version\":2,\"arm\":\"named\",\"answered\":9},{\"version\":3,\"arm\":"
                "\"shadow\","
                "\"answered\":8},{\"version\":2,\"arm\":\"shadow\",\"answered\":7,\"failed\":1,"
                "\"dropped\":2,"
                "\"compared\":70,\"differed\":5}]}]}");
    const json_t *arms = json_object_get(tm__serving_route(said, "late"), "arms");
    json_t *shadow = tm__serving_shadow(arms, 2), *none = tm__serving_shadow(arms, 1);
    assert_int_equal(tm__json_i64(shadow, "answered", 0), 7);
    assert_int_equal(tm__json_i64(shadow, "dropped", 0), 2);
    assert_int_equal(tm__json_i64(shadow, "compared", 0), 70);
    assert_int_equal(tm__json_i64(shadow, "differed", 0), 5);
    assert_int_equal(tm__json_i64(none, "answered", -1), 0);
    json_decref(shadow);
    json_decref(none);
    json_decref(said);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_no_server_wrote_is_nothing),
        TEST(a_word_is_fresh_for_some_seconds),
        TEST(a_shadow_is_found_among_the_arms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
