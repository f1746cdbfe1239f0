/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and awaiting children of /bin/sh. */
#ifndef TM_UNIT_BASE_CHILDREN_H
#define TM_UNIT_BASE_CHILDREN_H

#include <stdio.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "support.h"
#include "test.h"

static inline uint64_t start_shell(tm_supervisor *supervisor, const char *script,
                                   tm_child_spec spec) {
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    uint64_t id = 0;
    tm_err err = {0};
    spec.argv = argv;
    if (tm__child_start(supervisor, &spec, &id, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return id;
}

static inline tm_child_state await_child(tm_supervisor *supervisor, uint64_t id) {
    tm_child_state now = {.is_running = true};
    for (unsigned i = 0; i < TEST_LOOKS && now.is_running; i++) {
        assert_int_equal(tm__child_state(supervisor, id, &now, NULL), TM_OK);
        if (now.is_running) {
            tm__sleep_ms(2);
        }
    }
    assert_false(now.is_running);
    return now;
}

/* Wait until a file holds a whole line; its number, a process id as a rule. */
static inline int await_number(const char *path) {
    for (unsigned i = 0; i < TEST_LOOKS; i++) {
        tm_buf buf;
        int number = 0;
        char end = 0;
        tm__buf_init(&buf, 1000);
        const bool is_there = tm__fs_info(path).size_bytes > 0 &&
                              tm__fs_read_all(path, &buf, NULL) == TM_OK &&
                              sscanf((char *)buf.data, "%d%c", &number, &end) == 2;
        tm__buf_done(&buf);
        if (is_there) {
            return number;
        }
        tm__sleep_ms(2);
    }
    fail_msg("no number in '%s'", path);
    return 0;
}

#endif
