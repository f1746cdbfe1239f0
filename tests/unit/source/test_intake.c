/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "failing_disk.h"
#include "source/intake.h"
#include "temp_home.h"
#include "test.h"

static void add_source(const tm_home *home, const char *name, const char *key) {
    tm_err err = {0};
    const tm_intake_add add = {
        .name = name, .feed = "push", .keys = &key, .n_keys = key == NULL ? 0 : 1};
    if (tm__intake_add(home, &add, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
}

/* Rows {"id": from} ... {"id": end - 1}. */
static tm_status push_ids(tm_intake *intake, const char *source, uint32_t from, uint32_t end,
                          const char *key, tm_push_result *out) {
    char body[20000];
    size_t len = 0;
    for (uint32_t i = from; i < end; i++) {
        len += (size_t)snprintf(body + len, sizeof(body) - len, "{\"id\":%u,\"x\":%u.5}\n", i, i);
    }
    const tm_push push = {.source = source,
                          .form = TM_PUSH_LINES,
                          .data = body,
                          .len = len,
                          .key = key == NULL ? (tm_str){NULL, 0} : tm__str(key)};
    return tm__intake_push_wait(intake, &push, out, NULL);
}

static void expect(const tm_push_result *r, uint64_t accepted, uint64_t duplicates) {
    assert_int_equal(r->accepted, accepted);
    assert_int_equal(r->duplicates, duplicates);
    assert_int_equal(r->quarantined, 0);
}

static int64_t shown(const tm_home *home, const char *source, const char *name) {
    json_t *json = NULL;
    assert_int_equal(tm__intake_show(home, source, &json, NULL), TM_OK);
    const int64_t n = tm__json_i64(json, name, -1);
    json_decref(json);
    return n;
}

/* SQLite may give up a transaction by itself when a read of it has no memory. */
static void memory_that_runs_out_while_keys_are_read_fails_the_push_alone(void **state) {
    tm__temp_home_needs_file();
    const tm_home *home = *state;
    tm_push_result r = {0};
    add_source(home, "orders", "id");
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        tm_intake *intake = tm__intake_create(home);
        assert_non_null(intake);
        tm__mem_fail_at(nth, true);
        st = push_ids(intake, "orders", 0, 10, NULL, &r);
        tm__mem_fail_at(0, false);
        tm__json_reset();
        tm__intake_close(intake);
    }
    assert_int_equal(shown(home, "orders", "rows"), 10);
}

static void a_key_is_accepted_once_also_after_a_restart(void **state) {
    const tm_home *home = *state;
    tm_push_result r = {0};
    add_source(home, "orders", "id");
    for (int round = 0; round < 3; round++) {
        tm_intake *intake = tm__intake_create(home);
        const uint32_t from = (uint32_t)round * 50;
        assert_int_equal(push_ids(intake, "orders", 0, from + 100, NULL, &r), TM_OK);
        expect(&r, round == 0 ? 100 : 50, round == 0 ? 0 : from + 50);
        assert_int_equal(push_ids(intake, "orders", from, from + 100, NULL, &r), TM_OK);
        expect(&r, 0, 100);
        tm__intake_close(intake);
    }
    assert_int_equal(shown(home, "orders", "rows"), 200);
    assert_int_equal(shown(home, "orders", "version"), 1);
}

static void without_a_key_every_row_counts(void **state) {
    const tm_home *home = *state;
    tm_push_result r = {0};
    add_source(home, "events", NULL);
    tm_intake *intake = tm__intake_create(home);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(push_ids(intake, "events", 0, 10, NULL, &r), TM_OK);
        expect(&r, 10, 0);
    }
    tm__intake_close(intake);
    assert_int_equal(shown(home, "events", "rows"), 20);
}

static void a_push_with_an_idempotency_key_counts_once(void **state) {
    const tm_home *home = *state;
    tm_push_result r = {0};
    add_source(home, "events", NULL);
    for (int round = 0; round < 3; round++) {
        tm_intake *intake = tm__intake_create(home);
        assert_int_equal(push_ids(intake, "events", 0, 10, "k-1", &r), TM_OK);
        expect(&r, 10, 0);
        assert_int_equal(r.is_repeat, round > 0);
        assert_int_equal(push_ids(intake, "events", 0, 11, "k-1", &r), TM_E_CONFLICT);
        tm__intake_close(intake);
    }
    assert_int_equal(shown(home, "events", "rows"), 10);
}

static void what_takes_no_push_says_so(void **state) {
    const tm_home *home = *state;
    tm_push_result r = {0};
    tm_intake *intake = tm__intake_create(home);
    assert_int_equal(push_ids(intake, "orders", 0, 1, NULL, &r), TM_E_NOT_FOUND);
    if (!tm__home_shares_intake(home)) {
        assert_int_equal(tm__fs_info(tm__home_intake_db(home)).kind, TM_PATH_NONE);
    }
    add_source(home, "orders", "id");
    assert_int_equal(push_ids(intake, "order", 0, 1, NULL, &r), TM_E_NOT_FOUND);
    assert_int_equal(push_ids(intake, "orders", 0, 1, "", &r), TM_E_DATA);
    assert_int_equal(push_ids(intake, "orders", 0, 1, NULL, &r), TM_OK);
    tm_intake *second = tm__intake_create(home);
    assert_int_equal(push_ids(second, "orders", 0, 1, NULL, &r), TM_E_UNAVAILABLE);
    tm__intake_close(second);
    tm__intake_close(intake);
}

/* ---- Many at once ---- */

typedef struct pusher {
    tm_intake *intake;
    uint32_t number;
    uint64_t accepted, duplicates;
} pusher;

static void push_many(void *arg) {
    pusher *p = arg;
    for (uint32_t i = 0; i < 40; i++) {
        tm_push_result r = {0};
        /* Each range of ids is pushed by two threads, and each push brings a column of its own. */
        char body[256];
        const uint32_t id = (p->number / 2 * 40 + i) * 2;
        const int len =
            snprintf(body, sizeof(body), "[{\"id\":%u,\"c%u\":1},{\"id\":%u,\"c%u\":2.5}]", id,
                     i % 7, id + 1, i % 5);
        const tm_push push = {
            .source = "orders", .form = TM_PUSH_JSON, .data = body, .len = (size_t)len};
        if (tm__intake_push_wait(p->intake, &push, &r, NULL) == TM_OK) {
            p->accepted += r.accepted;
            p->duplicates += r.duplicates;
        }
    }
}

static void many_threads_lose_and_repeat_nothing(void **state) {
    const tm_home *home = *state;
    pusher pushers[8] = {{0}};
    tm_thread *threads[8];
    uint64_t accepted = 0, duplicates = 0;
    add_source(home, "orders", "id");
    tm_intake *intake = tm__intake_create(home);
    for (uint32_t i = 0; i < 8; i++) {
        pushers[i] = (pusher){.intake = intake, .number = i};
        threads[i] = tm__thread_create(push_many, &pushers[i], "push");
        assert_non_null(threads[i]);
    }
    for (uint32_t i = 0; i < 8; i++) {
        tm__thread_join(threads[i]);
        accepted += pushers[i].accepted;
        duplicates += pushers[i].duplicates;
    }
    tm__intake_close(intake);
    assert_int_equal(accepted, 4 * 40 * 2);
    assert_int_equal(duplicates, 4 * 40 * 2);
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    assert_int_equal(tm__intake_table(&ctx, home, "orders", &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 4 * 40 * 2);
    assert_int_equal(tm__table_cols(table), 1 + 7);
    tm__table_unref(table);
}

/* ---- Failures ---- */

/* Every write and sync fails once: what was acknowledged is there after a restart, once. */
static void a_failed_write_never_loses_an_acknowledged_row(void **state) {
    const tm_home *home = *state;
    uint32_t n_acknowledged = 0, next = 0;
    bool is_through = false;
    add_source(home, "orders", "id");
    for (uint64_t n = 1; !is_through; n++) {
        tm_push_result r = {0};
        tm_intake *intake = tm__intake_create(home);
        test_disk_fail_at(n, false);
        const tm_status first = push_ids(intake, "orders", next, next + 10, NULL, &r);
        const tm_status second = push_ids(intake, "orders", next + 10, next + 20, NULL, &r);
        is_through = test_disk_calls() < n;
        test_disk_fail_at(0, false);
        tm__intake_close(intake);
        n_acknowledged += first == TM_OK ? 10 : 0;
        n_acknowledged += second == TM_OK ? 10 : 0;
        next += 20;
        is_through = is_through || (n > 4 && first == TM_OK && second == TM_OK);
        assert_true(n < 200);
    }
    assert_true(shown(home, "orders", "rows") >= n_acknowledged);
    tm_push_result r = {0};
    tm_intake *intake = tm__intake_create(home);
    for (uint32_t from = 0; from < next; from += 20) { /* retries complete what is not there */
        assert_int_equal(push_ids(intake, "orders", from, from + 20, NULL, &r), TM_OK);
    }
    tm__intake_close(intake);
    assert_int_equal(shown(home, "orders", "rows"), next);
}

/* A child pushes and says what was acknowledged; it is killed in the middle. */
static void a_killed_process_keeps_every_acknowledged_row(void **state) {
    const tm_home *home = *state;
    uint32_t n_acknowledged = 0;
    add_source(home, "orders", "id");
    for (int round = 0; round < 5; round++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        const pid_t pid = fork();
        if (pid == 0) {
            tm_push_result r = {0};
            tm_intake *intake = tm__intake_create(home);
            for (uint32_t i = n_acknowledged;; i += 10) {
                if (push_ids(intake, "orders", i, i + 10, NULL, &r) != TM_OK) {
                    _exit(1);
                }
                const uint32_t end = i + 10;
                if (write(pipes[1], &end, sizeof(end)) != sizeof(end)) {
                    _exit(2);
                }
            }
        }
        close(pipes[1]);
        uint32_t end = 0;
        for (int i = 0; i < 7 + round; i++) {
            assert_int_equal(read(pipes[0], &end, sizeof(end)), sizeof(end));
            n_acknowledged = end;
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        while (read(pipes[0], &end, sizeof(end)) == sizeof(end)) {
            n_acknowledged = end;
        }
        close(pipes[0]);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        const int64_t rows = shown(home, "orders", "rows");
        assert_true(rows == n_acknowledged || rows == n_acknowledged + 10);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_key_is_accepted_once_also_after_a_restart),
        TEST(memory_that_runs_out_while_keys_are_read_fails_the_push_alone),
        TEST(without_a_key_every_row_counts),
        TEST(a_push_with_an_idempotency_key_counts_once),
        TEST(what_takes_no_push_says_so),
        TEST(many_threads_lose_and_repeat_nothing),
        TEST(a_failed_write_never_loses_an_acknowledged_row),
        TEST(a_killed_process_keeps_every_acknowledged_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
