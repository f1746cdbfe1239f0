/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "canned_server.h"
#include "cli/sealed_files.h"
#include "store/bucket.h"
#include "support.h"
#include "test.h"

#define HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define OBJECT(name)                                                                               \
    "<Contents><Key>a/bundles/" name "</Key><ETag>e</ETag><Size>3</Size></Contents>"

static canned_server *server_of(const char *const *answers, uint32_t n) {
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

static void objects_count_by_their_heads_and_only_names_are_asked_for(void **state) {
    const char *const answers[] = {
        HEAD "<ListBucketResult>" OBJECT("../../x") OBJECT(".f") OBJECT("f.tmb") OBJECT("g.tmb")
            OBJECT("s/h/i") "</ListBucketResult>",
        "HTTP/1.1 206 Part\r\nConnection: close\r\nContent-Range: bytes 0-2/3\r\n\r\nabc",
        "HTTP/1.1 404 No\r\nConnection: close\r\n\r\n"};
    const tm_sealed_walk walk = {.key = ""};
    const tm_ctx ctx = {0};
    tm_sealed_count count = {0};
    char dir[256];
    (void)state;
    canned_server *const server = server_of(answers, 3);
    test_folder_join(&test_dir, "bundles", dir, sizeof(dir));
    assert_int_equal(tm__sealed_objects(&ctx, dir, &walk, &count, NULL), TM_OK);
    assert_int_equal(canned_server_count(server), 3);
    assert_non_null(strstr(canned_server_request(server, 1), "GET /abc/a/bundles/f.tmb "));
    assert_non_null(strstr(canned_server_request(server, 1), "Range: bytes=0-127"));
    assert_non_null(strstr(canned_server_request(server, 2), "GET /abc/a/bundles/g.tmb "));
    assert_int_equal(count.n_plain, 1);
    assert_int_equal(count.n_sealed + count.n_earlier + count.n_renewed, 0);
    canned_server_close(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        objects_count_by_their_heads_and_only_names_are_asked_for, test_dir_make, test_dir_remove)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
