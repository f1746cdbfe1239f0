/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sealed_files.h"

#include <string.h>

#include "base/fs.h"
#include "store/vault.h"
#include "support.h"
#include "test.h"

#define HOME "home"
#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void publish(const char *path) {
    assert_int_equal(tm__vault_publish(path, "rows", 4, NULL), TM_OK);
}

static tm_sealed_count walk(const tm_home *home, const char *key, tm_registry *registry) {
    tm_ctx ctx = {0};
    tm_sealed_count count = {0};
    const tm_sealed_walk how = {.key = key, .registry = registry};
    assert_int_equal(tm__sealed_walk(&ctx, home, &how, &count, NULL), TM_OK);
    return count;
}

static void files_are_counted_and_written_anew_by_the_key_that_seals(void **state) {
    (void)state;
    tm_home *home = NULL;
    tm_registry *registry = NULL;
    char id[TM_ENVELOPE_ID_TEXT], next[TM_ENVELOPE_ID_TEXT];
    assert_int_equal(tm__home_open(HOME, true, &home, NULL), TM_OK);
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__fs_mkdir(HOME "/segments/orders", NULL), TM_OK);
    assert_int_equal(tm__fs_mkdir(HOME "/checkpoints", NULL), TM_OK);
    publish(HOME "/segments/orders/a.parquet");
    publish(HOME "/snapshots/b.parquet");
    publish(HOME "/bundles/c.tmb");
    publish(HOME "/bundles/d.tmb.tmp-1"); /* has no name of its own yet */
    publish(HOME "/checkpoints/e.1");
    tm_sealed_count count = walk(home, "", NULL);
    assert_int_equal(count.n_plain, 4);
    assert_int_equal(count.n_sealed + count.n_earlier, 0);
    assert_int_equal(tm__fs_publish_secret("a.key", KEY, 64, NULL), TM_OK);
    assert_int_equal(tm__vault_use(home, "file:a.key", id, NULL), TM_OK);
    count = walk(home, id, registry);
    assert_int_equal(count.n_renewed, 3);
    assert_int_equal(count.n_sealed, 3);
    assert_int_equal(count.n_plain, 1); /* the checkpoint */
    assert_int_equal(walk(home, id, registry).n_renewed, 0);
    static const char other[] = "f" KEY;
    assert_int_equal(tm__fs_publish_secret("b.key", other, 64, NULL), TM_OK);
    assert_int_equal(tm__vault_use(home, "file:b.key", next, NULL), TM_OK);
    count = walk(home, next, NULL);
    assert_int_equal(count.n_earlier, 3);
    publish(HOME "/bundles/f.tmb");
    assert_int_equal(walk(home, next, registry).n_renewed, 3);
    assert_int_equal(walk(home, next, NULL).n_sealed, 4);
    tm__registry_close(registry);
    tm__home_close(home);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_counted_and_written_anew_by_the_key_that_seals),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
