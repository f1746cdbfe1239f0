/* SPDX-License-Identifier: Apache-2.0 */
/* A writer that is too slow, is stopped or killed: nothing is lost that is not counted. */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pool.h"
#include "log_case.h"
#include "temp_home.h"

#define N 2000u

static void drop_counts_what_it_drops(void **state) {
    tm_monitor *monitor = log_case_open(*state, "drop", 64);
    log_case_hold_disk("log.db-wal");
    const uint32_t n_dropped = log_case_answers(monitor, "mill", "a", N);
    log_case_check_sums(monitor);
    log_case_hold_disk(NULL);
    assert_true(n_dropped > 0);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_int_equal(log_case_count(monitor, NULL, "accepted"), N);
    assert_int_equal(log_case_count(monitor, "mill", "dropped"), n_dropped);
    assert_int_equal(log_case_count(monitor, "mill", "written"), N - n_dropped);
    tm__monitor_close(monitor);
    monitor = log_case_read(*state);
    assert_int_equal(log_case_count(monitor, "mill", "dropped"), n_dropped);
    assert_int_equal(log_case_count(monitor, "mill", "accepted"), N);
    log_case_check_sums(monitor);
    tm__monitor_close(monitor);
}

static void spill_loses_nothing(void **state) {
    tm_monitor *monitor = log_case_open(*state, "spill", 64);
    log_case_hold_disk("log.db-wal");
    assert_int_equal(log_case_answers(monitor, "mill", "a", N), 0);
    log_case_check_sums(monitor);
    assert_true(log_case_count(monitor, NULL, "spilled") > 0);
    log_case_hold_disk(NULL);
    log_case_wait(monitor, "written", N);
    log_case_check_sums(monitor);
    assert_int_equal(log_case_count(monitor, NULL, "dropped"), 0);
    for (uint32_t i = 0; i < N; i += 97) {
        char id[27];
        json_t *found = NULL;
        (void)snprintf(id, sizeof(id), "a%u", i);
        assert_int_equal(tm__monitor_find(monitor, id, &found, NULL), TM_OK);
        json_decref(found);
    }
    tm__monitor_close(monitor);
}

/* What waits in files when a server ends is written by the next one. */
static void spilled_answers_outlive_their_server(void **state) {
    tm_monitor *monitor = log_case_open(*state, "spill", 64);
    log_case_hold_disk("log.db-wal");
    assert_int_equal(log_case_answers(monitor, "mill", "a", N), 0);
    log_case_close_held(monitor);
    monitor = log_case_read(*state);
    assert_true(log_case_count(monitor, NULL, "spilled") > 0);
    log_case_check_sums(monitor);
    assert_int_equal(log_case_count(monitor, NULL, "queued"), 0);
    tm__monitor_close(monitor);
    monitor = log_case_open(*state, "drop", 0);
    log_case_wait(monitor, "written", N);
    log_case_check_sums(monitor);
    tm__monitor_close(monitor);
}

static void what_a_file_cannot_take_is_dropped(void **state) {
    tm_monitor *monitor = log_case_open(*state, "spill", 64);
    const tm_log_terms terms = {.policy = TM_LOG_SPILL, .share = 1, .spill_bytes = 4096};
    log_case_bad_disk(".tms", ENOSPC);
    log_case_hold_disk("log.db-wal");
    uint32_t n_dropped = log_case_answers(monitor, "mill", "a", N);
    log_case_bad_disk(NULL, 0);
    tm__monitor_declare(monitor, "mill", &terms);
    n_dropped += log_case_answers(monitor, "mill", "b", N);
    log_case_hold_disk(NULL);
    assert_true(n_dropped > 0);
    log_case_wait(monitor, "written", 2 * N - n_dropped);
    assert_int_equal(log_case_count(monitor, "mill", "dropped"), n_dropped);
    log_case_check_sums(monitor);
    tm__monitor_close(monitor);
}

static void sample_keeps_its_share_and_counts_the_rest(void **state) {
    tm_monitor *monitor = log_case_open(*state, "sample:0.25", 0);
    assert_int_equal(log_case_answers(monitor, "mill", "a", N), 0);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    const int64_t n_written = log_case_count(monitor, "mill", "written");
    assert_true(n_written > N / 4 - 120 && n_written < N / 4 + 120); /* six deviations */
    assert_int_equal(log_case_count(monitor, "mill", "sampled_out"), N - n_written);
    log_case_check_sums(monitor);
    /* The same ids again, after a restart: the same ones are kept. */
    tm__monitor_close(monitor);
    monitor = log_case_open(*state, "sample:0.25", 0);
    assert_int_equal(log_case_answers(monitor, "mill", "a", N), 0);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_int_equal(log_case_count(monitor, "mill", "written"), 2 * n_written);
    tm__monitor_close(monitor);
}

static void a_share_of_none_is_counted_though_nothing_is_written(void **state) {
    tm_monitor *monitor = log_case_open(*state, "sample:0", 0);
    assert_int_equal(log_case_answers(monitor, "mill", "a", 50), 0);
    tm_monitor *reader = log_case_read(*state);
    for (int i = 0; i < TEST_LOOKS && log_case_count(reader, "mill", "sampled_out") != 50; i++) {
        tm__sleep_ms(10);
    }
    assert_int_equal(log_case_count(reader, "mill", "sampled_out"), 50);
    tm__monitor_close(reader);
    tm__monitor_close(monitor);
}

static void sync_gives_no_answer_that_is_not_on_disk(void **state) {
    tm_monitor *monitor = log_case_open(*state, "sync", 0);
    assert_int_equal(log_case_answer(monitor, "mill", "a", NULL), TM_OK);
    tm_monitor *reader = log_case_read(*state);
    json_t *found = NULL;
    assert_int_equal(tm__monitor_find(reader, "a", &found, NULL), TM_OK);
    json_decref(found);
    log_case_bad_disk("log.db-wal", EIO);
    assert_int_not_equal(log_case_answer(monitor, "mill", "b", NULL), TM_OK);
    log_case_bad_disk(NULL, 0);
    assert_int_equal(log_case_count(monitor, NULL, "accepted"), 1);
    log_case_check_sums(monitor);
    tm__monitor_close(reader);
    tm__monitor_close(monitor);
}

typedef struct sender {
    tm_monitor *monitor;
    const char *model, *prefix;
} sender;

static void send(void *arg) {
    const sender *s = arg;
    (void)log_case_answers(s->monitor, s->model, s->prefix, N);
}

/* Models with policies of their own, many threads, a reader that looks at the sums meanwhile. */
static void sums_hold_at_any_time(void **state) {
    tm_monitor *monitor = log_case_open(*state, "drop", 256);
    const tm_log_terms spill = {.policy = TM_LOG_SPILL, .share = 1, .queue_max = 32};
    const tm_log_terms part = {.policy = TM_LOG_SAMPLE, .share = 0.5};
    tm__monitor_declare(monitor, "late", &spill);
    tm__monitor_declare(monitor, "churn", &part);
    sender senders[] = {{monitor, "mill", "a"},
                        {monitor, "late", "b"},
                        {monitor, "churn", "c"},
                        {monitor, "late", "d"}};
    tm_thread *threads[4];
    log_case_slow_disk("log.db-wal", 3);
    for (int i = 0; i < 4; i++) {
        threads[i] = tm__thread_create(send, &senders[i], "send");
        assert_non_null(threads[i]);
    }
    for (int i = 0; i < 50; i++) {
        log_case_check_sums(monitor);
        tm__sleep_ms(2);
    }
    for (int i = 0; i < 4; i++) {
        tm__thread_join(threads[i]);
    }
    log_case_slow_disk(NULL, 0);
    log_case_wait(monitor, "spilled", 0);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    log_case_check_sums(monitor);
    assert_int_equal(log_case_count(monitor, NULL, "accepted"), 4 * N);
    assert_int_equal(log_case_count(monitor, "late", "written"), 2 * N);
    tm__monitor_close(monitor);
}

/* The child says how many answers it has given; after the kill all of them are accounted for. */
static void answer_for_ever(const tm_home *home, const char *policy, int fd, int round) {
    tm_monitor *const monitor = log_case_open(home, policy, 64);
    for (uint32_t i = 0;; i++) {
        char id[27];
        (void)snprintf(id, sizeof(id), "r%di%u", round, i);
        if (log_case_answer(monitor, "mill", id, NULL) != TM_OK ||
            write(fd, &i, sizeof(i)) != sizeof(i)) {
            _exit(2);
        }
    }
}

static void kill_while_it_answers(const tm_home *home, const char *policy, bool loses_none) {
    int64_t n_given = 0;
    for (int round = 0; round < 5; round++) {
        int ends[2];
        uint32_t got = 0, last = 0;
        assert_int_equal(pipe(ends), 0);
        const pid_t pid = fork();
        if (pid == 0) {
            answer_for_ever(home, policy, ends[1], round);
        }
        close(ends[1]);
        tm__sleep_ms(40 + (uint32_t)round * 23);
        assert_int_equal(kill(pid, SIGKILL), 0);
        while (read(ends[0], &got, sizeof(got)) == sizeof(got)) {
            last = got + 1;
        }
        close(ends[0]);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        n_given += last;
        tm_monitor *monitor = log_case_open(home, policy, 64);
        log_case_wait(monitor, "spilled", 0);
        const int64_t n_accepted = log_case_count(monitor, NULL, "accepted");
        log_case_check_sums(monitor);
        assert_int_equal(log_case_count(monitor, NULL, "queued"), 0);
        assert_true(n_accepted >= n_given);
        assert_true(n_accepted <= n_given + round + 1); /* given, and killed before it said so */
        if (loses_none) {
            assert_int_equal(log_case_count(monitor, NULL, "dropped"), 0);
        }
        n_given = n_accepted;
        tm__monitor_close(monitor);
    }
}

static void a_kill_loses_nothing_uncounted_by_drop(void **state) {
    kill_while_it_answers(*state, "drop", false);
}

static void a_kill_loses_nothing_uncounted_by_spill(void **state) {
    kill_while_it_answers(*state, "spill", false);
}

static void a_kill_loses_nothing_by_sync(void **state) {
    kill_while_it_answers(*state, "sync", true);
}

/* A log that breaks: by spill what was in memory goes to a file, and the next server writes it. */
static void a_broken_log_spills(void **state) {
    tm_monitor *monitor = log_case_open(*state, "spill", 0);
    log_case_bad_disk("log.db-wal", EIO);
    assert_int_equal(log_case_answers(monitor, "mill", "a", 100), 0);
    log_case_wait(monitor, "spilled", 100);
    assert_int_equal(log_case_answers(monitor, "mill", "b", 100), 0);
    log_case_check_sums(monitor);
    tm__monitor_close(monitor);
    log_case_bad_disk(NULL, 0);
    monitor = log_case_open(*state, "spill", 0);
    log_case_wait(monitor, "written", 200);
    log_case_check_sums(monitor);
    tm__monitor_close(monitor);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(drop_counts_what_it_drops),
        TEST(spill_loses_nothing),
        TEST(spilled_answers_outlive_their_server),
        TEST(what_a_file_cannot_take_is_dropped),
        TEST(sample_keeps_its_share_and_counts_the_rest),
        TEST(a_share_of_none_is_counted_though_nothing_is_written),
        TEST(sync_gives_no_answer_that_is_not_on_disk),
        TEST(sums_hold_at_any_time),
        TEST(a_kill_loses_nothing_uncounted_by_drop),
        TEST(a_kill_loses_nothing_uncounted_by_spill),
        TEST(a_kill_loses_nothing_by_sync),
        TEST(a_broken_log_spills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
