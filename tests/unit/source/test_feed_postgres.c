/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no server; the rest is in tests/e2e/test_postgres.py. */
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
    json_t *spec = json_pack("{s:s, s:s, s:s}", "postgres", file, "query", "t", "cursor", "id");
    json_t *state = json_null();
    assert_int_equal(tm__feed_postgres_check(spec, false, NULL), TM_OK);
    const tm_feed_input in = {
        .name = "s", .spec = spec, .state = state, .home = ".", .common = "."};
    const tm_status st = tm__feed_postgres_read(&ctx, &in, &sink, err);
    json_decref(spec);
    json_decref(state);
    return st;
}

static void a_server_that_is_not_there_is_tried_again(void **state) {
    (void)state;
    static const char dsn[] = "host=127.0.0.1 port=1 user=u password=hidden dbname=d";
    tm_err err = {0};
    assert_int_equal(read_from("none.dsn", &err), TM_E_NOT_FOUND);
    assert_int_equal(tm__fs_publish_secret("pg.dsn", dsn, sizeof(dsn) - 1, NULL), TM_OK);
    assert_int_equal(read_from("pg.dsn", &err), TM_E_UNAVAILABLE);
    assert_null(strstr(err.message, "hidden"));
    assert_int_equal(tm__fs_publish("pg.dsn", dsn, sizeof(dsn) - 1, NULL), TM_OK);
    assert_int_equal(read_from("pg.dsn", &err), TM_E_NOT_ALLOWED); /* anybody could read it */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_server_that_is_not_there_is_tried_again)};
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
