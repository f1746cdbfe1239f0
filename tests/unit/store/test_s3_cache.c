/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "canned_server.h"
#include "store/s3_priv.h"
#include "support.h"
#include "test.h"

#define FOUR                                                                                       \
    "HTTP/1.1 206 P\r\nConnection: close\r\nContent-Range: bytes 0-3/4\r\nContent-Length: "        \
    "4\r\n\r\n0123"

static char cache_dir[256];

static int set_up(void **state) {
    (void)state;
    test_folder_make(&test_dir);
    test_folder_join(&test_dir, "cache", cache_dir, sizeof(cache_dir));
    return 0;
}

static tm_s3 *client(const canned_server *server) {
    char path[256];
    tm_s3 *s3 = NULL;
    test_folder_join(&test_dir, "credentials", path, sizeof(path));
    canned_server_credentials(server, path);
    const tm_s3_options options = {.credentials = path, .n_tries = 1};
    assert_int_equal(tm__s3_open(NULL, &options, &s3, NULL), TM_OK);
    return s3;
}

static char *fetch(tm_s3 *s3, const tm_s3_cache *cache, const char *key, const char *etag) {
    char *path = NULL;
    const tm_s3_object object = {.bucket = "abc", .key = key, .etag = etag, .size_bytes = 4};
    assert_int_equal(tm__s3_cache_get(s3, cache, &object, &path, NULL), TM_OK);
    assert_int_equal(tm__fs_info(path).size_bytes, 4);
    return path;
}

/* Say that a file was used so many seconds after 1970. */
static void used_at(const char *path, long seconds) {
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool is_there(const char *path) {
    return tm__fs_info(path).kind == TM_PATH_FILE;
}

static void an_object_is_fetched_once(void **state) {
    (void)state;
    const char *const answers[] = {FOUR, FOUR, FOUR};
    canned_server *server = canned_server_open(answers, 3);
    tm_s3 *s3 = client(server);
    const tm_s3_cache cache = {.dir = cache_dir};
    char *first = fetch(s3, &cache, "k", "\"1\"");
    char *again = fetch(s3, &cache, "k", "\"1\"");
    assert_string_equal(first, again);
    assert_int_equal(canned_server_count(server), 1);
    char *changed = fetch(s3, &cache, "k", "\"2\"");
    assert_string_not_equal(first, changed);
    assert_int_equal(canned_server_count(server), 2);
    /* A file of another size is none. */
    assert_int_equal(tm__fs_publish(first, "01", 2, NULL), TM_OK);
    tm__mem_free(again);
    again = fetch(s3, &cache, "k", "\"1\"");
    assert_int_equal(canned_server_count(server), 3);
    tm__mem_free(first);
    tm__mem_free(again);
    tm__mem_free(changed);
    tm__s3_close(s3);
    canned_server_close(server);
}

static void what_was_not_used_longest_makes_room(void **state) {
    (void)state;
    const struct {
        const char *name;
        tm_s3_cache limits;
    } cases[] = {{"bytes", {.size_bytes = 11}}, {"files", {.n_files = 2}}};
    for (size_t i = 0; i < 2; i++) {
        const char *const answers[] = {FOUR, FOUR, FOUR};
        canned_server *server = canned_server_open(answers, 3);
        tm_s3 *s3 = client(server);
        char dir[512];
        (void)snprintf(dir, sizeof(dir), "%s-%s", cache_dir, cases[i].name);
        tm_s3_cache cache = cases[i].limits;
        cache.dir = dir;
        char *a = fetch(s3, &cache, "a", "\"1\"");
        char *b = fetch(s3, &cache, "b", "\"1\"");
        used_at(a, 1000);
        used_at(b, 2000);
        tm__mem_free(fetch(s3, &cache, "a", "\"1\"")); /* used again: b is the oldest now */
        char *c = fetch(s3, &cache, "c", "\"1\"");
        assert_true(is_there(a) && !is_there(b) && is_there(c));
        tm__mem_free(a);
        tm__mem_free(b);
        tm__mem_free(c);
        tm__s3_close(s3);
        canned_server_close(server);
    }
}

static void a_file_ends_as_its_object(void **state) {
    (void)state;
    const struct {
        const char *key, *suffix;
    } cases[] = {
        {"p/a.csv.gz", ".csv.gz"},
        {"a.b.c.csv", ".csv"},
        {"v1.2 new.csv", ".csv"},
        {"v1.2 new.csv.zst", ".csv.zst"},
        {"p.csv/a", ""},
        {"a.c v", ""},
        {".csv", ""},
        {"a.abcdefghijklmnopqrstuvwxyz", ""},
    };
    const char *const answers[] = {FOUR, FOUR, FOUR, FOUR, FOUR, FOUR, FOUR, FOUR};
    canned_server *server = canned_server_open(answers, 8);
    tm_s3 *s3 = client(server);
    const tm_s3_cache cache = {.dir = cache_dir};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *path = fetch(s3, &cache, cases[i].key, "\"1\"");
        const char *const name = strrchr(path, '/') + 1;
        assert_string_equal(name + TM_HASH_TEXT - 1, cases[i].suffix);
        tm__mem_free(path);
    }
    tm__s3_close(s3);
    canned_server_close(server);
}

static void halves_of_the_dead_are_removed(void **state) {
    (void)state;
    const char *const answers[] = {FOUR, FOUR};
    canned_server *server = canned_server_open(answers, 2);
    tm_s3 *s3 = client(server);
    char dir[512], old[700], young[700];
    (void)snprintf(dir, sizeof(dir), "%s-halves", cache_dir);
    const tm_s3_cache cache = {.dir = dir, .n_files = 1};
    char *a = fetch(s3, &cache, "a", "\"1\"");
    (void)snprintf(old, sizeof(old), "%s.0123456789abcdef.tmp", a);
    (void)snprintf(young, sizeof(young), "%s.fedcba9876543210.tmp", a);
    assert_int_equal(tm__fs_publish(old, "x", 1, NULL), TM_OK);
    assert_int_equal(tm__fs_publish(young, "x", 1, NULL), TM_OK);
    used_at(old, 1000);
    char *b = fetch(s3, &cache, "b", "\"1\"");
    assert_true(!is_there(old) && is_there(young) && is_there(b) && !is_there(a));
    tm__mem_free(a);
    tm__mem_free(b);
    tm__s3_close(s3);
    canned_server_close(server);
}

static void an_object_larger_than_the_cache_is_refused(void **state) {
    (void)state;
    const char *const answers[] = {FOUR};
    canned_server *server = canned_server_open(answers, 1);
    tm_s3 *s3 = client(server);
    char *path = NULL;
    tm_err err = {0};
    const tm_s3_cache cache = {.dir = cache_dir, .size_bytes = 3};
    const tm_s3_object object = {.bucket = "abc", .key = "big", .etag = "\"1\"", .size_bytes = 4};
    assert_int_equal(tm__s3_cache_get(s3, &cache, &object, &path, &err), TM_E_LIMIT);
    assert_null(path);
    assert_string_equal(err.data_path, "big");
    const tm_s3_object huge = {
        .bucket = "abc", .key = "huge", .etag = "\"1\"", .size_bytes = UINT64_MAX / 2};
    const tm_s3_cache wide = {.dir = cache_dir, .size_bytes = UINT64_MAX};
    assert_int_equal(tm__s3_cache_get(s3, &wide, &huge, &path, &err), TM_E_IO);
    assert_non_null(strstr(err.message, "no space"));
    tm__s3_close(s3);
    canned_server_close(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_fetched_once),
        cmocka_unit_test(what_was_not_used_longest_makes_room),
        cmocka_unit_test(a_file_ends_as_its_object),
        cmocka_unit_test(halves_of_the_dead_are_removed),
        cmocka_unit_test(an_object_larger_than_the_cache_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, test_dir_remove);
}
