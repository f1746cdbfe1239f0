/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"

#define ITEMS 1000u

typedef struct counts {
    _Atomic uint32_t n_runs[ITEMS];
    uint32_t by_worker[8]; /* not atomic: a worker's number is its own */
    uint32_t n_threads;
    tm_pool *pool;
    _Atomic uint64_t sum;
} counts;

static void count_item(void *arg, uint64_t item, uint32_t worker) {
    counts *all = arg;
    atomic_fetch_add(&all->n_runs[item], 1);
    assert_true(worker < all->n_threads);
    all->by_worker[worker]++;
}

static void each_item_runs_once(void **state) {
    (void)state;
    for (uint32_t n_threads = 1; n_threads <= 6; n_threads++) {
        tm_pool *pool = tm__pool_create(n_threads);
        assert_int_equal(tm__pool_threads(pool), n_threads);
        for (uint64_t n_items = 0; n_items < 40; n_items++) {
            counts all = {.n_threads = n_threads};
            tm__pool_run(pool, n_items, count_item, &all);
            uint32_t total = 0;
            for (uint64_t i = 0; i < ITEMS; i++) {
                assert_int_equal(all.n_runs[i], i < n_items ? 1 : 0);
            }
            for (uint32_t i = 0; i < 8; i++) {
                total += all.by_worker[i];
            }
            assert_int_equal(total, n_items);
        }
        tm__pool_free(pool);
    }
}

static void many_small_jobs_follow_each_other(void **state) {
    (void)state;
    tm_pool *pool = tm__pool_create(4);
    counts all = {.n_threads = 4};
    for (unsigned i = 0; i < 5000; i++) {
        tm__pool_run(pool, 5, count_item, &all);
        if (i % 1000 == 0) {
            tm__sleep_ms(1); /* long enough for the workers to fall asleep */
        }
    }
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(all.n_runs[i], 5000);
    }
    tm__pool_free(pool);
}

static void add_inner(void *arg, uint64_t item, uint32_t worker) {
    counts *all = arg;
    atomic_fetch_add(&all->sum, item);
    all->by_worker[worker]++;
}

static void run_inner(void *arg, uint64_t item, uint32_t worker) {
    counts *all = arg;
    (void)item;
    (void)worker;
    tm__pool_run(all->pool, 10, add_inner, arg);
}

static void a_nested_call_runs_on_its_worker(void **state) {
    (void)state;
    counts all = {.n_threads = 4, .pool = tm__pool_create(4)};
    tm__pool_run(all.pool, 100, run_inner, &all);
    assert_int_equal(all.sum, 4500);
    uint32_t total = 0;
    for (uint32_t i = 0; i < 4; i++) {
        total += all.by_worker[i];
    }
    assert_int_equal(total, 1000);
    tm__pool_free(all.pool);
}

static void call_from_thread(void *arg) {
    counts *all = arg;
    for (unsigned i = 0; i < 200; i++) {
        tm__pool_run(all->pool, 10, add_inner, arg);
    }
}

static void callers_of_several_threads_take_turns(void **state) {
    (void)state;
    counts all = {.n_threads = 3, .pool = tm__pool_create(3)};
    tm_thread *threads[3];
    for (unsigned i = 0; i < 3; i++) {
        threads[i] = tm__thread_create(call_from_thread, &all, "a name longer than fits");
        assert_non_null(threads[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        tm__thread_join(threads[i]);
    }
    assert_int_equal(all.sum, 3 * 200 * 45);
    tm__pool_free(all.pool);
    tm__thread_join(NULL);
}

static void keep_order(void *arg, uint64_t item, uint32_t worker) {
    uint64_t *next = arg;
    assert_int_equal(worker, 0);
    assert_int_equal(item, *next);
    (*next)++;
}

static void without_a_pool_items_run_in_order(void **state) {
    (void)state;
    uint64_t next = 0;
    tm__pool_run(NULL, 20, keep_order, &next);
    assert_int_equal(next, 20);
    assert_int_equal(tm__pool_threads(NULL), 1);
    tm__pool_free(NULL);
}

typedef struct mailbox {
    tm_mutex *mutex;
    tm_cond *cond;
    bool is_full;
} mailbox;

static void post(void *arg) {
    mailbox *box = arg;
    tm__mutex_lock(box->mutex);
    box->is_full = true;
    tm__cond_signal_all(box->cond);
    tm__mutex_unlock(box->mutex);
}

static void a_condition_wakes_or_times_out(void **state) {
    (void)state;
    mailbox box = {.mutex = tm__mutex_create(), .cond = tm__cond_create()};
    tm__mutex_lock(box.mutex);
    const uint64_t start = tm__mono_ns();
    tm__cond_wait(box.cond, box.mutex, 5);
    assert_true(tm__mono_ns() - start >= 4000000);
    tm_thread *thread = tm__thread_create(post, &box, "post");
    while (!box.is_full) {
        tm__cond_wait(box.cond, box.mutex, UINT32_MAX);
    }
    tm__mutex_unlock(box.mutex);
    tm__thread_join(thread);
    tm__cond_free(box.cond);
    tm__mutex_free(box.mutex);
    tm__cond_free(NULL);
    tm__mutex_free(NULL);
}

static void running_out_of_memory_is_reported(void **state) {
    (void)state;
    const uint64_t n_alive = tm__mem_alive();
    for (uint64_t nth = 1; nth <= 2; nth++) {
        tm__mem_fail_at(nth, false);
        assert_null(tm__pool_create(2));
        tm__mem_fail_at(0, false);
    }
    tm__mem_fail_at(1, true);
    assert_null(tm__thread_create(post, NULL, "x"));
    assert_null(tm__mutex_create());
    assert_null(tm__cond_create());
    tm__mem_fail_at(0, false);
    assert_int_equal(tm__mem_alive(), n_alive);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_item_runs_once),
        cmocka_unit_test(many_small_jobs_follow_each_other),
        cmocka_unit_test(a_nested_call_runs_on_its_worker),
        cmocka_unit_test(callers_of_several_threads_take_turns),
        cmocka_unit_test(without_a_pool_items_run_in_order),
        cmocka_unit_test(a_condition_wakes_or_times_out),
        cmocka_unit_test(running_out_of_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
