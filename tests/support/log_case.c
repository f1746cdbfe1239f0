/* SPDX-License-Identifier: Apache-2.0 */
#include "log_case.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/pool.h"
#include "monitor/monitor_priv.h"
#include "test.h"

tm_monitor *log_case_open(const tm_home *home, const char *policy, uint32_t queue_max) {
    tm_log_terms terms = tm__log_terms_default;
    tm_monitor *monitor = NULL;
    tm_err err = {0};
    assert_true(tm__log_terms_parse(tm__str(policy), &terms));
    const tm_monitor_options options = {.can_write = true, .queue_max = queue_max, .terms = &terms};
    if (tm__monitor_open(home, &options, &monitor, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return monitor;
}

tm_monitor *log_case_read(const tm_home *home) {
    tm_monitor *monitor = NULL;
    tm_err err = {0};
    const tm_monitor_options options = {.can_write = false};
    if (tm__monitor_open(home, &options, &monitor, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return monitor;
}

tm_status log_case_answer(tm_monitor *monitor, const char *model, const char *id,
                          uint32_t *out_dropped) {
    static const double output = 0.25;
    static const char *const names[] = {"x"};
    const tm_cell cell = {.type = TM_TYPE_INT, .i64 = 7};
    tm_answer answer = {.event_us = TM_INT_MISSING,
                        .cells = &cell,
                        .n_cells = 1,
                        .outputs = &output,
                        .n_outputs = 1};
    const tm_stream_spec spec = {.route = model,
                                 .arm = "champion",
                                 .model = model,
                                 .version = 1,
                                 .columns = names,
                                 .n_columns = 1};
    tm_stream *stream = NULL;
    tm_buf bytes;
    tm__buf_init(&bytes, 4096);
    (void)tm__str_copy(answer.id, sizeof(answer.id), tm__str(id));
    assert_int_equal(tm__monitor_stream(monitor, &spec, &stream, NULL), TM_OK);
    assert_true(tm__answer_append(&answer, &bytes));
    const tm_answers answers = {.bytes = &bytes, .at_us = 1000, .latency_us = 5};
    const tm_status st = tm__monitor_answers(monitor, stream, &answers, out_dropped, NULL);
    tm__buf_done(&bytes);
    return st;
}

uint32_t log_case_answers(tm_monitor *monitor, const char *model, const char *prefix, uint32_t n) {
    uint32_t n_all = 0;
    for (uint32_t i = 0; i < n; i++) {
        char id[27];
        uint32_t n_dropped = 0;
        (void)snprintf(id, sizeof(id), "%s%u", prefix, i);
        assert_int_equal(log_case_answer(monitor, model, id, &n_dropped), TM_OK);
        n_all += n_dropped;
    }
    return n_all;
}

static int64_t sum_of(const json_t *entry) {
    return tm__json_i64(entry, "written", -1) + tm__json_i64(entry, "spilled", -1) +
           tm__json_i64(entry, "queued", -1) + tm__json_i64(entry, "sampled_out", -1) +
           tm__json_i64(entry, "dropped", -1);
}

void log_case_check_sums(tm_monitor *monitor) {
    json_t *const counters = tm__monitor_counters(monitor);
    const json_t *const models = json_object_get(counters, "models");
    assert_non_null(counters);
    assert_int_equal(sum_of(counters), tm__json_i64(counters, "accepted", -1));
    for (size_t i = 0; i < json_array_size(models); i++) {
        const json_t *const entry = json_array_get(models, i);
        assert_int_equal(sum_of(entry), tm__json_i64(entry, "accepted", -1));
    }
    json_decref(counters);
}

int64_t log_case_count(tm_monitor *monitor, const char *model, const char *name) {
    json_t *const counters = tm__monitor_counters(monitor);
    const json_t *const models = json_object_get(counters, "models");
    int64_t n = model == NULL ? tm__json_i64(counters, name, -1) : -1;
    for (size_t i = 0; model != NULL && i < json_array_size(models); i++) {
        const json_t *const entry = json_array_get(models, i);
        if (strcmp(tm__json_text(entry, "model", ""), model) == 0) {
            n = tm__json_i64(entry, name, -1);
        }
    }
    json_decref(counters);
    return n;
}

void log_case_wait(tm_monitor *monitor, const char *name, int64_t value) {
    for (int i = 0; i < TEST_LOOKS; i++) {
        if (log_case_count(monitor, NULL, name) == value) {
            return;
        }
        tm__sleep_ms(10);
    }
    fail_msg("%s is %lld, not %lld", name, (long long)log_case_count(monitor, NULL, name),
             (long long)value);
}

static const char *_Atomic disk_suffix;
static const char *_Atomic held_suffix;
static _Atomic uint32_t disk_ms;
static _Atomic int disk_number;

static bool is_meant(const tm_disk_event *event, const char *suffix) {
    return suffix != NULL && tm__str_has_suffix(tm__str(event->path), suffix);
}

static int on_disk(const tm_disk_event *event) {
    if ((event->op != TM_DISK_WRITE && event->op != TM_DISK_SYNC) || event->path == NULL) {
        return 0;
    }
    while (is_meant(event, atomic_load(&held_suffix))) {
        tm__sleep_ms(1);
    }
    if (!is_meant(event, atomic_load(&disk_suffix))) {
        return 0;
    }
    if (atomic_load(&disk_ms) > 0) {
        tm__sleep_ms(atomic_load(&disk_ms));
    }
    return event->op == TM_DISK_WRITE ? atomic_load(&disk_number) : 0;
}

static void set_disk(const char *suffix, uint32_t ms, int number) {
    atomic_store(&disk_ms, ms);
    atomic_store(&disk_number, number);
    atomic_store(&disk_suffix, suffix);
    tm__disk_watch(on_disk);
}

void log_case_slow_disk(const char *suffix, uint32_t ms) {
    set_disk(suffix, ms, 0);
}

void log_case_hold_disk(const char *suffix) {
    atomic_store(&held_suffix, suffix);
    tm__disk_watch(on_disk);
}

static void let_go_at_the_end(void *arg) {
    tm_monitor *const monitor = arg;
    for (bool ends = false; !ends; tm__sleep_ms(1)) {
        tm__mutex_lock(monitor->mutex);
        ends = monitor->must_stop;
        tm__mutex_unlock(monitor->mutex);
    }
    log_case_hold_disk(NULL); /* not before: it would write what waits in files */
}

void log_case_close_held(tm_monitor *monitor) {
    tm_thread *const thread = tm__thread_create(let_go_at_the_end, monitor, "disk");
    assert_non_null(thread);
    tm__monitor_close(monitor);
    tm__thread_join(thread);
}

void log_case_bad_disk(const char *suffix, int number) {
    set_disk(suffix, 0, number);
}
