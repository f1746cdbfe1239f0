/* SPDX-License-Identifier: Apache-2.0 */
#include "temp_home.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "failing_disk.h"

/* TIDEMILL_TEST_DSN names the file of a DSN: each home has a schema of its own there. */
static void use_postgres(const char *home) {
    char path[64], text[400];
    const char *dsn_file = getenv("TIDEMILL_TEST_DSN");
    if (dsn_file != NULL) {
        snprintf(path, sizeof(path), "%s/" TM_HOME_STORE, home);
        snprintf(text, sizeof(text),
                 "{\"postgres\": {\"dsn_file\": \"%s\", \"schema\": \"%s\", \"intake\": \"%s\"}}",
                 dsn_file, strrchr(home, '/') + 1, home);
        assert_int_equal(tm__fs_publish(path, text, strlen(text), NULL), TM_OK);
    }
}

void tm__temp_home_needs_file(void) {
    if (getenv("TIDEMILL_TEST_DSN") != NULL) {
        skip();
    }
}

int tm__temp_home_open(void **state) {
    char path[] = "/tmp/tm_home_XXXXXX";
    tm_home *home = NULL;
    if (mkdtemp(path) == NULL) {
        return 1;
    }
    use_postgres(path);
    if (tm__home_open(path, true, &home, NULL) != TM_OK) {
        return 1;
    }
    *state = home;
    return 0;
}

tm_home *tm__temp_home_away(const tm_home *beside, const char *schema) {
    static const char nobody[] = "host=127.0.0.1 port=1 dbname=x user=x password=x\n";
    char text[1200];
    tm_home *home = NULL;
    char *path = tm__fs_join(tm__home_path(beside), "away");
    char *dsn = tm__fs_join(tm__home_path(beside), "away.dsn");
    assert_int_equal(tm__fs_mkdir(path, NULL), TM_OK);
    char *store = tm__fs_join(path, TM_HOME_STORE);
    if (tm__fs_info(dsn).kind == TM_PATH_NONE) {
        assert_int_equal(tm__fs_publish_secret(dsn, nobody, sizeof(nobody) - 1, NULL), TM_OK);
    }
    (void)snprintf(text, sizeof(text), "{\"postgres\": {\"dsn_file\": \"%s\", \"schema\": \"%s\"}}",
                   dsn, schema);
    assert_int_equal(tm__fs_replace(store, text, strlen(text), NULL), TM_OK);
    assert_int_equal(tm__home_open(path, true, &home, NULL), TM_OK);
    tm__mem_free(path);
    tm__mem_free(dsn);
    tm__mem_free(store);
    return home;
}

int tm__temp_home_close(void **state) {
    char command[600];
    tm_home *home = *state;
    tm__mem_fail_at(0, false);
    test_disk_fail_at(0, false);
    tm__clock_fix(INT64_MIN);
    snprintf(command, sizeof(command), "rm -rf '%s'", tm__home_path(home));
    tm__home_close(home);
    return system(command);
}
