/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "canned_server.h"
#include "cli/doctor.h"
#include "store/bucket.h"
#include "support.h"
#include "test.h"

static void what_a_bucket_answers_is_said(void **state) {
    static const struct {
        const char *answer, *more;
        tm_check_state want;
        const char *found;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<ListBucketResult/>", "", TM_CHECK_OK,
         "segments stay here"},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<ListBucketResult/>",
         ", \"segments\": \"one\"", TM_CHECK_OK, "segments go there, too"},
        {"HTTP/1.1 403 No\r\nConnection: close\r\n\r\n", "", TM_CHECK_BAD, "may not read"},
    };
    char home[256], path[256], credentials[256], text[800];
    (void)state;
    test_folder_join(&test_dir, "", home, sizeof(home));
    test_folder_join(&test_dir, TM_HOME_BUCKET, path, sizeof(path));
    test_folder_join(&test_dir, "s3.ini", credentials, sizeof(credentials));
    home[strlen(home) - 1] = '\0';
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_checks checks = {.n = 0};
        canned_server *const server = canned_server_open(&cases[i].answer, 1);
        canned_server_credentials(server, credentials);
        (void)snprintf(text, sizeof(text), "{\"url\": \"s3://abc\", \"credentials\": \"%s\"%s}",
                       credentials, cases[i].more);
        assert_int_equal(tm__fs_publish(path, text, strlen(text), NULL), TM_OK);
        tm__check_bucket(&checks, home);
        assert_int_equal(checks.n, 1);
        assert_int_equal(checks.list[0].state, cases[i].want);
        assert_non_null(strstr(checks.list[0].found, cases[i].found));
        canned_server_close(server);
    }
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    tm_checks none = {.n = 0};
    tm__check_bucket(&none, home);
    assert_int_equal(none.n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        what_a_bucket_answers_is_said, test_dir_make, test_dir_remove)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
