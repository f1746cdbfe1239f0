/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "cli/source_add.h"
#include "temp_home.h"
#include "test.h"

static tm_status add(tm_ctx *ctx, const tm_home *home, const char *text, tm_err *err) {
    json_t *spec = json_pack("{s:s, s:s}", "files", "rows.csv", "dir", tm__home_path(home));
    const tm_intake_add what = {.name = "s", .feed = "files", .spec = spec};
    char *path = tm__fs_join(tm__home_path(home), "rows.csv");
    assert_int_equal(tm__fs_publish(path, text, strlen(text), NULL), TM_OK);
    const tm_status st = tm__source_add_and_pull(ctx, home, &what, err);
    tm__mem_free(path);
    json_decref(spec);
    return st;
}

static void a_source_is_added_with_its_rows_or_not_at_all(void **state) {
    const tm_home *home = *state;
    tm_ctx ctx = {.pool = tm__pool_create(1)};
    tm_err err = {0};
    json_t *json = NULL;
    assert_int_equal(add(&ctx, home, "a,b\n", &err), TM_E_DATA);
    assert_int_equal(tm__intake_show(home, "s", &json, NULL), TM_E_NOT_FOUND);
    assert_int_equal(add(&ctx, home, "a,b\n1,2\n3,4\n", &err), TM_OK);
    assert_int_equal(tm__intake_show(home, "s", &json, NULL), TM_OK);
    assert_int_equal(tm__json_i64(json, "rows", 0), 2);
    assert_string_equal(tm__json_text(json, "status", ""), "ready");
    json_decref(json);
    assert_int_equal(add(&ctx, home, "a,b\n1,2\n", &err), TM_E_CONFLICT); /* and stays */
    assert_int_equal(tm__intake_show(home, "s", &json, NULL), TM_OK);
    json_decref(json);
    tm__pool_free(ctx.pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_source_is_added_with_its_rows_or_not_at_all,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
