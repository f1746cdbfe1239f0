/* SPDX-License-Identifier: Apache-2.0 */
#include "store/bucket.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "canned_server.h"
#include "support.h"
#include "test.h"

#define HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define NONE HEAD "<ListBucketResult></ListBucketResult>"
#define ONE                                                                                        \
    HEAD "<ListBucketResult><Contents><Key>a/bundles/f.tmb</Key><ETag>e</ETag><Size>3</Size>"      \
         "</Contents></ListBucketResult>"

static char file[256];

static int set_up(void **state) {
    char path[256];
    (void)state;
    test_folder_make(&test_dir);
    test_folder_join(&test_dir, "bundles", path, sizeof(path));
    assert_int_equal(tm__fs_mkdir(path, NULL), TM_OK);
    test_folder_join(&test_dir, "bundles/f.tmb", file, sizeof(file));
    return 0;
}

static canned_server *server_of(const char *const *answers, size_t n) {
    char path[256], credentials[256], text[800];
    canned_server *const server = canned_server_open(answers, n);
    test_folder_join(&test_dir, "s3.ini", credentials, sizeof(credentials));
    canned_server_credentials(server, credentials);
    (void)snprintf(text, sizeof(text), "{\"url\": \"s3://abc/a/\", \"credentials\": \"%s\"}",
                   credentials);
    test_folder_join(&test_dir, TM_HOME_BUCKET, path, sizeof(path));
    assert_int_equal(tm__fs_publish(path, text, strlen(text), NULL), TM_OK);
    return server;
}

static void without_a_bucket_nothing_is_asked(void **state) {
    (void)state;
    bool is_fetched = true, has = true;
    assert_int_equal(tm__bucket_find(NULL, file, &is_fetched, NULL), TM_OK);
    assert_int_equal(tm__bucket_has(NULL, file, &has, NULL), TM_OK);
    assert_false(is_fetched || has);
    assert_int_equal(tm__bucket_keep(NULL, file, NULL), TM_OK);
    assert_int_equal(tm__bucket_drop(NULL, file, NULL), TM_OK);
    assert_int_equal(tm__bucket_keep(NULL, "f.tmb", NULL), TM_OK);
}

static void a_file_is_put_once(void **state) {
    (void)state;
    const char *const answers[] = {NONE, HEAD, ONE};
    canned_server *const server = server_of(answers, 3);
    assert_int_equal(tm__fs_publish(file, "abc", 3, NULL), TM_OK);
    assert_int_equal(tm__bucket_keep(NULL, file, NULL), TM_OK);
    assert_non_null(strstr(canned_server_request(server, 1), "PUT /abc/a/bundles/f.tmb "));
    assert_int_equal(tm__bucket_keep(NULL, file, NULL), TM_OK); /* it is there */
    canned_server_close(server);
}

static void a_file_that_went_comes_back(void **state) {
    (void)state;
    const char *const answers[] = {NONE, ONE,
                                   "HTTP/1.1 206 Part\r\nConnection: close\r\nETag: "
                                   "e\r\nContent-Range: bytes 0-2/3\r\n\r\nabc"};
    canned_server *const server = server_of(answers, 3);
    bool is_fetched = true;
    assert_int_equal(tm__bucket_find(NULL, file, &is_fetched, NULL), TM_OK);
    assert_false(is_fetched);
    assert_int_equal(tm__bucket_find(NULL, file, &is_fetched, NULL), TM_OK);
    assert_true(is_fetched);
    assert_int_equal(tm__fs_info(file).size_bytes, 3);
    assert_int_equal(tm__bucket_find(NULL, file, &is_fetched, NULL), TM_OK); /* no question */
    assert_false(is_fetched);
    tm__bucket_refuse(file);
    assert_int_equal(tm__fs_info(file).kind, TM_PATH_NONE);
    canned_server_close(server);
}

static void one_that_was_sealed_anew_meanwhile_is_fetched_as_it_is(void **state) {
    (void)state;
    const char *const answers[] = {
        ONE, "HTTP/1.1 412 Other\r\nConnection: close\r\n\r\n",
        HEAD "<ListBucketResult><Contents><Key>a/bundles/f.tmb</Key><ETag>f</ETag><Size>2</Size>"
             "</Contents></ListBucketResult>",
        "HTTP/1.1 206 Part\r\nConnection: close\r\nETag: f\r\nContent-Range: bytes "
        "0-1/2\r\n\r\nxy"};
    canned_server *const server = server_of(answers, 4);
    bool is_fetched = false;
    assert_int_equal(tm__bucket_find(NULL, file, &is_fetched, NULL), TM_OK);
    assert_true(is_fetched && tm__fs_info(file).size_bytes == 2);
    canned_server_close(server);
}

#define GONE "HTTP/1.1 204 Gone\r\nConnection: close\r\n"
#define DENIED "HTTP/1.1 403 No\r\nConnection: close\r\n\r\n"
#define VERSIONS(inside) HEAD "<ListVersionsResult>" inside "</ListVersionsResult>"
#define VERSION(key, id) "<Version><Key>" key "</Key><VersionId>" id "</VersionId></Version>"
#define MARK "<DeleteMarker><Key>a/bundles/f.tmb</Key><VersionId>m</VersionId></DeleteMarker>"

static void an_object_is_removed_with_its_versions(void **state) {
    (void)state;
    const char *const answers[] = {
        VERSIONS(MARK VERSION("a/bundles/f.tmb", "v/2") VERSION("a/bundles/f.tmb2", "v9")),
        GONE "\r\n", GONE "\r\n"};
    canned_server *const server = server_of(answers, 3);
    assert_int_equal(tm__bucket_drop(NULL, file, NULL), TM_OK);
    assert_non_null(
        strstr(canned_server_request(server, 0), "GET /abc?prefix=a%2Fbundles%2Ff.tmb&versions= "));
    assert_non_null(
        strstr(canned_server_request(server, 1), "DELETE /abc/a/bundles/f.tmb?versionId=m "));
    assert_non_null(
        strstr(canned_server_request(server, 2), "DELETE /abc/a/bundles/f.tmb?versionId=v%2F2 "));
    assert_int_equal(canned_server_count(server), 3);
    canned_server_close(server);
}

static void versions_that_stay_are_said(void **state) {
    static const struct {
        const char *answer;
        tm_status want;
    } cases[] = {{GONE "\r\n", TM_OK},
                 {GONE "x-amz-delete-marker: true\r\n\r\n", TM_E_NOT_ALLOWED}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const answers[] = {DENIED, cases[i].answer};
        tm_err err = {0};
        canned_server *const server = server_of(answers, 2);
        assert_int_equal(tm__bucket_drop(NULL, file, &err), cases[i].want);
        assert_non_null(strstr(canned_server_request(server, 1), "DELETE /abc/a/bundles/f.tmb "));
        assert_true(cases[i].want == TM_OK || strstr(err.hint, "s3:DeleteObjectVersion") != NULL);
        canned_server_close(server);
    }
}

static void one_client_serves_all_calls(void **state) {
    (void)state;
    const char *const answers[] = {ONE};
    canned_server *const server = server_of(answers, 1);
    tm_bucket bucket = {0};
    char other[256];
    bool has = false;
    test_folder_join(&test_dir, "bundles/g.tmb", other, sizeof(other));
    assert_int_equal(tm__bucket_has(&bucket, file, &has, NULL), TM_OK);
    assert_true(has);
    assert_int_equal(tm__bucket_has(&bucket, other, &has, NULL), TM_OK); /* the same list */
    assert_false(has);
    assert_int_equal(canned_server_count(server), 1);
    tm__bucket_done(&bucket);
    canned_server_close(server);
}

static void segments_stay_unless_their_folder_is_named(void **state) {
    (void)state;
    char path[256];
    bool takes = true;
    canned_server *const server = server_of(NULL, 0);
    test_folder_join(&test_dir, "segments/s/f.parquet", path, sizeof(path));
    assert_int_equal(tm__bucket_takes(NULL, path, &takes, NULL), TM_OK);
    assert_false(takes);
    assert_int_equal(tm__bucket_takes(NULL, file, &takes, NULL), TM_OK);
    assert_true(takes);
    canned_server_close(server);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, test_dir_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(without_a_bucket_nothing_is_asked),
        CASE(a_file_is_put_once),
        CASE(a_file_that_went_comes_back),
        CASE(one_that_was_sealed_anew_meanwhile_is_fetched_as_it_is),
        CASE(an_object_is_removed_with_its_versions),
        CASE(versions_that_stay_are_said),
        CASE(one_client_serves_all_calls),
        CASE(segments_stay_unless_their_folder_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
