/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "canned_server.h"
#include "store/s3.h"
#include "support.h"
#include "test.h"

#define HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define GONE "HTTP/1.1 204 Gone\r\nConnection: close\r\n\r\n"
#define PAGE(more, inside)                                                                         \
    HEAD "<ListVersionsResult><IsTruncated>" more "</IsTruncated>" inside "</ListVersionsResult>"
#define V(id) "<Version><Key>p/k</Key><VersionId>" id "</VersionId></Version>"

static tm_status drop(const canned_server *server, tm_err *err) {
    char credentials[256];
    tm_s3 *s3 = NULL;
    const tm_s3_place place = {"abc", "p/k"};
    test_folder_join(&test_dir, "credentials", credentials, sizeof(credentials));
    canned_server_credentials(server, credentials);
    const tm_s3_options options = {.credentials = credentials, .n_tries = 2, .wait_ms = 1};
    assert_int_equal(tm__s3_open(NULL, &options, &s3, NULL), TM_OK);
    const tm_status st = tm__s3_drop(s3, &place, err);
    tm__s3_close(s3);
    return st;
}

static void what_is_asked_follows_from_the_answers(void **state) {
    static const struct {
        const char *name;
        const char *answers[5];
        uint32_t n;
        tm_status want;
        const char *last; /* request */
    } cases[] = {
        {"nothing is there", {PAGE("false", "")}, 1, TM_OK, "GET /abc?prefix=p%2Fk&versions= "},
        {"more than a page",
         {PAGE("true", V("a")), GONE, PAGE("false", V("b")), GONE},
         4,
         TM_OK,
         "DELETE /abc/p/k?versionId=b "},
        {"other objects are behind it",
         {PAGE("true", "<Version><Key>p/kk</Key><VersionId>a</VersionId></Version>")},
         1,
         TM_OK,
         "GET /abc"},
        {"a server without versions",
         {"HTTP/1.1 501 No\r\nConnection: close\r\n\r\n<Error><Code>NotImplemented</Code></Error>",
          GONE},
         2,
         TM_OK,
         "DELETE /abc/p/k "},
        {"a server that gives another list",
         {HEAD "<ListBucketResult></ListBucketResult>", GONE},
         2,
         TM_OK,
         "DELETE /abc/p/k "},
        {"a lock keeps a version",
         {PAGE("false", V("a")), "HTTP/1.1 403 No\r\nConnection: close\r\n\r\n"},
         2,
         TM_E_NOT_ALLOWED,
         "DELETE /abc/p/k?versionId=a "},
        {"it is away",
         {"HTTP/1.1 503 No\r\nConnection: close\r\n\r\n",
          "HTTP/1.1 503 No\r\nConnection: close\r\n\r\n"},
         2,
         TM_E_UNAVAILABLE,
         "GET /abc?prefix"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        canned_server *const server = canned_server_open(cases[i].answers, cases[i].n);
        tm_err err = {0};
        const tm_status st = drop(server, &err);
        if (st != cases[i].want || canned_server_count(server) != cases[i].n) {
            fail_msg("%s: %s", cases[i].name, err.message);
        }
        assert_non_null(strstr(canned_server_request(server, cases[i].n - 1), cases[i].last));
        canned_server_close(server);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        what_is_asked_follows_from_the_answers, test_dir_make, test_dir_remove)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
