/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "source/source.h"
#include "temp_home.h"
#include "train/train.h"

static void write_events(const tm_home *home) {
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/p.csv", tm__home_path(home));
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs("id,amount\nann,1\nbob,2.5\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void what_was_read_comes_again_from_its_snapshot(void **state) {
    const tm_home *const home = *state;
    tm_ctx ctx = {0};
    tm_train_events read = {0}, loaded = {0};
    tm_train_options options = {0};
    tm_hash a, b;
    json_t *from = json_pack("{s:{s:s}}", "payments", "path", "p.csv");
    const tm_events_place place = {.home = home, .dir = tm__home_path(home)};
    write_events(home);
    assert_int_equal(tm__train_events_read(&ctx, &place, from, &read, NULL), TM_OK);
    assert_int_equal(tm__train_events_save(&ctx, home, &read, NULL), TM_OK);
    tm__train_events_use(&read, &options);
    assert_int_equal(options.n_events, 1);
    assert_string_equal(options.events[0].name, "payments");
    assert_int_equal(tm__train_events_load(&ctx, home, options.events_snapshots, &loaded, NULL),
                     TM_OK);
    tm__table_hash(read.tables[0], &a);
    tm__table_hash(loaded.tables[0], &b);
    assert_true(tm__hash_eq(&a, &b));
    tm__train_events_done(&read);
    tm__train_events_done(&loaded);
    json_decref(from);
}

static void what_is_not_there_is_said(void **state) {
    const tm_home *const home = *state;
    tm_ctx ctx = {0};
    tm_train_events events = {0};
    tm_err err = {0};
    const tm_events_place place = {.home = home, .dir = tm__home_path(home)};
    json_t *from = json_pack("{s:{s:s}}", "payments", "path", "none.csv");
    assert_int_equal(tm__train_events_read(&ctx, &place, from, &events, &err), TM_E_NOT_FOUND);
    json_decref(from);
    from = json_pack("{s:s}", "payments", "no hash");
    assert_int_equal(tm__train_events_load(&ctx, home, from, &events, &err), TM_E_DATA);
    assert_string_equal(err.message, "the record names no snapshot of 'payments'");
    json_decref(from);
    tm__train_events_done(&events);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_read_comes_again_from_its_snapshot,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_said, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
