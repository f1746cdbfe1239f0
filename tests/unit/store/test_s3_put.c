/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "canned_server.h"
#include "store/s3.h"
#include "support.h"
#include "test.h"

#define ANSWER(status, more) "HTTP/1.1 " status "\r\nConnection: close\r\n" more "\r\n"
#define GOOD ANSWER("200 OK", "ETag: \"e\"\r\nContent-Length: 0\r\n")
#define BODY(text) ANSWER("200 OK", "") text
#define BEGUN                                                                                      \
    BODY("<InitiateMultipartUploadResult><UploadId>a/b</UploadId></"                               \
         "InitiateMultipartUploadResult>")

/* Put ten bytes in parts of four. */
static tm_status put(const canned_server *server, uint64_t part_bytes, tm_err *err) {
    char credentials[256], path[256];
    tm_s3 *s3 = NULL;
    const tm_s3_place place = {"abc", "p/k"};
    test_folder_join(&test_dir, "credentials", credentials, sizeof(credentials));
    test_folder_join(&test_dir, "file", path, sizeof(path));
    canned_server_credentials(server, credentials);
    assert_int_equal(tm__fs_publish(path, "0123456789", 10, NULL), TM_OK);
    const tm_s3_options options = {
        .credentials = credentials, .n_tries = 2, .wait_ms = 1, .part_bytes = part_bytes};
    assert_int_equal(tm__s3_open(NULL, &options, &s3, NULL), TM_OK);
    const tm_status st = tm__s3_put(s3, &place, path, err);
    tm__s3_close(s3);
    return st;
}

static void a_small_file_is_one_request(void **state) {
    (void)state;
    const char *const answers[] = {ANSWER("503 No", "Content-Length: 0\r\n"), GOOD};
    canned_server *server = canned_server_open(answers, 2);
    assert_int_equal(put(server, 0, NULL), TM_OK);
    const char *const request = canned_server_request(server, 1);
    assert_non_null(strstr(request, "PUT /abc/p/k HTTP/1.1\r\n"));
    assert_non_null(
        strstr(request, "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"));
    canned_server_close(server);
}

static void a_large_one_goes_in_parts(void **state) {
    (void)state;
    const char *const answers[] = {BEGUN, GOOD, GOOD, GOOD,
                                   BODY("<CompleteMultipartUploadResult/>")};
    canned_server *server = canned_server_open(answers, 5);
    assert_int_equal(put(server, 4, NULL), TM_OK);
    assert_non_null(strstr(canned_server_request(server, 0), "POST /abc/p/k?uploads= "));
    assert_non_null(
        strstr(canned_server_request(server, 3), "PUT /abc/p/k?partNumber=3&uploadId=a%2Fb "));
    assert_non_null(strstr(canned_server_request(server, 4), "POST /abc/p/k?uploadId=a%2Fb "));
    canned_server_close(server);
}

static void what_fails_is_taken_back(void **state) {
    (void)state;
    const struct {
        const char *answers[6];
        size_t n;
        tm_status want;
    } cases[] = {
        {{BEGUN, GOOD, ANSWER("403 No", "Content-Length: 0\r\n"), ANSWER("204 Gone", "")},
         4,
         TM_E_NOT_ALLOWED},
        {{BEGUN, GOOD, GOOD, GOOD, BODY("<Error><Code>InternalError</Code></Error>"),
          ANSWER("204 Gone", "")},
         6,
         TM_E_DATA},
        {{BEGUN, ANSWER("200 OK", "Content-Length: 0\r\n"), ANSWER("204 Gone", "")}, 3, TM_E_DATA},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        canned_server *server = canned_server_open(cases[i].answers, cases[i].n);
        assert_int_equal(put(server, 4, &err), cases[i].want);
        assert_non_null(strstr(canned_server_request(server, cases[i].n - 1),
                               "DELETE /abc/p/k?uploadId=a%2Fb "));
        assert_null(strstr(err.message, "SK"));
        canned_server_close(server);
        assert_int_equal(test_dir_remove(NULL) + test_dir_make(NULL), 0);
    }
}

static void an_answer_without_an_upload_is_refused(void **state) {
    (void)state;
    const char *const answers[] = {BODY("<html/>")};
    canned_server *server = canned_server_open(answers, 1);
    assert_int_equal(put(server, 4, NULL), TM_E_DATA);
    canned_server_close(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_small_file_is_one_request, test_dir_make,
                                        test_dir_remove),
        cmocka_unit_test_setup_teardown(a_large_one_goes_in_parts, test_dir_make, test_dir_remove),
        cmocka_unit_test_setup_teardown(what_fails_is_taken_back, test_dir_make, test_dir_remove),
        cmocka_unit_test_setup_teardown(an_answer_without_an_upload_is_refused, test_dir_make,
                                        test_dir_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
