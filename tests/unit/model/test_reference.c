/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/reference.h"

static tm_reference *make(tm_ref_kind kind) {
    tm_reference *const self = tm__reference_create(0);
    self->columns[0].kind = kind;
    self->columns[0].n_blocks = 1;
    return self;
}

static tm_cell number(double x) {
    return (tm_cell){.type = TM_TYPE_FLOAT, .f64 = x};
}

static tm_cell text(const char *x) {
    return (tm_cell){.type = TM_TYPE_TEXT, .text = tm__str(x)};
}

static void numbers_fall_into_their_bins(void **state) {
    (void)state;
    tm_reference *const self = make(TM_REF_NUMBERS);
    tm_ref_column *const c = &self->columns[0];
    static const double edges[] = {-1, -1, 0, 2.5};
    c->n_edges = 4;
    c->edges = tm__mem_alloc(4, sizeof(double));
    memcpy(c->edges, edges, sizeof(edges));
    assert_true(tm__ref_column_settle(c));
    assert_int_equal(c->n_cells, 6);
    assert_int_equal(c->n_ordered, 5);
    const struct {
        tm_cell value;
        uint32_t want;
    } cases[] = {
        {number(-1.5), 0},
        {number(-INFINITY), 0},
        {number(-1), 1},
        {number(-0.5), 2},
        {number(0), 2},
        {number(-0.0), 2},
        {number(1e-300), 3},
        {number(2.5), 3},
        {number(2.6), 4},
        {number(INFINITY), 4},
        {number(NAN), 5},
        {{.type = TM_TYPE_NONE}, 5},
        {{.type = TM_TYPE_INT, .i64 = 2}, 3},
        {{.type = TM_TYPE_INT, .i64 = INT64_MIN}, 5},
        {{.type = TM_TYPE_BOOL, .i64 = 1}, 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (tm__ref_cell(c, &cases[i].value) != cases[i].want) {
            fail_msg("case %zu: cell %u", i, tm__ref_cell(c, &cases[i].value));
        }
    }
    assert_int_equal(tm__ref_below(c), 0);
    assert_int_equal(tm__ref_above(c), 4);
    assert_int_equal(tm__ref_missing(c), 5);
    assert_int_equal(tm__ref_unseen(c), UINT32_MAX);
    tm__reference_free(self);
}

static void levels_known_ones_and_new_ones_are_told_apart(void **state) {
    (void)state;
    char level[32];
    uint32_t n_new = 0;
    tm_reference *const self = make(TM_REF_LEVELS);
    tm_ref_column *const c = &self->columns[0];
    c->n_levels = TM_REF_LEVELS_MAX;
    c->levels = tm__mem_zalloc(c->n_levels, sizeof(*c->levels));
    for (uint32_t i = 0; i < c->n_levels; i++) {
        (void)snprintf(level, sizeof(level), "kept %u", i);
        tm__ref_level_set(&c->levels[i], tm__str(level));
    }
    c->n_filter = 1024;
    c->filter = tm__mem_zalloc(1024, 1);
    for (uint32_t i = 0; i < 1000; i++) {
        (void)snprintf(level, sizeof(level), "known %u", i);
        tm__ref_filter_add(c, tm__ref_hash(tm__str(level)));
    }
    assert_true(tm__ref_column_settle(c));
    for (uint32_t i = 0; i < 1000; i++) {
        (void)snprintf(level, sizeof(level), "kept %u", i);
        const tm_cell kept = text(level);
        assert_true(i >= c->n_levels || tm__ref_cell(c, &kept) == i);
        (void)snprintf(level, sizeof(level), "known %u", i);
        const tm_cell known = text(level);
        assert_int_equal(tm__ref_cell(c, &known), c->n_levels);
        (void)snprintf(level, sizeof(level), "new %u", i);
        const tm_cell fresh = text(level);
        n_new += tm__ref_cell(c, &fresh) == tm__ref_unseen(c) ? 1 : 0;
    }
    assert_true(n_new > 950); /* a filter of eight bits a level takes 2.4 % of others for known */
    const tm_cell empty = text("");
    assert_true(tm__ref_cell(c, &empty) != tm__ref_missing(c));
    tm__reference_free(self);
}

static void a_long_level_is_kept_by_its_hash_and_cut_at_a_character(void **state) {
    (void)state;
    char wide[101] = {0};
    tm_ref_level level;
    wide[0] = 'x';
    for (size_t i = 1; i + 1 < sizeof(wide); i += 2) {
        memcpy(wide + i, "\xC3\xBC", i + 2 < sizeof(wide) ? 2 : 0);
    }
    tm__ref_level_set(&level, tm__str(wide));
    assert_int_equal(strlen(level.text), 63);
    assert_true(level.hash == tm__ref_hash(tm__str(wide)));
}

static void answers_have_cells_of_their_class(void **state) {
    (void)state;
    tm_reference *const self = make(TM_REF_CLASSES);
    tm_ref_column *const c = &self->columns[0];
    const double first[] = {0.5, 0.5, 0}, last[] = {0.1, 0.2, 0.3, 0.4};
    c->n_classes = 3;
    assert_true(tm__ref_column_settle(c));
    assert_int_equal(tm__ref_output_cell(c, first, 3), 0);
    assert_int_equal(tm__ref_output_cell(c, last, 4), 2); /* behind the last cell's class */
    assert_int_equal(tm__ref_missing(c), UINT32_MAX);
    tm__reference_free(self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_fall_into_their_bins),
        cmocka_unit_test(levels_known_ones_and_new_ones_are_told_apart),
        cmocka_unit_test(a_long_level_is_kept_by_its_hash_and_cut_at_a_character),
        cmocka_unit_test(answers_have_cells_of_their_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
