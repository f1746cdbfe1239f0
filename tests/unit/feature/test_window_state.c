/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "feature/window.h"
#include "test.h"
#include "window_case.h"

enum { ENTITIES_MAX = 64 };

/* A state of each entity of a case. */
typedef struct states {
    tm_window_state *of[ENTITIES_MAX];
    uint32_t n;
    uint64_t refused; /* moments before the floor */
} states;

static void states_init(states *s, const window_case *c, uint32_t n) {
    *s = (states){.n = n};
    for (uint32_t i = 0; i < n; i++) {
        s->of[i] = tm__window_state_create(&c->plan);
        assert_non_null(s->of[i]);
    }
}

static void states_done(states *s) {
    for (uint32_t i = 0; i < s->n; i++) {
        tm__window_state_free(s->of[i]);
    }
}

static uint64_t states_kept(const states *s) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        n += tm__window_state_events(s->of[i]);
    }
    return n;
}

static void add(states *s, const window_case *c, uint64_t row) {
    uint64_t cells[WINDOW_CASE_COLS];
    if (c->entities[row] == TM_CODE_MISSING) {
        return;
    }
    for (uint32_t i = 0; i < WINDOW_CASE_COLS; i++) {
        cells[i] = tm__window_cell(&c->cols[i], row);
    }
    assert_int_equal(
        tm__window_state_add(s->of[c->entities[row]], c->known[row], cells, INT64_MAX, NULL),
        TM_OK);
}

/* The answer to a query into out; one that is refused takes what is wanted. */
static void ask(states *s, const window_case *c, uint64_t q) {
    static double values[1024];
    if (c->asked[q] == TM_CODE_MISSING) {
        for (uint32_t i = 0; i < c->plan.n_features; i++) {
            c->out[i][q] = c->want[i][q];
        }
        return;
    }
    const tm_status st = tm__window_state_value(s->of[c->asked[q]], c->moments[q], values, NULL);
    assert_true(st == TM_OK || st == TM_E_INVALID);
    s->refused += st != TM_OK;
    for (uint32_t i = 0; i < c->plan.n_features; i++) {
        c->out[i][q] = st == TM_OK ? values[i] : c->want[i][q];
    }
}

/* Out through bytes and in again. */
static void save_and_load(states *s, const window_case *c, uint32_t entity) {
    tm_buf bytes, again;
    tm__buf_init(&bytes, 1 << 24);
    tm__buf_init(&again, 1 << 24);
    tm__window_state_write(s->of[entity], &c->plan, &bytes);
    tm__window_state_free(s->of[entity]);
    s->of[entity] = NULL;
    assert_int_equal(tm__window_state_read(&c->plan, bytes.data, bytes.len, &s->of[entity], NULL),
                     TM_OK);
    tm__window_state_write(s->of[entity], &c->plan, &again);
    assert_int_equal(bytes.len, again.len);
    assert_memory_equal(bytes.data, again.data, bytes.len);
    tm__buf_done(&bytes);
    tm__buf_done(&again);
}

static void want_batch(const window_case *c) {
    const tm_ctx ctx = {0};
    assert_int_equal(tm__windows_apply(&ctx, &c->plan, &c->events, &c->queries, c->want, NULL),
                     TM_OK);
}

static const window_case *sorted_case;

static int by_known(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const int64_t *const known = sorted_case->known;
    return known[x] != known[y] ? (known[x] < known[y] ? -1 : 1) : (x < y ? -1 : 1);
}

static int by_moment(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const int64_t *const moments = sorted_case->moments;
    return moments[x] != moments[y] ? (moments[x] < moments[y] ? -1 : 1) : (x < y ? -1 : 1);
}

static uint32_t *order(const window_case *c, uint64_t n,
                       int (*compare)(const void *, const void *)) {
    uint32_t *const rows = tm__mem_alloc(n, sizeof(uint32_t));
    for (uint64_t i = 0; i < n; i++) {
        rows[i] = (uint32_t)i;
    }
    sorted_case = c;
    qsort(rows, n, sizeof(uint32_t), compare);
    return rows;
}

/* Events and queries in the order of time, states through bytes now and then; the events that are
 * kept one by one in the end. */
static uint64_t replay(window_case *c, uint32_t n_entities) {
    states s;
    states_init(&s, c, n_entities + 1);
    want_batch(c);
    uint32_t *const rows = order(c, c->events.n_rows, by_known);
    uint32_t *const asked = order(c, c->queries.n_rows, by_moment);
    uint64_t at = 0;
    for (uint64_t q = 0; q < c->queries.n_rows; q++) {
        while (at < c->events.n_rows && c->known[rows[at]] < c->moments[asked[q]]) {
            add(&s, c, rows[at++]);
        }
        ask(&s, c, asked[q]);
        if (q % 97 == 0 && c->asked[asked[q]] != TM_CODE_MISSING) {
            save_and_load(&s, c, c->asked[asked[q]]);
        }
    }
    assert_int_equal(s.refused, 0);
    assert_int_equal(window_case_differ(c), 0);
    tm__mem_free(rows);
    tm__mem_free(asked);
    const uint64_t n_kept = states_kept(&s);
    states_done(&s);
    return n_kept;
}

enum { ALL, NONE_FOR_EVER, ONLY_OPEN, N_KINDS };

/* What windows are left decides what a state forgets; one feature of `every`, so that many moments
 * are quick. */
static void keep_some(window_case *c, uint32_t kind, uint32_t every) {
    const uint32_t n_all = c->plan.n_features;
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_all; i++) {
        const tm_window_feature *const f = &c->features[i];
        const bool is_open = f->width_us == 0 && f->n_last == 0;
        const bool fits = kind == ALL || (kind == NONE_FOR_EVER && f->width_us < INT64_MAX) ||
                          (kind == ONLY_OPEN && is_open);
        if (fits && tm__rng_at(7, i) % every == 0) {
            c->features[n++] = *f;
        }
    }
    assert_true(n > 0);
    c->plan.n_features = n;
}

static void hundred_thousand_moments_are_those_of_the_table(void **state) {
    (void)state;
    const window_case_shape shape = {.seed = 1,
                                     .n_events = 12000,
                                     .n_queries = 104000,
                                     .n_entities = 60,
                                     .span_us = INT64_C(30) * 86400 * 1000000};
    window_case *const c = window_case_create(&shape);
    keep_some(c, NONE_FOR_EVER, 6);
    assert_true(replay(c, shape.n_entities) < 6000);
    window_case_free(c);
}

static void ties_and_far_times_are_those_of_the_table(void **state) {
    (void)state;
    static const int64_t spans[] = {4, 60, 0, 5000};
    for (uint64_t seed = 0; seed < 24; seed++) {
        const window_case_shape shape = {.seed = seed,
                                         .n_events = 20 + 10 * seed,
                                         .n_queries = 100,
                                         .n_entities = 1 + (uint32_t)seed % 4,
                                         .span_us = spans[seed % 4],
                                         .is_clean = seed % 5 == 4};
        window_case *const c = window_case_create(&shape);
        keep_some(c, (uint32_t)seed / 4 % N_KINDS, 1);
        (void)replay(c, shape.n_entities);
        window_case_free(c);
    }
}

/* Events in any order; moments up to late_us before the newest. */
static void late_events_are_counted_where_they_belong(void **state) {
    (void)state;
    static const int64_t lates[] = {0, 3, 40, INT64_MAX};
    uint64_t refused = 0, forgotten = 0;
    for (uint64_t seed = 0; seed < 24; seed++) {
        const window_case_shape shape = {.seed = 100 + seed,
                                         .n_events = 150,
                                         .n_queries = 60,
                                         .n_entities = 2,
                                         .span_us = seed % 2 == 0 ? 100 : 12};
        window_case *const c = window_case_create(&shape);
        const uint64_t n_all = c->events.n_rows;
        states s;
        keep_some(c, (uint32_t)(seed / 8) % N_KINDS, 1);
        c->plan.late_us = lates[seed / 2 % 4];
        states_init(&s, c, 3);
        for (uint64_t row = 0; row < n_all; row++) {
            add(&s, c, row);
            if (row % 25 != 24) {
                continue;
            }
            c->events.n_rows = row + 1; /* the table so far */
            want_batch(c);
            for (uint64_t q = 0; q < c->queries.n_rows; q++) {
                ask(&s, c, q);
            }
            assert_int_equal(window_case_differ(c), 0);
            save_and_load(&s, c, (uint32_t)row % 3);
        }
        assert_true(c->plan.late_us < INT64_MAX || s.refused == 0);
        refused += s.refused;
        forgotten += seed < 8 || states_kept(&s) < 100;
        states_done(&s);
        window_case_free(c);
    }
    assert_true(refused > 0 && forgotten >= 8 + 8);
}

static void only_what_a_window_may_see_is_kept(void **state) {
    (void)state;
    const tm_window_input input = {TM_TYPE_INT, 20};
    const tm_window_feature features[] = {
        {.fn = TM_WINDOW_SUM},
        {.fn = TM_WINDOW_SUM, .width_us = 100},
        {.fn = TM_WINDOW_SUM, .n_last = 3},
        {.fn = TM_WINDOW_LAG, .lag = 3},
    };
    const tm_window_plan plan = {1, &input, 4, features, 10};
    tm_window_state *const s = tm__window_state_create(&plan);
    double values[4];
    assert_true(tm__window_state_floor(s) == INT64_MIN);
    for (uint64_t i = 0; i < 20000; i++) {
        const uint64_t cell = i % 1000;
        assert_int_equal(tm__window_state_add(s, (int64_t)(i * 2), &cell, INT64_MAX, NULL), TM_OK);
        assert_true(tm__window_state_events(s) <= 57);
    }
    assert_int_equal(tm__window_state_floor(s), 39998 - 10);
    assert_int_equal(tm__window_state_value(s, 39999, values, NULL), TM_OK);
    assert_true(values[0] == 20 * 999 * 500.0 && values[1] == 50 * 999 - 49 * 25.0);
    assert_true(values[2] == 3 * 998 && values[3] == 996);
    /* At the floor the widest window sees the event that lies its width before, to the microsecond.
     */
    assert_int_equal(tm__window_state_value(s, 39988, values, NULL), TM_OK);
    assert_true(values[1] == 25 * (944.0 + 993));
    assert_int_equal(tm__window_state_value(s, 39987, values, NULL), TM_E_INVALID);
    const uint64_t cell = 0; /* the newest leaps: old ones leave many at a time */
    assert_int_equal(tm__window_state_add(s, 40098, &cell, INT64_MAX, NULL), TM_OK);
    assert_int_equal(tm__window_state_value(s, 40088, values, NULL), TM_OK);
    assert_true(values[1] == 3 * (994.0 + 999));
    tm__window_state_free(s);
    tm__window_state_free(NULL);
}

static void an_entity_with_too_many_events_is_refused(void **state) {
    (void)state;
    const tm_window_feature feature = {
        .fn = TM_WINDOW_COUNT, .column = TM_WINDOW_EVENTS, .width_us = INT64_MAX};
    const tm_window_plan plan = {0, NULL, 1, &feature, 0};
    tm_window_state *const s = tm__window_state_create(&plan);
    const uint64_t most = TM_WINDOW_STATE_BYTES / 8;
    double value = 0;
    for (uint64_t i = 0; i < most; i++) {
        if (tm__window_state_add(s, (int64_t)i, NULL, INT64_MAX, NULL) != TM_OK) {
            fail_msg("event %llu is refused", (unsigned long long)i);
        }
    }
    tm_err err = {0};
    assert_int_equal(tm__window_state_add(s, (int64_t)most, NULL, INT64_MAX, &err), TM_E_LIMIT);
    assert_string_equal(err.message, "one entity has over 8388608 events in a window");
    assert_int_equal(tm__window_state_value(s, INT64_MAX, &value, NULL), TM_OK);
    assert_true(value == (double)most);
    tm__window_state_free(s);
}

static void memory_that_fails_leaves_a_state_as_it_was(void **state) {
    (void)state;
    const window_case_shape shape = {
        .seed = 3, .n_events = 200, .n_queries = 1, .n_entities = 1, .span_us = 90};
    window_case *const c = window_case_create(&shape);
    const uint64_t alive = tm__mem_alive();
    for (uint64_t nth = 1; nth < 4; nth++) {
        tm__mem_fail_at(nth, false);
        assert_null(tm__window_state_create(&c->plan));
        tm__mem_fail_at(0, false);
        assert_int_equal(tm__mem_alive(), alive);
    }
    tm_window_state *const s = tm__window_state_create(&c->plan);
    uint64_t cells[WINDOW_CASE_COLS] = {0}, n_failed = 0;
    for (int64_t i = 0; i < 200; i++) {
        const uint64_t n = tm__window_state_events(s);
        tm__mem_fail_at(1, false);
        const tm_status st = tm__window_state_add(s, i, cells, INT64_MAX, NULL);
        tm__mem_fail_at(0, false);
        if (st != TM_OK) {
            n_failed++;
            assert_int_equal(st, TM_E_NOMEM);
            assert_int_equal(tm__window_state_events(s), n);
            assert_int_equal(tm__window_state_add(s, i, cells, INT64_MAX, NULL), TM_OK);
        }
        assert_int_equal(tm__window_state_events(s), i + 1);
    }
    assert_true(n_failed > 2);
    tm__window_state_free(s);
    window_case_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hundred_thousand_moments_are_those_of_the_table),
        cmocka_unit_test(ties_and_far_times_are_those_of_the_table),
        cmocka_unit_test(late_events_are_counted_where_they_belong),
        cmocka_unit_test(only_what_a_window_may_see_is_kept),
        cmocka_unit_test(an_entity_with_too_many_events_is_refused),
        cmocka_unit_test(memory_that_fails_leaves_a_state_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
