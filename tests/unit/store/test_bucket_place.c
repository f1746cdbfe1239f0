/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "canned_server.h"
#include "store/bucket_priv.h"
#include "support.h"
#include "test.h"

#define HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define NONE "HTTP/1.1 404 No\r\nConnection: close\r\n\r\n"

static void write_file(const char *name, const char *text) {
    char path[256];
    test_folder_join(&test_dir, name, path, sizeof(path));
    assert_int_equal(tm__fs_publish(path, text, strlen(text), NULL), TM_OK);
}

static void write_place(const char *more) {
    char text[512], credentials[256];
    test_folder_join(&test_dir, "s3.ini", credentials, sizeof(credentials));
    (void)snprintf(text, sizeof(text), "{\"url\": \"s3://abc/a\", \"credentials\": \"%s\"%s}",
                   credentials, more);
    write_file(TM_HOME_BUCKET, text);
}

static tm_status place(const char *name, tm_bucket_placed *out) {
    char path[256];
    tm_bucket bucket = {0};
    test_folder_join(&test_dir, name, path, sizeof(path));
    const tm_status st = tm__bucket_place(&bucket, path, out, NULL);
    tm__bucket_done(&bucket);
    return st;
}

static void each_file_has_its_key(void **state) {
    static const struct {
        const char *path, *segments, *key; /* NULL: none */
    } cases[] = {
        {"bundles/f", "", "a/bundles/f"},
        {"snapshots/f", ", \"segments\": \"m1\"", "a/snapshots/f"},
        {"segments/s/f", "", NULL},
        {"segments/s/f", ", \"segments\": \"m1\"", "a/segments/m1/s/f"},
        {"segments/bundles/f", ", \"segments\": \"m1\"", "a/segments/m1/bundles/f"},
        {"segments/f", ", \"segments\": \"m1\"", "a/segments/m1/f"},
        {"a/b/bundles/f", "", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_bucket_placed p;
        write_place(cases[i].segments);
        assert_int_equal(place(cases[i].path, &p), TM_OK);
        if (cases[i].key == NULL) {
            assert_null(p.client);
        } else {
            assert_string_equal((const char *)p.key.data, cases[i].key);
        }
        tm__bucket_placed_done(&p);
    }
}

static void a_folder_that_is_no_name_is_refused(void **state) {
    static const char *const bad[] = {"\"\"", "\"a/b\"", "\"..\"", "3", "\"a b\""};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char more[64];
        tm_bucket_placed p;
        (void)snprintf(more, sizeof(more), ", \"segments\": %s", bad[i]);
        write_place(more);
        assert_int_equal(place("bundles/f", &p), TM_E_DATA);
        tm__bucket_placed_done(&p);
    }
}

/* A release that did not know "segments" looked past it, and for rows in the wrong place. */
static void a_word_of_a_later_release_is_refused(void **state) {
    tm_bucket_placed p;
    (void)state;
    write_place(", \"mirrors\": [\"s3://b\"]");
    assert_int_equal(place("bundles/f", &p), TM_E_UNSUPPORTED);
    tm__bucket_placed_done(&p);
}

/* Claim with these answers. */
static tm_status claim(const char *const *answers, uint32_t n, char *request, size_t size) {
    char path[256];
    tm_bucket bucket = {0};
    tm_bucket_placed p;
    canned_server *const server = canned_server_open(answers, n);
    test_folder_join(&test_dir, "s3.ini", path, sizeof(path));
    canned_server_credentials(server, path);
    test_folder_join(&test_dir, "segments/s/f", path, sizeof(path));
    assert_int_equal(tm__bucket_place(&bucket, path, &p, NULL), TM_OK);
    tm_status st = tm__bucket_claim(p.client, NULL);
    if (st == TM_OK) {
        st = tm__bucket_claim(p.client, NULL); /* asks nothing */
    }
    assert_int_equal(canned_server_count(server), n);
    (void)snprintf(request, size, "%s", canned_server_request(server, n > 1 ? 1 : 0));
    tm__bucket_placed_done(&p);
    tm__bucket_done(&bucket);
    canned_server_close(server);
    return st;
}

static void segments_are_one_homes(void **state) {
    char request[CANNED_REQUEST];
    (void)state;
    write_place(", \"segments\": \"m1\"");
    write_file("bucket.owner", "word\n");
    const char *const mine[] = {HEAD "word\n"};
    assert_int_equal(claim(mine, 1, request, sizeof(request)), TM_OK);
    assert_non_null(strstr(request, "GET /abc/a/segments/m1.owner "));
    const char *const fresh[] = {NONE, HEAD, HEAD "word\n"};
    assert_int_equal(claim(fresh, 3, request, sizeof(request)), TM_OK);
    assert_non_null(strstr(request, "PUT /abc/a/segments/m1.owner "));
    const char *const another[] = {HEAD "other\n"};
    assert_int_equal(claim(another, 1, request, sizeof(request)), TM_E_CONFLICT);
    const char *const faster[] = {NONE, HEAD, HEAD "other\n"};
    assert_int_equal(claim(faster, 3, request, sizeof(request)), TM_E_CONFLICT);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, test_dir_make, test_dir_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(each_file_has_its_key),
        CASE(a_folder_that_is_no_name_is_refused),
        CASE(a_word_of_a_later_release_is_refused),
        CASE(segments_are_one_homes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
