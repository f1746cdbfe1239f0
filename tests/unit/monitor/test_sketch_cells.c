/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "drift_case.h"

static void rows_are_counted_where_they_belong(void **state) {
    (void)state;
    drift_case c;
    drift_case_open(&c, 1);
    const uint32_t age = drift_case_column(&c, "age"), city = drift_case_column(&c, "city");
    const double answer = 0.5;
    tm_cell row[16];
    bundle_data_cells(c.data, 0, row);
    row[age] = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = 1000};
    row[city] = (tm_cell){.type = TM_TYPE_TEXT, .text = tm__str("Atlantis")};
    tm__cells_add(c.cells, row, &answer, 1);
    row[city] = (tm_cell){.type = TM_TYPE_NONE};
    tm__cells_add(c.cells, row, &answer, 1);
    tm__cells_read(c.cells, &c.counts);
    const tm_ref_column *const a = &c.plan->reference->columns[age];
    const tm_ref_column *const b = &c.plan->reference->columns[city];
    assert_int_equal(c.counts.counts[TM_CELLS_ROWS], 2);
    assert_int_equal(c.counts.counts[TM_CELLS_FAR], 1); /* out of range and new in one row */
    assert_int_equal(c.counts.counts[c.plan->first[age] + tm__ref_above(a)], 2);
    assert_int_equal(c.counts.counts[c.plan->first[city] + tm__ref_unseen(b)], 1);
    assert_int_equal(c.counts.counts[c.plan->first[city] + tm__ref_missing(b)], 1);
    assert_int_equal(c.counts.counts[c.plan->first[c.plan->n_columns - 1] + 2], 2);
    drift_case_close(&c);
}

/* A value near an edge or far from all of them. */
static double value_near(tm_rng *rng, const double *edges, uint32_t n) {
    const double edge = edges[tm__rng_below(rng, n)];
    switch (tm__rng_below(rng, 6)) {
    case 0:
        return edge;
    case 1:
        return nextafter(edge, INFINITY);
    case 2:
        return nextafter(edge, -INFINITY);
    case 3:
        return (float)edge;
    case 4:
        return (tm__rng_f64(rng) - 0.5) * 1e300;
    default:
        return edge + tm__rng_f64(rng) - 0.5;
    }
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static tm_reference *reference_of(tm_rng *rng, tm_ref_kind kind) {
    tm_reference *const reference = tm__reference_create(1);
    tm_ref_column *const c = &reference->columns[0];
    c->kind = kind;
    c->n_blocks = 1;
    c->n_edges = 2 + (uint32_t)tm__rng_below(rng, TM_REF_EDGES_MAX - 1);
    c->edges = tm__mem_alloc(c->n_edges, sizeof(double));
    const double step =
        tm__rng_below(rng, 2) == 0 ? 1e-9 : 7; /* of which floats tell no two apart */
    for (uint32_t i = 0; i < c->n_edges; i++) {
        c->edges[i] = 100 + step * (double)tm__rng_below(rng, 50) * (1 + tm__rng_f64(rng));
    }
    qsort(c->edges, c->n_edges, sizeof(double), by_size);
    assert_true(tm__ref_column_settle(c));
    return reference;
}

static void a_row_is_counted_in_the_cell_that_the_reference_says(void **state) {
    (void)state;
    static const tm_ref_kind kinds[] = {TM_REF_NUMBERS, TM_REF_LENGTHS};
    static const char text[300] = "";
    tm_rng rng = tm__rng_split(1, "cells", 0);
    for (unsigned i = 0; i < 400; i++) {
        tm_reference *const reference = reference_of(&rng, kinds[i % 2]);
        const tm_ref_column *const c = &reference->columns[0];
        tm_cells_plan *const plan = tm__cells_plan_create(reference);
        tm_cells *const cells = tm__cells_create(plan);
        tm_counts counts, want;
        assert_true(tm__counts_init(&counts, plan) && tm__counts_init(&want, plan));
        for (unsigned k = 0; k < 200; k++) {
            const double x = value_near(&rng, c->edges, c->n_edges);
            const tm_cell values[] = {
                {.type = TM_TYPE_FLOAT, .f64 = x},
                {.type = TM_TYPE_FLOAT, .f64 = k % 2 == 0 ? NAN : INFINITY},
                {.type = TM_TYPE_INT, .i64 = k == 0 ? TM_INT_MISSING : (int64_t)(90 + k)},
                {.type = TM_TYPE_BOOL, .i64 = k % 2},
                {.type = TM_TYPE_NONE},
                {.type = TM_TYPE_TEXT, .text = {text, k}}};
            const size_t n = kinds[i % 2] == TM_REF_LENGTHS ? 6 : 5; /* no number is a text */
            for (size_t v = 0; v < n; v++) {
                tm__cells_add(cells, &values[v], &x, 1);
                want.counts[plan->first[0] + tm__ref_cell(c, &values[v])]++;
            }
        }
        tm__cells_read(cells, &counts);
        assert_memory_equal(counts.counts + plan->first[0], want.counts + plan->first[0],
                            c->n_cells * sizeof(uint64_t));
        tm__counts_done(&counts);
        tm__counts_done(&want);
        tm__cells_free(cells);
        tm__cells_plan_free(plan);
        tm__reference_free(reference);
    }
}

static void bytes_of_windows_add_up_and_damaged_ones_are_refused(void **state) {
    (void)state;
    drift_case c;
    tm_counts back;
    tm_buf buf;
    drift_case_open(&c, 2);
    drift_case_rows(&c, 500, 0);
    assert_true(tm__counts_init(&back, c.plan));
    tm__buf_init(&buf, 1u << 16);
    tm__counts_write(&c.counts, &buf);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(tm__counts_read(&back, (tm_str){(const char *)buf.data, buf.len}));
    }
    for (uint32_t i = 0; i < back.n_counts; i++) {
        assert_int_equal(back.counts[i], 2 * c.counts.counts[i]);
    }
    for (size_t len = 0; len < buf.len; len++) { /* and nothing is added of what is damaged */
        assert_false(tm__counts_read(&back, (tm_str){(const char *)buf.data, len}));
    }
    assert_int_equal(back.counts[TM_CELLS_ROWS], 1000);
    buf.data[2] ^= 1; /* of another number of counts */
    assert_false(tm__counts_read(&back, (tm_str){(const char *)buf.data, buf.len}));
    tm__counts_done(&back);
    tm__buf_done(&buf);
    drift_case_close(&c);
}

static void a_million_new_levels_take_no_memory_and_are_told_by_number(void **state) {
    (void)state;
    drift_case c;
    drift_case_open(&c, 3);
    const uint32_t city = drift_case_column(&c, "city");
    const double answer = 0.5;
    tm_cell row[16];
    char name[32];
    bundle_data_cells(c.data, 0, row);
    const uint64_t alive = tm__mem_alive();
    for (uint32_t i = 0; i < 1000000; i++) {
        (void)snprintf(name, sizeof(name), "new %u", i);
        row[city] = (tm_cell){.type = TM_TYPE_TEXT, .text = tm__str(name)};
        tm__cells_add(c.cells, row, &answer, 1);
    }
    assert_int_equal(tm__mem_alive(), alive);
    tm__cells_read(c.cells, &c.counts);
    const double n = tm__counts_distinct(&c.counts, c.plan, city);
    assert_true(fabs(n / 1e6 - 1) < 0.3); /* 9 % is one standard error */
    drift_case_close(&c);
}

typedef struct counting {
    drift_case *c;
    tm_counts sum;
} counting;

static void count_while_read(void *arg, uint64_t item, uint32_t worker) {
    counting *const s = arg;
    const double answer = 0.5;
    tm_cell row[16];
    (void)worker;
    if (item == 0) {
        bundle_data_cells(s->c->data, 7, row);
        for (unsigned i = 0; i < 20000; i++) {
            tm__cells_add(s->c->cells, row, &answer, 1);
        }
    } else {
        for (unsigned i = 0; i < 200; i++) {
            tm__counts_reset(&s->sum);
            tm__cells_read(s->c->cells, &s->sum);
        }
    }
}

static void a_reader_and_the_owner_do_not_disturb_each_other(void **state) {
    (void)state;
    drift_case c;
    drift_case_open(&c, 4);
    counting s = {.c = &c};
    tm_pool *const pool = tm__pool_create(2);
    assert_true(tm__counts_init(&s.sum, c.plan));
    tm__pool_run(pool, 2, count_while_read, &s);
    tm__counts_reset(&s.sum);
    tm__cells_read(c.cells, &s.sum);
    assert_int_equal(s.sum.counts[TM_CELLS_ROWS], 20000);
    tm__counts_done(&s.sum);
    tm__pool_free(pool);
    drift_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_counted_where_they_belong),
        cmocka_unit_test(a_row_is_counted_in_the_cell_that_the_reference_says),
        cmocka_unit_test(bytes_of_windows_add_up_and_damaged_ones_are_refused),
        cmocka_unit_test(a_million_new_levels_take_no_memory_and_are_told_by_number),
        cmocka_unit_test(a_reader_and_the_owner_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
