/* SPDX-License-Identifier: Apache-2.0 */
#include "source/intake_away.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "support.h"
#include "test.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void names_of_segments(void **state) {
    static const struct {
        const char *name, *behind; /* NULL: none */
    } cases[] = {
        {HASH ".parquet", ""},
        {HASH ".parquet.gone", ".gone"},
        {HASH ".parquet" TM_BUCKET_DROP, ".drop"},
        {HASH ".0001.tmp", NULL},
        {HASH, NULL},
        {"", NULL},
        {"zz23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.parquet", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_hash hash;
        const char *behind = "";
        assert_true(tm__segment_name(cases[i].name, &hash, &behind) == (cases[i].behind != NULL));
        assert_true(cases[i].behind == NULL || strcmp(behind, cases[i].behind) == 0);
    }
}

static bool is_there(const char *behind) {
    char name[128], path[256];
    (void)snprintf(name, sizeof(name), HASH ".parquet%s", behind);
    test_folder_join(&test_dir, name, path, sizeof(path));
    return tm__fs_info(path).kind == TM_PATH_FILE;
}

static void write_file(const char *behind) {
    char name[128], path[256];
    (void)snprintf(name, sizeof(name), HASH ".parquet%s", behind);
    test_folder_join(&test_dir, name, path, sizeof(path));
    assert_int_equal(tm__fs_publish(path, "1", 1, NULL), TM_OK);
}

static void what_is_let_go_of_leaves_a_mark_until_its_object_is_gone(void **state) {
    tm_hash hash;
    tm_bucket bucket = {0};
    char dir[256];
    (void)state;
    test_folder_join(&test_dir, "", dir, sizeof(dir));
    assert_true(tm__hash_from_text(HASH, &hash));
    write_file("");
    write_file(TM_AWAY_GONE);
    assert_int_equal(tm__away_release_locked(dir, &hash, NULL), TM_OK);
    assert_true(is_there(TM_BUCKET_DROP) && !is_there("") && !is_there(TM_AWAY_GONE));
    assert_int_equal(tm__away_drop(&bucket, dir, NULL), TM_OK);
    assert_false(is_there(TM_BUCKET_DROP));
    tm__bucket_done(&bucket);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, test_dir_make, test_dir_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(names_of_segments),
        CASE(what_is_let_go_of_leaves_a_mark_until_its_object_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
