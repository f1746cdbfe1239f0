/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "feature/window_priv.h"
#include "test.h"

static int compare(const void *a, const void *b) {
    const tm_window_item *const x = a, *const y = b;
    if (x->entity != y->entity) {
        return x->entity < y->entity ? -1 : 1;
    }
    if (x->time != y->time) {
        return x->time < y->time ? -1 : 1;
    }
    return x->row < y->row ? -1 : 1;
}

typedef struct shape {
    uint64_t n;
    uint32_t n_entities;
    uint64_t n_times; /* 0: all of int64 */
} shape;

static void check_shape(const shape *s, tm_pool *pool) {
    tm_window_item *const items = tm__mem_alloc(s->n, sizeof(*items));
    tm_window_item *const room = tm__mem_alloc(s->n, sizeof(*items));
    tm_window_item *const want = tm__mem_alloc(s->n, sizeof(*items));
    tm_rng rng = tm__rng_split(s->n, "sort", s->n_entities);
    for (uint64_t i = 0; i < s->n; i++) {
        const uint64_t at = tm__rng_u64(&rng);
        const int64_t time = (int64_t)(s->n_times == 0 ? at : (at % s->n_times) - s->n_times / 2);
        uint32_t entity = UINT32_MAX - 1 - (uint32_t)tm__rng_below(&rng, s->n_entities);
        entity = at % 3 != 0 ? UINT32_MAX - 1 : entity; /* one has most of them */
        items[i] = (tm_window_item){time, entity, (uint32_t)i};
    }
    memcpy(want, items, s->n * sizeof(*items));
    qsort(want, s->n, sizeof(*want), compare);
    const tm_window_item *const got = tm__window_sort(pool, items, room, s->n);
    assert_non_null(got);
    assert_memory_equal(got, want, s->n * sizeof(*want));
    tm__mem_free(items);
    tm__mem_free(room);
    tm__mem_free(want);
}

static void any_items_are_sorted_and_ties_keep_their_order(void **state) {
    (void)state;
    const shape shapes[] = {
        {0, 1, 5},         {1, 1, 5},        {2, 1, 1},         {17, 2, 0},
        {100, 3, 4},       {5000, 1, 0},     {5000, 70, 10},    {40000, 30000, 0},
        {300000, 5000, 0}, {400000, 3, 900}, {300000, 1, 1000}, {150000, 50, 0},
    };
    tm_pool *const pool = tm__pool_create(3);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        check_shape(&shapes[i], i % 2 == 0 ? pool : NULL);
    }
    tm__pool_free(pool);
}

static void what_is_sorted_is_left_alone(void **state) {
    (void)state;
    tm_window_item items[3] = {{5, 0, 2}, {5, 0, 1}, {-9, 1, 0}}, room[3];
    const uint64_t calls = tm__mem_calls();
    assert_ptr_equal(tm__window_sort(NULL, items, room, 3), items);
    assert_int_equal(tm__mem_calls(), calls);
    assert_int_equal(items[0].row, 2);
}

static void no_memory_is_said(void **state) {
    (void)state;
    tm_window_item items[3] = {{5, 1, 2}, {5, 0, 1}, {-9, 1, 0}}, room[3];
    tm__mem_fail_at(1, false);
    assert_null(tm__window_sort(NULL, items, room, 3));
    tm__mem_fail_at(0, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_items_are_sorted_and_ties_keep_their_order),
        cmocka_unit_test(what_is_sorted_is_left_alone),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
