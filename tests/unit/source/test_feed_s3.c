/* SPDX-License-Identifier: Apache-2.0 */
/* Whole readings of buckets are in tests/e2e/test_buckets.py; here is what needs no server. */
#include "source/feed_s3.h"

#include <string.h>

#include "test.h"

static void patterns_match_keys(void **state) {
    (void)state;
    const struct {
        const char *pattern, *key;
        bool want;
    } cases[] = {
        {"", "a/b.csv", true},
        {"a/", "a/b.csv", true},
        {"a/b", "a/b.csv", true},
        {"b", "a/b.csv", false},
        {"a/*.csv", "a/b.csv", true},
        {"a/*.csv", "a/.csv", true},
        {"a/*.csv", "a/b/c.csv", false},
        {"a/*.csv", "a/b.csv.gz", false},
        {"a/**.csv", "a/b/c.csv", true},
        {"**/c.csv", "a/b/c.csv", true},
        {"**/c*.csv", "a/c/b/cd.csv", true},
        {"**/c*.csv", "a/c/b.csv", false},
        {"*/*/*.csv", "a/b/c.csv", true},
        {"*/*.csv", "a/b/c.csv", false},
        {"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
        {"a?c", "abc", true},
        {"a?c", "a/c", false},
        {"a[b-d]e", "ace", true},
        {"a[b-d]e", "aee", false},
        {"a[!b-d]e", "aee", true},
        {"a[!b]e", "a/e", false},
        {"a[]]e", "a]e", true},
        {"a[b", "a[b", true},
        {"a[b*", "a[bc", true},
        {"*", "", true},
        {"?", "", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (tm__feed_s3_matches(cases[i].pattern, cases[i].key) != cases[i].want) {
            print_error("'%s' and '%s'\n", cases[i].pattern, cases[i].key);
        }
        assert_int_equal(tm__feed_s3_matches(cases[i].pattern, cases[i].key), cases[i].want);
    }
}

static void what_is_declared_is_checked(void **state) {
    (void)state;
    const struct {
        const char *address, *credentials;
        tm_status want;
        const char *hint;
    } cases[] = {
        {"s3://rows/a/*.csv", "x", TM_OK, ""},
        {"s3://rows", "x", TM_OK, ""},
        {"s3://rows/", NULL, TM_E_USAGE, "--credentials FILE"},
        {"s3://ro ws/", "x", TM_E_USAGE, "s3://BUCKET/PREFIX"},
        {"s3://", "x", TM_E_USAGE, "s3://BUCKET/PREFIX"},
        {"https://rows/", "x", TM_E_USAGE, "s3://BUCKET/PREFIX"},
        {"s3://rows/\xFF", "x", TM_E_USAGE, "s3://BUCKET/PREFIX"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        json_t *spec = json_object();
        json_object_set_new(spec, "s3",
                            json_stringn_nocheck(cases[i].address, strlen(cases[i].address)));
        if (cases[i].credentials != NULL) {
            json_object_set_new(spec, "credentials", json_string(cases[i].credentials));
        }
        assert_int_equal(tm__feed_s3_check(spec, false, &err), cases[i].want);
        assert_non_null(strstr(err.hint, cases[i].hint));
        json_decref(spec);
    }
    assert_non_null(tm__feed_find("s3"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_keys),
        cmocka_unit_test(what_is_declared_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
