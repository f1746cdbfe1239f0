/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/project_patch.h"
#include "temp_home.h"

#define HEAD "models:\n  other: {from: a.csv, target: y}\n"
#define TAIL "  last:\n    from: b.csv\n    target: z\n"

static const tm_project_change all[] = {
    {"retrain", "new_rows", "500"}, {"retrain", "every", NULL},  {"retrain", "on", "[drift]"},
    {"gate", "by", "0.01"},         {NULL, "threshold", "0.25"},
};

static const struct {
    const char *name, *file, *wants[6];
    uint32_t n_changes;
} cases[] = {
    {"keys that are not there come behind the last one",
     HEAD "  m:\n    from: c.csv # mine\n    target: y  # what we want\n" TAIL,
     {"@@ -3,6 +3,9 @@\n",
      "     target: y  # what we want\n+    retrain: {new_rows: 500, on: [drift]}\n"
      "+    gate: {by: 0.01}\n+    threshold: 0.25\n   last:\n"},
     5},
    {"in braces, what is not changed stays",
     HEAD "  m:\n    from: c.csv\n    target: y\n    retrain: {every: 24h, cool_down: 1h} # slow\n",
     {"-    retrain: {every: 24h, cool_down: 1h} # slow\n"
      "+    retrain: {cool_down: 1h, new_rows: 500} # slow\n"},
     2},
    {"in lines, with comments and lists",
     HEAD "  m:\n    from: c.csv\n    retrain:\n      # by hand\n      on:\n        - drift\n      "
          "  - schema\n"
          "      every: 24h # at night\n      watch: 9\n    target: y\n    gate: {better_than: "
          "champion, by: 0}\n",
     {"      # by hand\n-      on:\n-        - drift\n-        - schema\n-      every: 24h # at "
      "night\n",
      "+      on: [drift]\n", "+      watch: 9\n+      new_rows: 500\n",
      "+    gate: {better_than: champion, by: 0.01}\n+    threshold: 0.25\n"},
     5},
    {"letters of more bytes do not shift it",
     "models:\n  m:\n    from: c.csv # \xC3\xA4\xC3\xB6\xC3\xBC\n    target: \xC3\xA4\n    "
     "threshold: f1",
     {"-    threshold: f1\n\\ No newline at end of file\n"
      "+    threshold: 0.25\n+    retrain: {new_rows: 500"},
     5},
    {"a model in one line",
     "models: {m: {from: c.csv, target: y}}\n",
     {"+models: {m: {from: c.csv, target: y, retrain: {new_rows: 500}}}\n"},
     2},
};

static void each_change_leaves_the_rest_as_it_is(void **state) {
    char *const path = tm__fs_join(tm__home_path(*state), "tidemill.yaml");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        tm_buf out;
        tm__buf_init(&out, 1 << 20);
        assert_int_equal(tm__fs_publish(path, cases[i].file, strlen(cases[i].file), NULL), TM_OK);
        if (tm__project_patch(path, "m", all, cases[i].n_changes, &out, &err) != TM_OK) {
            fail_msg("%s: %s", cases[i].name, err.message);
        }
        tm__buf_byte(&out, 0);
        for (size_t k = 0; k < 6 && cases[i].wants[k] != NULL; k++) {
            if (strstr((const char *)out.data, cases[i].wants[k]) == NULL) {
                fail_msg("%s:\n%s", cases[i].name, (const char *)out.data);
            }
        }
        tm__buf_done(&out);
    }
    tm__mem_free(path);
}

static void the_last_key_of_a_map_goes_with_the_map(void **state) {
    static const char file[] =
        "models:\n  m:\n    from: c.csv\n    retrain: {every: 1h}\n    target: y\n";
    static const tm_project_change gone[] = {{"retrain", "every", NULL}, {"gate", "by", NULL}};
    char *const path = tm__fs_join(tm__home_path(*state), "tidemill.yaml");
    tm_buf out;
    tm__buf_init(&out, 1 << 20);
    assert_int_equal(tm__fs_publish(path, file, strlen(file), NULL), TM_OK);
    assert_int_equal(tm__project_patch(path, "m", gone, 2, &out, NULL), TM_OK);
    tm__buf_byte(&out, 0);
    assert_non_null(strstr((const char *)out.data,
                           "@@ -1,5 +1,4 @@\n models:\n   m:\n     from: "
                           "c.csv\n-    retrain: {every: 1h}\n     target"));
    tm__buf_done(&out);
    tm__mem_free(path);
}

static void what_cannot_be_patched_is_told(void **state) {
    static const char *const files[] = {
        "models:\n  other: {from: a.csv, target: y}\n",
        "models:\n  a: &x\n    from: a.csv\n    target: y\n  m: *x\n",
        "models:\n  m:\n    from: a.csv\n    target: y\n    retrain:\n",
    };
    static const tm_status wants[] = {TM_E_NOT_FOUND, TM_E_UNSUPPORTED, TM_E_UNSUPPORTED};
    char *const path = tm__fs_join(tm__home_path(*state), "tidemill.yaml");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        tm_err err = {0};
        tm_buf out;
        tm__buf_init(&out, 1 << 20);
        assert_int_equal(tm__fs_publish(path, files[i], strlen(files[i]), NULL), TM_OK);
        const tm_status st = tm__project_patch(path, "m", all, 1, &out, &err);
        assert_int_equal(st, wants[i]);
        assert_true(st == TM_OK || out.len == 0);
        tm__buf_done(&out);
    }
    tm__mem_free(path);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(each_change_leaves_the_rest_as_it_is),
        HOME(the_last_key_of_a_map_goes_with_the_map),
        HOME(what_cannot_be_patched_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
