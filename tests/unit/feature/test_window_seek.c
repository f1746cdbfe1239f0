/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "feature/window_priv.h"
#include "test.h"

enum { EVENTS = 3000, ASKED = 70000 };

static int compare(const void *a, const void *b) {
    const tm_window_item *const x = a, *const y = b;
    if (x->entity != y->entity) {
        return x->entity < y->entity ? -1 : 1;
    }
    return x->time < y->time ? -1 : x->time > y->time;
}

static void windows_begin_and_end_where_a_count_says(void **state) {
    (void)state;
    static tm_window_item items[EVENTS], asked[ASKED];
    static uint32_t start[ASKED], begin[ASKED], end[ASKED];
    tm_rng rng = tm__rng_split(1, "seek", 0);
    for (uint32_t i = 0; i < EVENTS; i++) {
        items[i] = (tm_window_item){(int64_t)tm__rng_below(&rng, 500), i % 7 * 2, i};
    }
    for (uint32_t i = 0; i < ASKED; i++) { /* also entities that have no event */
        asked[i] = (tm_window_item){(int64_t)tm__rng_below(&rng, 600) - 50,
                                    (uint32_t)tm__rng_below(&rng, 15), i};
    }
    qsort(items, EVENTS, sizeof(items[0]), compare);
    qsort(asked, ASKED, sizeof(asked[0]), compare);
    const tm_ctx ctx = {0};
    tm_window_pass pass = {.ctx = &ctx,
                           .items = items,
                           .asked = asked,
                           .n_items = EVENTS,
                           .n_asked = ASKED,
                           .start = start,
                           .begin = begin,
                           .end = end};
    const tm_window_feature windows[] = {
        {.width_us = 30}, {.n_last = 12}, {.width_us = 9, .n_last = 3}};
    tm__window_seek_end(&pass);
    for (uint32_t w = 0; w < 3; w++) {
        tm__window_seek_begin(&pass, &windows[w]);
        for (uint32_t q = w; q < ASKED; q += 997) {
            uint32_t before = 0, n = 0, behind = 0, first = 0;
            for (uint32_t i = 0; i < EVENTS; i++) {
                const bool is_same = items[i].entity == asked[q].entity;
                const int64_t age = asked[q].time - items[i].time;
                before += items[i].entity < asked[q].entity;
                behind += is_same && age > 0;
                n += is_same && age > 0 && (windows[w].width_us == 0 || age <= windows[w].width_us);
            }
            n = windows[w].n_last > 0 && n > windows[w].n_last ? windows[w].n_last : n;
            first = before + behind - n;
            assert_int_equal(start[q], before);
            assert_int_equal(end[q], before + behind);
            assert_int_equal(begin[q], first);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_begin_and_end_where_a_count_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
