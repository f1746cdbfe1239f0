/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/moment.h"
#include "test.h"

static tm_current *make(uint32_t n) {
    tm_current *current = tm__mem_zalloc(1, sizeof *current);
    assert_non_null(current);
    atomic_init(&current->refs, 1);
    current->keyring.n = n;
    return current;
}

/* Which one answers. */
static uint32_t answer(tm_published *p) {
    bool has_waited = false;
    return tm__published_answer(p, &has_waited)->keyring.n;
}

/* A look of now, with so long to go until the last change takes effect. */
static tm_db_moment look(int64_t left_us) {
    const uint64_t now_ns = tm__mono_ns();
    return (tm_db_moment){
        .is_shared = true, .left_us = left_us, .asked_ns = now_ns, .told_ns = now_ns};
}

static void with_tables_in_a_file_a_change_is_at_once(void **state) {
    (void)state;
    const tm_db_moment moment = {.generation = 3};
    tm_published *p = tm__published_create(1, 500);
    assert_null(tm__moment_publish(p, make(1), &moment, 0));
    tm_current *old = tm__moment_publish(p, make(2), &moment, 0);
    assert_int_equal(old->keyring.n, 1);
    assert_int_equal(answer(p), 2);
    assert_int_equal(tm__moment_know(p, &moment), 0);
    tm__current_unref(old);
    tm__published_free(p);
}

static void a_change_that_lies_ahead_waits_for_its_moment(void **state) {
    (void)state;
    tm_published *p = tm__published_create(1, 500);
    tm_db_moment moment = look(-1000000);
    assert_null(tm__moment_publish(p, make(1), &moment, 0));
    const uint64_t known_ns = tm__moment_know(p, &moment);
    assert_true(known_ns > moment.asked_ns);
    moment = look(60000000);
    assert_null(tm__moment_publish(p, make(2), &moment, known_ns));
    assert_int_equal(answer(p), 1);
    assert_true(tm__published_wait_ms(p) > 50000);
    tm__published_free(p);
}

static void who_looked_too_late_answers_neither(void **state) {
    (void)state;
    tm_published *p = tm__published_create(1, 500);
    tm_db_moment moment = look(-1000000);
    assert_null(tm__moment_publish(p, make(1), &moment, 0));
    moment = look(10000);
    assert_null(tm__moment_publish(p, make(2), &moment, moment.asked_ns - 1));
    assert_int_equal(answer(p), 2); /* it waited */
    assert_true(tm__mono_ns() - moment.asked_ns >= 10000000);
    tm_current *old = tm__published_settle(p);
    assert_int_equal(old->keyring.n, 1);
    tm__current_unref(old);
    tm__published_free(p);
}

static void another_load_of_the_same_change_keeps_its_moment(void **state) {
    (void)state;
    tm_published *p = tm__published_create(1, 500);
    tm_db_moment moment = look(-1000000);
    assert_null(tm__moment_publish(p, make(1), &moment, 0));
    moment = look(60000000);
    assert_null(tm__moment_publish(p, make(2), &moment, moment.asked_ns));
    moment.left_us = -1000000; /* a quicker look: by its clock the moment has passed */
    tm_current *never = tm__moment_publish(p, make(3), &moment, moment.asked_ns);
    assert_int_equal(never->keyring.n, 2);
    assert_int_equal(answer(p), 1);
    assert_true(tm__published_is_staged(p));
    tm__current_unref(never);
    tm__published_free(p);
}

static void who_starts_waits_for_the_moment(void **state) {
    (void)state;
    tm_published *p = tm__published_create(1, 500);
    const tm_db_moment moment = look(10000);
    assert_null(tm__moment_publish(p, make(1), &moment, 0));
    assert_true(tm__mono_ns() - moment.asked_ns >= 10000000);
    assert_int_equal(answer(p), 1);
    tm__published_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_tables_in_a_file_a_change_is_at_once),
        cmocka_unit_test(a_change_that_lies_ahead_waits_for_its_moment),
        cmocka_unit_test(who_looked_too_late_answers_neither),
        cmocka_unit_test(another_load_of_the_same_change_keeps_its_moment),
        cmocka_unit_test(who_starts_waits_for_the_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
