/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "failing_disk.h"
#include "logged.h"
#include "monitor/monitor.h"
#include "temp_home.h"

static tm_monitor *open_monitor(const tm_home *home, bool can_write) {
    tm_monitor *monitor = NULL;
    tm_err err = {0};
    const tm_monitor_options options = {.can_write = can_write};
    if (tm__monitor_open(home, &options, &monitor, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return monitor;
}

static bool answer(tm_monitor *monitor, const char *id, const char *entity, int64_t event_us) {
    const double outputs[] = {0.25};
    const tm_logged one = {.id = id,
                           .at_us = 1000,
                           .event_us = event_us,
                           .model = "late",
                           .version = 1,
                           .entity = entity,
                           .row = "{\"x\":1}",
                           .outputs = outputs,
                           .n_outputs = 1,
                           .latency_us = 5};
    return tm__logged_answer(monitor, &one);
}

static tm_label by_id(const char *id, const char *value) {
    return (tm_label){.prediction_id = id, .value = value, .observed_us = TM_INT_MISSING};
}

static tm_label by_key(const char *entity, int64_t event_us, const char *value) {
    return (tm_label){.model = "late",
                      .entity = entity,
                      .event_us = event_us,
                      .value = value,
                      .observed_us = TM_INT_MISSING};
}

static tm_label_result label(tm_monitor *monitor, tm_label one) {
    tm_label_result result = TM_LABEL_WAITING;
    tm_err err = {0};
    if (tm__monitor_labels(monitor, &one, 1, &result, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return result;
}

/* A counter by its path, "labels.joined". */
static int64_t counter(tm_monitor *monitor, const char *group, const char *name) {
    json_t *counters = tm__monitor_counters(monitor);
    assert_non_null(counters);
    const json_t *object = group == NULL ? counters : json_object_get(counters, group);
    const int64_t n = tm__json_i64(object, name, -1);
    json_decref(counters);
    return n;
}

static void an_answer_is_found_by_its_id(void **state) {
    tm_monitor *monitor = open_monitor(*state, true);
    json_t *found = NULL;
    assert_true(answer(monitor, "A", "ship", 77));
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_int_equal(tm__monitor_find(monitor, "A", &found, NULL), TM_OK);
    assert_string_equal(tm__json_text(found, "model", ""), "late");
    assert_int_equal(tm__json_i64(json_object_get(found, "row"), "x", 0), 1);
    assert_true(json_real_value(json_array_get(json_object_get(found, "outputs"), 0)) == 0.25);
    json_decref(found);
    assert_int_equal(tm__monitor_find(monitor, "B", &found, NULL), TM_E_NOT_FOUND);
    tm__monitor_close(monitor);
}

static void a_label_by_id_joins_once(void **state) {
    tm_monitor *monitor = open_monitor(*state, true);
    assert_true(answer(monitor, "A", NULL, TM_INT_MISSING));
    /* The answer may still be queued: labels come after what was queued before them. */
    assert_int_equal(label(monitor, by_id("A", "1")), TM_LABEL_JOINED);
    assert_int_equal(label(monitor, by_id("A", "1")), TM_LABEL_DUPLICATE);
    assert_int_equal(label(monitor, by_id("A", "1.0")), TM_LABEL_DUPLICATE);
    assert_int_equal(label(monitor, by_id("A", "0")), TM_LABEL_CONFLICT);
    json_t *found = NULL;
    assert_int_equal(tm__monitor_find(monitor, "A", &found, NULL), TM_OK);
    assert_string_equal(tm__json_text(found, "label", ""), "1");
    json_decref(found);
    assert_int_equal(counter(monitor, "labels", "joined"), 1);
    assert_int_equal(counter(monitor, "labels", "duplicate"), 2);
    assert_int_equal(counter(monitor, "labels", "conflict"), 1);
    tm__monitor_close(monitor);
}

static void a_label_by_entity_and_time_joins_one_answer(void **state) {
    tm_monitor *monitor = open_monitor(*state, true);
    assert_true(answer(monitor, "A", "ship", 5));
    assert_true(answer(monitor, "B", "ship", 6));
    assert_true(answer(monitor, "C", "ship", 6)); /* asked again: the newest takes the label */
    assert_int_equal(label(monitor, by_key("ship", 6, "yes")), TM_LABEL_AMBIGUOUS);
    assert_int_equal(label(monitor, by_key("ship", 6, "yes")), TM_LABEL_DUPLICATE);
    assert_int_equal(label(monitor, by_key("ship", 6, "no")), TM_LABEL_CONFLICT);
    assert_int_equal(label(monitor, by_key("boat", 6, "no")), TM_LABEL_WAITING);
    /* By id it says the same of the same answer, or contradicts it. */
    assert_int_equal(label(monitor, by_id("C", "yes")), TM_LABEL_DUPLICATE);
    assert_int_equal(label(monitor, by_id("C", "no")), TM_LABEL_CONFLICT);
    assert_int_equal(label(monitor, by_id("A", "no")), TM_LABEL_JOINED);
    assert_int_equal(label(monitor, by_key("ship", 5, "yes")), TM_LABEL_CONFLICT);
    json_t *found = NULL;
    assert_int_equal(tm__monitor_find(monitor, "B", &found, NULL), TM_OK);
    assert_true(json_is_null(json_object_get(found, "label")));
    json_decref(found);
    assert_int_equal(counter(monitor, "labels", "joined"), 1);
    assert_int_equal(counter(monitor, "labels", "ambiguous"), 1);
    tm__monitor_close(monitor);
}

static tm_label before(const char *entity, int64_t event_us, int64_t within_us) {
    tm_label one = by_key(entity, event_us, "yes");
    one.within_us = within_us;
    return one;
}

static void a_label_by_entity_may_mean_the_newest_answer_before_it(void **state) {
    tm_monitor *monitor = open_monitor(*state, true);
    assert_true(answer(monitor, "A", "ship", 100));
    assert_true(answer(monitor, "B", "ship", 200));
    assert_true(answer(monitor, "C", "boat", TM_INT_MISSING));                   /* given at 1000 */
    assert_int_equal(label(monitor, before("ship", 260, 50)), TM_LABEL_WAITING); /* too late */
    assert_int_equal(label(monitor, before("ship", 250, 50)), TM_LABEL_JOINED);
    assert_int_equal(label(monitor, before("ship", 240, 50)), TM_LABEL_DUPLICATE);
    assert_int_equal(label(monitor, before("boat", 1010, 50)), TM_LABEL_JOINED);
    assert_int_equal(label(monitor, before("boat", 1010, 0)), TM_LABEL_DUPLICATE);
    /* One that waits takes the answer that comes, not one behind it or too long before. */
    assert_true(answer(monitor, "D", "ship", 261));
    assert_true(answer(monitor, "E", "ship", 209));
    assert_true(answer(monitor, "F", "ship", 230));
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    static const char *const want[][2] = {{"A", ""}, {"B", "yes"}, {"C", "yes"},
                                          {"D", ""}, {"E", ""},    {"F", "yes"}};
    for (size_t i = 0; i < 6; i++) {
        json_t *found = NULL;
        assert_int_equal(tm__monitor_find(monitor, want[i][0], &found, NULL), TM_OK);
        assert_string_equal(tm__json_text(found, "label", ""), want[i][1]);
        json_decref(found);
    }
    tm__monitor_close(monitor);
}

static void a_label_that_comes_first_waits_for_its_answer(void **state) {
    tm_monitor *monitor = open_monitor(*state, true);
    assert_int_equal(label(monitor, by_id("A", "yes")), TM_LABEL_WAITING);
    assert_int_equal(label(monitor, by_id("A", "yes")), TM_LABEL_DUPLICATE);
    assert_int_equal(label(monitor, by_id("A", "no")), TM_LABEL_CONFLICT);
    assert_int_equal(label(monitor, by_key("ship", 9, "no")), TM_LABEL_WAITING);
    assert_int_equal(counter(monitor, "labels", "waiting"), 2);
    tm__monitor_close(monitor);

    monitor = open_monitor(*state, true); /* it waits across a restart */
    assert_true(answer(monitor, "A", NULL, TM_INT_MISSING));
    assert_true(answer(monitor, "B", "ship", 9));
    assert_true(answer(monitor, "C", "ship", 9)); /* the label is taken: joins exactly one */
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    json_t *found = NULL;
    static const char *const want[][2] = {{"A", "yes"}, {"B", "no"}, {"C", ""}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(tm__monitor_find(monitor, want[i][0], &found, NULL), TM_OK);
        assert_string_equal(tm__json_text(found, "label", ""), want[i][1]);
        json_decref(found);
    }
    assert_int_equal(counter(monitor, "labels", "waiting"), 0);
    assert_int_equal(counter(monitor, "labels", "joined"), 2);
    tm__monitor_close(monitor);
}

static void two_waiting_labels_for_one_answer_join_once(void **state) {
    tm_monitor *monitor = open_monitor(*state, true);
    assert_int_equal(label(monitor, by_key("ship", 9, "no")), TM_LABEL_WAITING);
    assert_int_equal(label(monitor, by_id("A", "yes")), TM_LABEL_WAITING);
    assert_true(answer(monitor, "A", "ship", 9));
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    json_t *found = NULL;
    assert_int_equal(tm__monitor_find(monitor, "A", &found, NULL), TM_OK);
    assert_string_equal(tm__json_text(found, "label", ""), "yes");
    json_decref(found);
    assert_int_equal(counter(monitor, "labels", "waiting"), 0);
    assert_int_equal(counter(monitor, "labels", "joined"), 1);
    assert_int_equal(counter(monitor, "labels", "conflict"), 1);
    tm__monitor_close(monitor);
}

static void a_label_that_names_nothing_is_refused_and_none_is_stored(void **state) {
    tm_monitor *monitor = open_monitor(*state, true);
    tm_err err = {0};
    tm_label_result results[2];
    const tm_label labels[] = {by_id("A", "1"), {.value = "1", .observed_us = TM_INT_MISSING}};
    assert_int_equal(tm__monitor_labels(monitor, labels, 2, results, &err), TM_E_DATA);
    assert_int_equal(err.data_row, 2);
    const tm_label no_model = {.entity = "ship", .value = "1"};
    assert_int_equal(tm__monitor_labels(monitor, &no_model, 1, results, &err), TM_E_DATA);
    assert_int_equal(counter(monitor, "labels", "waiting"), 0);
    tm__monitor_close(monitor);
}

static void one_process_writes_and_others_read_meanwhile(void **state) {
    tm_monitor *reader = open_monitor(*state, false), *second = NULL;
    json_t *found = NULL;
    tm_label_result result;
    const tm_label one = by_id("A", "1");
    const tm_monitor_options options = {.can_write = true};
    assert_int_equal(tm__monitor_find(reader, "A", &found, NULL), TM_E_NOT_FOUND); /* no log yet */
    tm_monitor *writer = open_monitor(*state, true);
    assert_int_equal(tm__monitor_open(*state, &options, &second, NULL), TM_E_CONFLICT);
    assert_true(answer(writer, "A", NULL, TM_INT_MISSING));
    assert_int_equal(tm__monitor_sync(writer, NULL), TM_OK);
    assert_int_equal(tm__monitor_find(reader, "A", &found, NULL), TM_OK);
    json_decref(found);
    assert_int_equal(counter(reader, NULL, "written"), 1);
    assert_int_equal(tm__monitor_labels(reader, &one, 1, &result, NULL), TM_E_NOT_ALLOWED);
    tm__monitor_close(writer);
    tm__monitor_close(reader);
}

static void answers_reach_the_disk_by_themselves(void **state) {
    tm_monitor *monitor = open_monitor(*state, true);
    assert_true(answer(monitor, "A", NULL, TM_INT_MISSING));
    for (int i = 0; i < TEST_LOOKS && counter(monitor, NULL, "written") == 0; i++) {
        tm__sleep_ms(10);
    }
    assert_int_equal(counter(monitor, NULL, "written"), 1);
    tm__monitor_close(monitor);
}

static void what_does_not_fit_is_dropped_and_counted(void **state) {
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true, .queue_max = 8};
    int64_t n_kept = 0;
    assert_int_equal(tm__monitor_open(*state, &options, &monitor, NULL), TM_OK);
    for (int i = 0; i < 5000; i++) {
        char id[27];
        snprintf(id, sizeof(id), "id%d", i);
        n_kept += answer(monitor, id, NULL, TM_INT_MISSING);
    }
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_true(n_kept < 5000);
    assert_int_equal(counter(monitor, NULL, "accepted"), 5000);
    assert_int_equal(counter(monitor, NULL, "written"), n_kept);
    assert_int_equal(counter(monitor, NULL, "dropped"), 5000 - n_kept);
    tm__monitor_close(monitor);
    monitor = open_monitor(*state, false); /* the counts are on disk */
    assert_int_equal(counter(monitor, NULL, "written"), n_kept);
    assert_int_equal(counter(monitor, NULL, "dropped"), 5000 - n_kept);
    tm__monitor_close(monitor);
}

typedef struct tm_load {
    tm_monitor *monitor;
    int first;
} tm_load;

static void send_answers(void *arg) {
    const tm_load *load = arg;
    for (int i = 0; i < 1000; i++) {
        char id[27];
        snprintf(id, sizeof(id), "id%d", load->first + i);
        (void)answer(load->monitor, id, NULL, TM_INT_MISSING);
        if (i % 250 == 0) {
            (void)label(load->monitor, by_id(id, "1"));
        }
    }
}

static void many_threads_lose_nothing(void **state) {
    tm_monitor *monitor = open_monitor(*state, true);
    tm_thread *threads[4];
    tm_load loads[4];
    for (int i = 0; i < 4; i++) {
        loads[i] = (tm_load){.monitor = monitor, .first = i * 1000};
        threads[i] = tm__thread_create(send_answers, &loads[i], "load");
        assert_non_null(threads[i]);
    }
    for (int i = 0; i < 4; i++) {
        tm__thread_join(threads[i]);
    }
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_int_equal(counter(monitor, NULL, "written"), 4000);
    assert_int_equal(counter(monitor, "labels", "joined"), 16);
    tm__monitor_close(monitor);
}

/* Whatever write fails: labels that were acknowledged are there after a restart. */
static void a_failed_write_never_loses_an_acknowledged_label(void **state) {
    const tm_home *home = *state;
    for (uint64_t n = 1; n < 100; n++) {
        char id[27];
        tm_label_result result = TM_LABEL_WAITING;
        tm_monitor *monitor = open_monitor(home, true);
        snprintf(id, sizeof(id), "id%d", (int)n);
        const tm_label one = by_id(id, "yes");
        test_disk_fail_at(n, false);
        const bool was_queued = answer(monitor, id, NULL, TM_INT_MISSING);
        const tm_status st = tm__monitor_labels(monitor, &one, 1, &result, NULL);
        test_disk_fail_at(0, false);
        assert_true(was_queued);
        tm__monitor_close(monitor);
        monitor = open_monitor(home, true);
        if (st == TM_OK) {
            json_t *found = NULL;
            assert_int_equal(tm__monitor_find(monitor, id, &found, NULL), TM_OK);
            assert_string_equal(tm__json_text(found, "label", ""), "yes");
            json_decref(found);
            tm__monitor_close(monitor);
            assert_true(n > 1);
            return;
        }
        assert_int_equal(counter(monitor, NULL, "accepted"),
                         counter(monitor, NULL, "written") + counter(monitor, NULL, "dropped"));
        tm__monitor_close(monitor);
    }
    fail_msg("labels never succeeded");
}

/* The child tells each label it got acknowledged; after the kill all of them must be there. */
static void label_for_ever(const tm_home *home, int fd, int round) {
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    if (tm__monitor_open(home, &options, &monitor, NULL) != TM_OK) {
        _exit(1);
    }
    for (int i = 0;; i++) {
        char id[27];
        tm_label_result result = TM_LABEL_WAITING;
        snprintf(id, sizeof(id), "r%di%d", round, i);
        const tm_label one = by_id(id, "yes");
        if (!answer(monitor, id, NULL, TM_INT_MISSING) ||
            tm__monitor_labels(monitor, &one, 1, &result, NULL) != TM_OK ||
            result != TM_LABEL_JOINED || write(fd, &i, sizeof(i)) != sizeof(i)) {
            _exit(2);
        }
    }
}

static void a_killed_server_keeps_every_acknowledged_label(void **state) {
    const tm_home *home = *state;
    for (int round = 0; round < 8; round++) {
        int ends[2], last = -1, got = 0;
        assert_int_equal(pipe(ends), 0);
        const pid_t pid = fork();
        if (pid == 0) {
            label_for_ever(home, ends[1], round);
        }
        close(ends[1]);
        tm__sleep_ms(20 + (uint32_t)round * 11);
        kill(pid, SIGKILL);
        while (read(ends[0], &got, sizeof(got)) == sizeof(got)) {
            last = got;
        }
        close(ends[0]);
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        tm_monitor *monitor = open_monitor(home, true);
        for (int i = 0; i <= last; i++) {
            char id[27];
            json_t *found = NULL;
            snprintf(id, sizeof(id), "r%di%d", round, i);
            assert_int_equal(tm__monitor_find(monitor, id, &found, NULL), TM_OK);
            assert_string_equal(tm__json_text(found, "label", ""), "yes");
            json_decref(found);
        }
        tm__monitor_close(monitor);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_found_by_its_id),
        TEST(a_label_by_id_joins_once),
        TEST(a_label_by_entity_may_mean_the_newest_answer_before_it),
        TEST(a_label_by_entity_and_time_joins_one_answer),
        TEST(a_label_that_comes_first_waits_for_its_answer),
        TEST(two_waiting_labels_for_one_answer_join_once),
        TEST(a_label_that_names_nothing_is_refused_and_none_is_stored),
        TEST(one_process_writes_and_others_read_meanwhile),
        TEST(answers_reach_the_disk_by_themselves),
        TEST(what_does_not_fit_is_dropped_and_counted),
        TEST(many_threads_lose_nothing),
        TEST(a_failed_write_never_loses_an_acknowledged_label),
        TEST(a_killed_server_keeps_every_acknowledged_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
