/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

/* What was written to the pipe so far. */
static const char *read_pipe(int fd, char *out, size_t size) {
    const ssize_t n = read(fd, out, size - 1);
    out[n < 0 ? 0 : n] = '\0';
    return out;
}

static void a_line_is_one_json_object(void **state) {
    (void)state;
    int fds[2];
    char line[1000];
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    const tm_log log = {.level = TM_INFO, .fd = fds[1]};
    tm__clock_fix(INT64_C(978307260000000));
    tm_log_event(&log, TM_INFO, "model.promoted", TM_FT("model", "a \"b\"\n"), TM_FI("version", 3),
                 TM_FF("auc", 0.1), TM_FF("bad", NAN), TM_FT("none", NULL));
    assert_string_equal(read_pipe(fds[0], line, sizeof(line)),
                        "{\"time\":\"2001-01-01T00:01:00Z\",\"level\":\"info\",\"event\":"
                        "\"model.promoted\",\"model\":\"a \\\"b\\\"\\n\",\"version\":3,\"auc\":0.1,"
                        "\"bad\":null,\"none\":\"\"}\n");
    json_t *value = NULL;
    assert_int_equal(tm__json_parse(line, strlen(line), 2, &value, NULL), TM_OK);
    json_decref(value);
    tm_log_event(&log, TM_DEBUG, "quiet", TM_FI("x", 1));
    tm_log_event(NULL, TM_ERROR, "nobody", TM_FI("x", 1));
    assert_string_equal(read_pipe(fds[0], line, sizeof(line)), "");
    tm__log_write(&log, TM_ERROR, "bare", NULL, 0);
    assert_string_equal(
        read_pipe(fds[0], line, sizeof(line)),
        "{\"time\":\"2001-01-01T00:01:00Z\",\"level\":\"error\",\"event\":\"bare\"}\n");
    tm__clock_fix(INT64_MIN);
    close(fds[0]);
    close(fds[1]);
}

static void a_terminal_gets_plain_text(void **state) {
    (void)state;
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    const int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    const tm_log log = {.level = TM_DEBUG, .fd = slave};
    tm__clock_fix(0);
    tm_log_event(&log, TM_WARN, "disk.slow", TM_FT("path", "a b"), TM_FI("ms", 12));
    char line[200];
    assert_string_equal(read_pipe(master, line, sizeof(line)),
                        "1970-01-01T00:00:00Z warn  disk.slow path=\"a b\" ms=12\r\n");
    tm__clock_fix(INT64_MIN);
    close(slave);
    close(master);
}

static void a_line_that_cannot_be_made_is_not_silent(void **state) {
    (void)state;
    int fds[2];
    char line[200];
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    const tm_log log = {.level = TM_INFO, .fd = fds[1]};
    tm__clock_fix(0);
    tm__mem_fail_at(1, true);
    tm__log_write(&log, TM_INFO, "x", NULL, 0);
    tm__mem_fail_at(0, false);
    tm__clock_fix(INT64_MIN);
    assert_string_equal(read_pipe(fds[0], line, sizeof(line)),
                        "{\"time\":\"1970-01-01T00:00:00Z\",\"level\":\"error\","
                        "\"event\":\"log.lost\"}\n");
    close(fds[0]);
    close(fds[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_one_json_object),
        cmocka_unit_test(a_terminal_gets_plain_text),
        cmocka_unit_test(a_line_that_cannot_be_made_is_not_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
