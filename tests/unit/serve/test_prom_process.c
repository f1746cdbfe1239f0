/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "serve/serve_priv.h"
#include "test.h"

/* Value of a line "name value"; it must be there. */
static double value_of(const tm_buf *out, const char *name) {
    char start[96];
    (void)snprintf(start, sizeof(start), "\n%s ", name);
    const char *const found = strstr((const char *)out->data, start);
    assert_non_null(found);
    return strtod(found + strlen(start), NULL);
}

static void the_process_is_told_as_it_is(void **state) {
    (void)state;
    tm_buf out;
    tm__buf_init(&out, 10000);
    const uint64_t before = tm__cpu_ns();
    volatile uint64_t n = 0;
    while (tm__cpu_ns() - before < 2000000) { /* the clock of processors goes on only by work */
        n = n + 1;
    }
    tm__prom_process(1500000, &out);
    assert_false(out.failed);
    assert_true(value_of(&out, "process_start_time_seconds") == 1.5);
    assert_true(value_of(&out, "process_cpu_seconds_total") >= 0.002);
    assert_true(value_of(&out, "process_resident_memory_bytes") > 1e5);
    assert_true(value_of(&out, "process_virtual_memory_bytes") >=
                value_of(&out, "process_resident_memory_bytes"));
    assert_true(value_of(&out, "process_threads") >= 1);
    assert_true(value_of(&out, "process_open_fds") >= 3);
    assert_true(value_of(&out, "process_max_fds") >= value_of(&out, "process_open_fds"));
    tm__buf_done(&out);
}

static void the_log_is_told_by_family(void **state) {
    (void)state;
    tm_buf out;
    tm__buf_init(&out, 10000);
    json_t *counters =
        json_pack("{s:i,s:i,s:i,s:i,s:b,s:{s:i,s:i}}", "accepted", 10, "written", 7, "dropped", 2,
                  "queued", 1, "broken", 1, "labels", "joined", 5, "waiting", 0);
    tm__prom_log(counters, &out);
    assert_true(value_of(&out, "tidemill_log_accepted_total") == 10);
    assert_true(value_of(&out, "tidemill_log_written_total") == 7);
    assert_true(value_of(&out, "tidemill_log_dropped_total") == 2);
    assert_true(value_of(&out, "tidemill_log_queued") == 1);
    assert_true(value_of(&out, "tidemill_log_is_broken") == 1);
    assert_true(value_of(&out, "tidemill_log_labels_total{result=\"joined\"}") == 5);
    assert_true(value_of(&out, "tidemill_log_labels_waiting") == 0);
    json_decref(counters);
    tm__buf_reset(&out);
    tm__prom_log(NULL, &out);
    assert_int_equal(out.len, 0);
    tm__buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_process_is_told_as_it_is),
        cmocka_unit_test(the_log_is_told_by_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
