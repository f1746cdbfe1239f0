/* SPDX-License-Identifier: Apache-2.0 */
#include "store/secret.h"

#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "support.h"
#include "test.h"

static void only_a_file_of_the_owner_alone_is_read(void **state) {
    (void)state;
    static const struct {
        mode_t mode;
        const char *text;
        tm_status want;
        const char *want_text;
    } cases[] = {
        {0600, "  host=x password=y \n\n", TM_OK, "host=x password=y"},
        {0400, "s", TM_OK, "s"},
        {0640, "s", TM_E_NOT_ALLOWED, NULL},
        {0604, "s", TM_E_NOT_ALLOWED, NULL},
        {0610, "s", TM_E_NOT_ALLOWED, NULL},
        {0600, " \n", TM_E_DATA, NULL},
        {0600, "", TM_E_DATA, NULL},
    };
    const char *const path = "secret.dsn";
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf secret = {0};
        tm_err err = {0};
        assert_int_equal(tm__fs_publish_secret(path, cases[i].text, strlen(cases[i].text), NULL),
                         TM_OK);
        assert_int_equal(chmod(path, cases[i].mode), 0);
        assert_int_equal(tm__secret_read(path, &secret, &err), cases[i].want);
        if (cases[i].want == TM_OK) {
            assert_string_equal((const char *)secret.data, cases[i].want_text);
            tm__secret_done(&secret);
        } else {
            assert_null(secret.data);
            assert_string_equal(err.data_path, path);
        }
    }
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    tm_buf secret = {0};
    assert_int_equal(tm__secret_read(path, &secret, NULL), TM_E_NOT_FOUND);
}

/* What supervisors mount: the modes that they document. */
static void a_mount_of_a_container_is_its_own(void **state) {
    (void)state;
    static const struct {
        const char *name;
        tm_file_access access;
        bool is_container, want;
    } cases[] = {
        {"systemd, of the service's user", {0400, true, true, true}, false, true},
        {"systemd, by an access list", {0440, false, true, true}, false, true},
        {"Docker Swarm", {0444, false, true, true}, true, true},
        {"Docker Swarm, as root", {0444, true, true, true}, true, true},
        {"Kubernetes by fsGroup", {0440, false, true, true}, true, true},
        {"Kubernetes by fsGroup, as root", {0440, true, true, true}, true, true},
        {"Kubernetes, no defaultMode", {0644, false, true, true}, true, true},
        {"the same on a machine that others use", {0444, false, true, true}, false, false},
        {"a file of the host", {0444, false, true, false}, true, false},
        {"a file that is mounted to be written", {0444, false, false, true}, true, false},
        {"writable for others", {0446, false, true, true}, true, false},
        {"writable for its group", {0460, false, true, true}, true, false},
        {"to be run", {0555, false, true, true}, true, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (tm__secret_is_private(&cases[i].access, cases[i].is_container) != cases[i].want) {
            fail_msg("%s", cases[i].name);
        }
    }
}

static void a_byte_that_is_no_text_is_refused(void **state) {
    (void)state;
    const char *const path = "secret.dsn";
    tm_buf secret = {0};
    assert_int_equal(tm__fs_publish_secret(path, "a\0b", 3, NULL), TM_OK);
    assert_int_equal(tm__secret_read(path, &secret, NULL), TM_E_DATA);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_file_of_the_owner_alone_is_read),
        cmocka_unit_test(a_mount_of_a_container_is_its_own),
        cmocka_unit_test(a_byte_that_is_no_text_is_refused),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
