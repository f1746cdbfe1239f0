/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
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
        cmocka_unit_test(bytes_of_windows_add_up_and_damaged_ones_are_refused),
        cmocka_unit_test(a_million_new_levels_take_no_memory_and_are_told_by_number),
        cmocka_unit_test(a_reader_and_the_owner_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
