/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "store/s3_priv.h"
#include "support.h"
#include "test.h"

#define KEYS "aws_access_key_id = AK\naws_secret_access_key = SK/+=\n"

static tm_status read_text(const char *text, tm_s3_credentials *out, tm_err *err) {
    char path[256];
    test_folder_join(&test_dir, "credentials", path, sizeof(path));
    assert_int_equal(tm__fs_publish_secret(path, text, strlen(text), NULL), TM_OK);
    return tm__s3_credentials_read(path, out, err);
}

static void settings_are_read(void **state) {
    (void)state;
    const struct {
        const char *text, *endpoint, *region;
        bool is_path_style;
    } cases[] = {
        {KEYS, "https://s3.us-east-1.amazonaws.com", "us-east-1", false},
        {"[default]\r\n# c\n; c\n" KEYS "region=eu-west-3\n[other]\nanything\n",
         "https://s3.eu-west-3.amazonaws.com", "eu-west-3", false},
        {KEYS "endpoint_url = http://127.0.0.1:9000//", "http://127.0.0.1:9000", "us-east-1", true},
        {KEYS "endpoint_url = https://s.example\naddressing_style = virtual\n", "https://s.example",
         "us-east-1", false},
        {KEYS "addressing_style = path\n", "https://s3.us-east-1.amazonaws.com", "us-east-1", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_s3_credentials c = {0};
        assert_int_equal(read_text(cases[i].text, &c, NULL), TM_OK);
        assert_string_equal(c.access_key, "AK");
        assert_string_equal(c.secret_key, "SK/+=");
        assert_string_equal(c.endpoint, cases[i].endpoint);
        assert_string_equal(c.region, cases[i].region);
        assert_int_equal(c.is_path_style, cases[i].is_path_style);
    }
}

static void what_is_no_file_of_credentials_is_refused(void **state) {
    (void)state;
    const struct {
        const char *text, *message;
        uint64_t line;
    } cases[] = {
        {"region = eu-x-1\n", "no aws_access_key_id", 0},
        {"aws_access_key_id = AK\n", "no aws_secret_access_key", 0},
        {"[other]\n" KEYS, "no aws_access_key_id", 0},
        {KEYS "role_arn = x\n", "a setting is not known", 3},
        {KEYS "SECRET\n", "not NAME = VALUE", 3},
        {KEYS "region =\n", "not NAME = VALUE", 3},
        {KEYS "region = a b\n", "not NAME = VALUE", 3},
        {KEYS "region = Frankfurt\n", "no name of a region", 0},
        {KEYS "endpoint_url = ftp://x\n", "scheme://host:port", 0},
        {KEYS "endpoint_url = http://u:p@x\n", "scheme://host:port", 0},
        {KEYS "endpoint_url = http://x/y\n", "scheme://host:port", 0},
        {KEYS "addressing_style = dns\n", "addressing_style", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_s3_credentials c = {0};
        tm_err err = {0};
        assert_int_equal(read_text(cases[i].text, &c, &err), TM_E_USAGE);
        assert_non_null(strstr(err.message, cases[i].message));
        assert_int_equal(err.data_row, cases[i].line);
        assert_null(strstr(err.message, "SK/+="));
        assert_null(strstr(err.message, "SECRET\n"));
        assert_string_equal(c.access_key, "");
    }
    tm_err err = {0};
    tm_s3_credentials c = {0};
    assert_int_equal(tm__s3_credentials_read("/nowhere/x", &c, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.hint, "aws_access_key_id"));
    char path[256];
    test_folder_join(&test_dir, "open", path, sizeof(path));
    assert_int_equal(tm__fs_publish(path, KEYS, sizeof(KEYS) - 1, NULL), TM_OK);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(tm__s3_credentials_read(path, &c, &err), TM_E_NOT_ALLOWED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_read),
        cmocka_unit_test(what_is_no_file_of_credentials_is_refused),
    };
    return cmocka_run_group_tests(tests, test_dir_make, test_dir_remove);
}
