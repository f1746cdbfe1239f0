/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "source/intake_priv.h"
#include "temp_home.h"
#include "test.h"

#define ORPHAN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.parquet"

static tm_ctx ctx;

static void add_rows(const tm_home *home, const char *source) {
    char body[] = "[{\"a\":1},{\"a\":2}]";
    tm_push_result r = {0};
    uint64_t n = 0;
    const tm_intake_add add = {.name = source, .feed = "push"};
    const tm_push push = {
        .source = source, .form = TM_PUSH_JSON, .data = body, .len = sizeof(body) - 1};
    tm_intake *intake = tm__intake_create(home);
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    assert_int_equal(tm__intake_push_wait(intake, &push, &r, NULL), TM_OK);
    tm__intake_close(intake);
    assert_int_equal(tm__intake_compact(&ctx, home, source, 1, &n, NULL), TM_OK);
}

/* A file below the home, last changed so many seconds after 1970 (0: now). */
static char *make_file(const tm_home *home, const char *what, const char *source, const char *name,
                       long seconds) {
    char *dir = tm__intake_dir(home, what, source);
    assert_int_equal(tm__fs_mkdir(dir, NULL), TM_OK);
    char *path = tm__fs_join(dir, name);
    assert_int_equal(tm__fs_publish(path, "123", 3, NULL), TM_OK);
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    if (seconds > 0) {
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    }
    tm__mem_free(dir);
    return path;
}

static tm_intake_rest collect(const tm_home *home, bool removes) {
    tm_intake_rest rest = {0};
    const tm_intake_collect options = {.age_us = TM_INTAKE_COLLECT_US, .removes = removes};
    assert_int_equal(tm__intake_collect(home, &options, &rest, NULL), TM_OK);
    return rest;
}

static bool is_there(const char *path) {
    return tm__fs_info(path).kind == TM_PATH_FILE;
}

typedef struct seen {
    uint32_t n;
    char *path; /* of the last one */
    const tm_home *home;
} seen;

static tm_status see(void *arg, const tm_intake_file *file, tm_err *err) {
    seen *const s = arg;
    (void)err;
    tm__mem_free(s->path);
    s->path = tm__intake_file_path(s->home, file);
    s->n++;
    assert_int_equal(file->kind, TM_INTAKE_SEGMENT);
    assert_int_equal(file->n, 2);
    return TM_OK;
}

static void only_what_is_old_and_nobodys_is_removed(void **state) {
    const tm_home *home = *state;
    seen s = {.home = home};
    assert_int_equal(collect(home, true).n, 0); /* no database, no file */
    add_rows(home, "s");
    assert_int_equal(tm__intake_files(home, &(tm_intake_files){see, &s}, NULL), TM_OK);
    assert_int_equal(s.n, 1);
    /* The segment that is named is old too. */
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, s.path, times, 0), 0);
    char *old = make_file(home, "segments", "s", ORPHAN, 1000);
    char *half = make_file(home, "segments", "s", "level0.tmp", 1000);
    char *keys = make_file(home, "keys", "s", "level0.tmp", 1000);
    char *young = make_file(home, "segments", "s", "0.tmp", 0);
    char *gone = make_file(home, "segments", "removed", ORPHAN, 1000);
    const tm_intake_rest counted = collect(home, false);
    assert_true(counted.n == 4 && counted.bytes == 12 && is_there(old));
    const tm_intake_rest removed = collect(home, true);
    assert_true(removed.n == 4 && removed.bytes == 12);
    assert_false(is_there(old) || is_there(half) || is_there(keys) || is_there(gone));
    assert_true(is_there(young) && is_there(s.path));
    char *dir = tm__intake_dir(home, "segments", "removed");
    assert_int_equal(tm__fs_info(dir).kind, TM_PATH_NONE);
    assert_int_equal(collect(home, true).n, 0);
    char *const all[] = {old, half, keys, young, gone, dir, s.path};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        tm__mem_free(all[i]);
    }
}

/* Rows of a reading that was killed wait for the next one, unless there will be none. */
static void what_a_killed_reading_left_is_removed(void **state) {
    const tm_home *home = *state;
    static const struct {
        const char *file, *state;
        bool has_key, stays;
    } cases[] = {
        {"going.rows", "{\"at\": 100}", false, true},
        {"begun.rows", "null", false, true},
        {"done.rows", "{\"done\": true}", false, false},
        {"keyed.rows", "null", true, false},
        {"nobody.rows", NULL, false, false},
        {"done.rows.tmp", NULL, false, false},
        {".rows", NULL, false, false},
        {"nobody.lock", NULL, false, true},
    };
    char *paths[sizeof(cases) / sizeof(cases[0])];
    uint64_t n_gone = 0;
    tm_db *db = NULL;
    assert_int_equal(tm__intake_db_open(home, true, &db, NULL), TM_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char sql[256];
        paths[i] = make_file(home, "pull", ".", cases[i].file, 1000);
        n_gone += cases[i].stays ? 0 : 1;
        (void)snprintf(sql, sizeof(sql),
                       "INSERT INTO sources(name, feed, keys, created_us, state) VALUES"
                       " ('%.*s', 'sqlite', '%s', 1, '%s')",
                       (int)strcspn(cases[i].file, "."), cases[i].file,
                       cases[i].has_key ? "[\"id\"]" : "[]", cases[i].state);
        if (cases[i].state != NULL) {
            assert_int_equal(tm__db_exec(db, sql, NULL), TM_OK);
        }
    }
    tm__db_close(db);
    assert_int_equal(collect(home, false).n, n_gone);
    assert_int_equal(collect(home, true).n, n_gone);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (is_there(paths[i]) != cases[i].stays) {
            fail_msg("%s", cases[i].file);
        }
        tm__mem_free(paths[i]);
    }
}

static void a_name_of_another_source_owns_nothing(void **state) {
    const tm_home *home = *state;
    seen s = {.home = home};
    add_rows(home, "a");
    assert_int_equal(tm__intake_files(home, &(tm_intake_files){see, &s}, NULL), TM_OK);
    char *other = make_file(home, "segments", "b", strrchr(s.path, '/') + 1, 1000);
    char *kind = make_file(home, "keys", "a", strrchr(s.path, '/') + 1, 1000);
    assert_int_equal(collect(home, true).n, 2);
    assert_true(is_there(s.path) && !is_there(other) && !is_there(kind));
    tm__mem_free(other);
    tm__mem_free(kind);
    tm__mem_free(s.path);
}

static void nothing_is_removed_while_files_are_copied(void **state) {
    const tm_home *home = *state;
    tm_file *hold = NULL;
    add_rows(home, "s");
    char *old = make_file(home, "segments", "s", ORPHAN, 1000);
    assert_int_equal(tm__intake_hold(home, &ctx, &hold, NULL), TM_OK);
    assert_null(tm__intake_files_lock(home));
    assert_int_equal(collect(home, true).n, 0);
    assert_true(is_there(old));
    assert_int_equal(collect(home, false).n, 1);
    tm__file_close(hold);
    tm_file *lock = tm__intake_files_lock(home);
    assert_non_null(lock);
    tm__file_close(lock);
    assert_int_equal(collect(home, true).n, 1);
    tm__mem_free(old);
}

static void a_file_that_was_removed_is_not_named(void **state) {
    const tm_home *home = *state;
    tm_hash hash;
    tm_err err = {0};
    assert_true(tm__hash_from_text(
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", &hash));
    char *path = make_file(home, "segments", "s", ORPHAN, 0);
    char *dir = tm__intake_dir(home, "segments", "s");
    assert_int_equal(tm__intake_file_check_locked(dir, TM_INTAKE_SEGMENT, &hash, NULL), TM_OK);
    assert_int_equal(tm__intake_file_check_locked(dir, TM_INTAKE_KEYS, &hash, &err),
                     TM_E_UNAVAILABLE);
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    assert_int_equal(tm__intake_file_check_locked(dir, TM_INTAKE_SEGMENT, &hash, &err),
                     TM_E_UNAVAILABLE);
    assert_non_null(strstr(err.hint, "Nothing is lost"));
    tm__mem_free(path);
    tm__mem_free(dir);
}

static void a_file_of_keys_is_read_to_be_checked(void **state) {
    const tm_home *home = *state;
    char *dir = tm__intake_dir(home, "keys", "s");
    tm_key_set *set = tm__key_set_create(dir, 0);
    tm_key_run *run = NULL;
    bool has_failed = false;
    assert_true(tm__key_set_add(set, tm__row_key("1", 1), &has_failed));
    assert_true(tm__key_set_freeze(set));
    assert_int_equal(tm__key_set_save(set, &run, NULL), TM_OK);
    const tm_key_run_info info = tm__key_run_info(run);
    tm__key_run_close(run);
    tm__key_set_free(set);
    const tm_intake_file file = {
        .kind = TM_INTAKE_KEYS, .source = "s", .hash = info.hash, .n = 1, .level = 0};
    assert_int_equal(tm__intake_keys_check(home, &file, NULL), TM_OK);
    char *path = tm__intake_file_path(home, &file);
    tm_buf bytes;
    tm__buf_init(&bytes, 10000);
    assert_int_equal(tm__fs_read_all(path, &bytes, NULL), TM_OK);
    bytes.data[bytes.len - 1] ^= 1;
    assert_int_equal(tm__fs_publish(path, bytes.data, bytes.len, NULL), TM_OK);
    assert_int_equal(tm__intake_keys_check(home, &file, NULL), TM_E_INTEGRITY);
    tm__buf_done(&bytes);
    tm__mem_free(path);
    tm__mem_free(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_a_killed_reading_left_is_removed),
        TEST(only_what_is_old_and_nobodys_is_removed),
        TEST(a_name_of_another_source_owns_nothing),
        TEST(nothing_is_removed_while_files_are_copied),
        TEST(a_file_that_was_removed_is_not_named),
        TEST(a_file_of_keys_is_read_to_be_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
