/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no server; the rest is in tests/e2e/test_mariadb.py. */
#include <string.h>

#include "base/fs.h"
#include "source/feed_query.h"
#include "support.h"
#include "test.h"

static tm_status never(void *arg, const tm_feed_block *block, tm_err *err) {
    (void)arg;
    (void)block;
    (void)err;
    fail_msg("no block can come");
    return TM_OK;
}

static tm_status read_from(const char *file, tm_err *err) {
    tm_ctx ctx = {0};
    const tm_feed_sink sink = {.take = never};
    json_t *spec = json_pack("{s:s, s:s, s:s}", "odbc", file, "query", "t", "cursor", "id");
    json_t *state = json_null();
    assert_int_equal(tm__feed_odbc_check(spec, false, NULL), TM_OK);
    const tm_feed_input in = {
        .name = "s", .spec = spec, .state = state, .home = ".", .common = "."};
    const tm_status st = tm__feed_odbc_read(&ctx, &in, &sink, err);
    json_decref(spec);
    json_decref(state);
    return st;
}

static void what_cannot_be_read_is_told_without_its_secret(void **state) {
    (void)state;
    static const char dsn[] = "Driver=/hidden/driver.so;Server=127.0.0.1;PWD=hidden";
    tm_err err = {0};
    assert_int_equal(read_from("none.dsn", &err), TM_E_NOT_FOUND);
    assert_int_equal(tm__fs_publish_secret("there.dsn", dsn, sizeof(dsn) - 1, NULL), TM_OK);
    assert_int_equal(read_from("there.dsn", &err), TM_E_DATA);
    assert_null(strstr(err.message, "hidden"));
    assert_int_equal(tm__fs_publish("there.dsn", dsn, sizeof(dsn) - 1, NULL), TM_OK);
    assert_int_equal(read_from("there.dsn", &err), TM_E_NOT_ALLOWED); /* anybody could read it */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_read_is_told_without_its_secret)};
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
