/* SPDX-License-Identifier: Apache-2.0 */
#include "temp_home.h"

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "failing_disk.h"

int tm__temp_home_open(void **state) {
    char path[] = "/tmp/tm_home_XXXXXX";
    tm_home *home = NULL;
    if (mkdtemp(path) == NULL || tm__home_open(path, true, &home, NULL) != TM_OK) {
        return 1;
    }
    *state = home;
    return 0;
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
