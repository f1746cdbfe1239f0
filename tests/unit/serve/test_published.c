/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"
#include "serve/published.h"
#include "test.h"

#define N_READERS 3u
#define N_SWAPS 3000u

static tm_current *make(uint32_t n) {
    tm_current *current = tm__mem_zalloc(1, sizeof *current);
    assert_non_null(current);
    atomic_init(&current->refs, 1);
    current->keyring.ever = true;
    current->keyring.n = n;
    return current;
}

/* Which one answers. */
static uint32_t answer(tm_published *p) {
    bool has_waited = false;
    return tm__published_answer(p, &has_waited)->keyring.n;
}

static void what_is_swapped_out_waits_for_who_is_in(void **state) {
    (void)state;
    tm_published *p = tm__published_create(2, 500);
    assert_null(tm__published_swap(p, make(1)));
    tm__published_enter(p, 0);
    assert_int_equal(tm__published_view(p)->keyring.n, 1);
    tm_current *old = tm__published_swap(p, make(2));
    assert_int_equal(old->keyring.n, 1);
    assert_false(tm__published_is_past(p, old->retired_epoch));
    assert_int_equal(tm__published_view(p)->keyring.n, 2);
    tm__published_enter(p, 1); /* came after the swap: it cannot have seen the old one */
    assert_false(tm__published_is_past(p, old->retired_epoch));
    tm__published_leave(p, 0);
    assert_true(tm__published_is_past(p, old->retired_epoch));
    tm__published_leave(p, 1);
    assert_true(tm__published_is_past(p, old->retired_epoch));
    tm__current_unref(old);
    tm__published_free(p);
    tm__published_free(NULL);
}

#define FAR_NS UINT64_C(60000000000)

static void what_was_there_answers_until_the_moment(void **state) {
    (void)state;
    tm_published *p = tm__published_create(1, 500);
    assert_null(tm__published_swap(p, make(1)));
    const uint64_t now_ns = tm__mono_ns();
    assert_int_equal(tm__published_wait_ms(p), 0);
    assert_null(tm__published_stage(p, make(2), now_ns + FAR_NS, now_ns + FAR_NS));
    assert_int_equal(answer(p), 1);
    assert_int_equal(tm__published_view(p)->keyring.n, 2);
    assert_true(tm__published_wait_ms(p) > 1000);
    assert_null(tm__published_settle(p));
    tm_current *never = tm__published_stage(p, make(3), now_ns, now_ns); /* of the same moment */
    assert_int_equal(never->keyring.n, 2);
    tm__current_unref(never);
    assert_int_equal(answer(p), 1);
    tm__published_free(p); /* all three */
}

static void who_asks_about_the_moment_waits_for_it(void **state) {
    (void)state;
    tm_published *p = tm__published_create(1, 500);
    assert_null(tm__published_swap(p, make(1)));
    const uint64_t surely_ns = tm__mono_ns() + 5000000;
    assert_null(tm__published_stage(p, make(2), 0, surely_ns));
    tm__published_enter(p, 0);
    assert_int_equal(answer(p), 2);
    assert_true(tm__mono_ns() >= surely_ns);
    assert_int_equal(tm__published_wait_ms(p), 0);
    tm_current *old = tm__published_settle(p);
    assert_int_equal(old->keyring.n, 1);
    assert_false(tm__published_is_past(p, old->retired_epoch)); /* it may have been given */
    tm__published_leave(p, 0);
    assert_true(tm__published_is_past(p, old->retired_epoch));
    assert_null(tm__published_settle(p));
    tm__current_unref(old);
    tm__published_free(p);
}

static void who_knows_nothing_new_waits_and_then_goes_on(void **state) {
    (void)state;
    tm_published *p = tm__published_create(1, 20);
    bool has_waited = true;
    assert_null(tm__published_swap(p, make(1)));
    const uint64_t begun_ns = tm__mono_ns();
    tm__published_know(p, begun_ns + FAR_NS);
    assert_int_equal(tm__published_answer(p, &has_waited)->keyring.n, 1);
    assert_false(has_waited);
    tm__published_know(p, begun_ns); /* it has passed, and nobody looks */
    assert_int_equal(tm__published_answer(p, &has_waited)->keyring.n, 1);
    assert_true(has_waited);
    assert_true(tm__mono_ns() - begun_ns >= UINT64_C(20000000));
    assert_int_equal(tm__published_answer(p, &has_waited)->keyring.n, 1);
    assert_false(has_waited); /* once is enough */
    tm__published_free(p);
}

static void look_and_change(void *arg) {
    tm_published *p = arg;
    tm__sleep_ms(10);
    tm__current_unref(tm__published_swap(p, make(2)));
    tm__published_know(p, tm__mono_ns() + FAR_NS);
}

static void who_looks_late_answers_by_what_it_finds(void **state) {
    (void)state;
    tm_published *p = tm__published_create(1, 60000);
    assert_null(tm__published_swap(p, make(1)));
    tm__published_know(p, tm__mono_ns());
    tm_thread *thread = tm__thread_create(look_and_change, p, "look");
    assert_non_null(thread);
    assert_int_equal(answer(p), 2);
    tm__thread_join(thread);
    tm__published_free(p);
}

typedef struct readers {
    tm_published *published;
    _Atomic uint32_t next_reader;
    _Atomic bool is_over;
    _Atomic uint64_t n_reads;
} readers;

/* What is read must be whole (under ASan: alive), and never older than what was read before. */
static void read_again_and_again(void *arg) {
    readers *r = arg;
    const uint32_t self = atomic_fetch_add(&r->next_reader, 1);
    uint32_t last = 0;
    while (!atomic_load(&r->is_over)) {
        tm__published_enter(r->published, self);
        for (int i = 0; i < 20; i++) {
            const tm_current *current = tm__published_view(r->published);
            assert_true(current->keyring.ever);
            assert_true(current->keyring.n >= last);
            last = current->keyring.n;
        }
        tm__published_leave(r->published, self);
        atomic_fetch_add(&r->n_reads, 20);
    }
}

static void readers_see_only_what_is_alive(void **state) {
    (void)state;
    readers r = {.published = tm__published_create(N_READERS, 500)};
    tm_thread *threads[N_READERS];
    assert_null(tm__published_swap(r.published, make(0)));
    for (uint32_t i = 0; i < N_READERS; i++) {
        threads[i] = tm__thread_create(read_again_and_again, &r, "reader");
        assert_non_null(threads[i]);
    }
    while (atomic_load(&r.n_reads) == 0) {
        tm__sleep_ms(1);
    }
    for (uint32_t n = 1; n <= N_SWAPS; n++) {
        tm_current *old = tm__published_swap(r.published, make(n));
        while (!tm__published_is_past(r.published, old->retired_epoch)) {
            tm__sleep_ms(0);
        }
        old->keyring.ever = false; /* who still looked would see it */
        tm__current_unref(old);
    }
    atomic_store(&r.is_over, true);
    for (uint32_t i = 0; i < N_READERS; i++) {
        tm__thread_join(threads[i]);
    }
    assert_true(atomic_load(&r.n_reads) > 0);
    tm__published_free(r.published);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_swapped_out_waits_for_who_is_in),
        cmocka_unit_test(what_was_there_answers_until_the_moment),
        cmocka_unit_test(who_asks_about_the_moment_waits_for_it),
        cmocka_unit_test(who_knows_nothing_new_waits_and_then_goes_on),
        cmocka_unit_test(who_looks_late_answers_by_what_it_finds),
        cmocka_unit_test(readers_see_only_what_is_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
