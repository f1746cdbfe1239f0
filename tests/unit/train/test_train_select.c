/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "train/train_select.h"

enum { COLS = 7 };

/* x and kind decide; again has x's values, line is 3 x and a whiff, n1 and n2 are noise. */
static tm_table *table_make(uint64_t n_rows, bool is_noise) {
    static const char *const names[COLS] = {"x", "again", "line", "kind", "n1", "n2", "label"};
    static const char *const kinds[] = {"a", "b", "c"};
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_non_null(builder);
    for (uint32_t c = 0; c < COLS; c++) {
        const tm_type type = c == 3 ? TM_TYPE_TEXT : c == 6 ? TM_TYPE_INT : TM_TYPE_FLOAT;
        assert_int_equal(tm__builder_add_column(builder, names[c], type, NULL), TM_OK);
    }
    tm_rng rng = tm__rng_split(5, "select", 0);
    for (uint64_t row = 0; row < n_rows; row++) {
        const double x = tm__rng_f64(&rng), whiff = tm__rng_f64(&rng);
        const uint64_t kind = tm__rng_below(&rng, 3);
        const double s = x + (kind == 1 ? 0.4 : 0) + 0.6 * (tm__rng_f64(&rng) - 0.5);
        const bool label = is_noise ? tm__rng_below(&rng, 2) == 1 : s > 0.6;
        const tm_cell cells[COLS] = {
            {.type = TM_TYPE_FLOAT, .f64 = x},
            {.type = TM_TYPE_FLOAT, .f64 = x},
            {.type = TM_TYPE_FLOAT, .f64 = 3 * x + 0.001 * whiff},
            {.type = TM_TYPE_TEXT, .text = tm__str(kinds[kind])},
            {.type = TM_TYPE_FLOAT, .f64 = tm__rng_f64(&rng)},
            {.type = TM_TYPE_FLOAT, .f64 = tm__rng_f64(&rng)},
            {.type = TM_TYPE_INT, .i64 = label},
        };
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

typedef struct select_case {
    tm_table *table;
    tm_train_data data;
    tm_search search;
    tm_train_options options;
    tm_budget budget;
    tm_ctx ctx;
    tm_selection selection;
} select_case;

static void init(select_case *c, uint64_t n_rows, bool is_noise) {
    memset(c, 0, sizeof(*c));
    c->table = table_make(n_rows, is_noise);
    c->options = (tm_train_options){.target = "label", .seed = 1, .selects = true};
    c->budget.work_limit = UINT64_C(6000000000);
    c->ctx.budget = &c->budget;
    assert_int_equal(tm__train_data_init(&c->data, c->table, NULL, &c->options, NULL), TM_OK);
    c->search.data = &c->data;
    c->search.options = &c->options;
    c->search.metric = tm__metric_find("logloss");
    assert_int_equal(tm__candidates_init(&c->search, NULL), TM_OK);
}

static void run(select_case *c) {
    tm_err err = {0};
    if (tm__train_select(&c->ctx, &c->search, &c->selection, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
}

static void done(select_case *c) {
    tm__selection_done(&c->selection);
    tm__train_data_done(&c->data);
    tm__table_unref(c->table);
}

static const char *reason_of(const select_case *c, const char *name) {
    const uint32_t col = tm__schema_find(&c->data.schema, tm__str(name));
    const tm_schema_column *column = &c->data.schema.cols[col];
    return column->role == TM_ROLE_DROPPED ? column->reason : NULL;
}

static void what_repeats_follows_or_tells_nothing_is_left_out_with_its_reason(void **state) {
    (void)state;
    select_case c;
    init(&c, 12000, false);
    const uint64_t before = c.budget.work_used;
    run(&c);
    assert_null(reason_of(&c, "x"));
    assert_null(reason_of(&c, "kind"));
    assert_string_equal(reason_of(&c, "again"), "repeats column 'x'");
    assert_true(reason_of(&c, "line") == NULL ||
                strcmp(reason_of(&c, "line"), "says what column 'x' says") == 0);
    for (uint32_t i = 1; i < 3; i++) { /* noise goes when both learners score no worse without */
        const char *why = reason_of(&c, i == 1 ? "n1" : "n2");
        assert_true(why == NULL || strstr(why, "held-out rows") != NULL);
    }
    assert_true(json_array_size(c.selection.dropped) >= 1);
    assert_true(c.budget.work_used > before && c.ctx.budget == &c.budget);
    assert_true(c.budget.work_used < c.budget.work_limit / 20);
    json_t *json = tm__selection_to_json(&c.selection);
    assert_string_equal(tm__json_text(json, "mode", ""), "auto");
    assert_non_null(strstr(tm__json_text(json, "outcome", ""), "worse"));
    json_decref(json);
    done(&c);
}

static void the_choice_is_the_same_for_any_number_of_threads(void **state) {
    (void)state;
    char *texts[2] = {NULL};
    for (uint32_t i = 0; i < 2; i++) {
        select_case c;
        init(&c, 4000, i > 1);
        c.ctx.pool = tm__pool_create(1 + 2 * i);
        run(&c);
        json_t *json = tm__selection_to_json(&c.selection);
        texts[i] = json_dumps(json, JSON_SORT_KEYS);
        json_decref(json);
        tm__pool_free(c.ctx.pool);
        done(&c);
    }
    assert_string_equal(texts[0], texts[1]);
    tm__mem_free(texts[0]);
    tm__mem_free(texts[1]);
}

/* When nothing tells anything, the search is as well off with all of it. */
static void of_noise_alone_repeats_alone_are_left_out(void **state) {
    (void)state;
    select_case c;
    init(&c, 4000, true);
    run(&c);
    uint32_t n_in = 0;
    for (uint32_t i = 0; i < c.data.schema.n_cols; i++) {
        n_in += c.data.schema.cols[i].role == TM_ROLE_FEATURE;
    }
    assert_true(n_in >= 1);
    assert_non_null(reason_of(&c, "again"));
    done(&c);
}

static void what_a_person_said_of_columns_stands(void **state) {
    (void)state;
    static const char *const monotone[] = {"x:+1"};
    for (uint32_t i = 0; i < 5; i++) {
        select_case c;
        init(&c, i == 3 ? 1500 : 4000, false);
        c.options.selects = i != 0;
        c.options.monotone = monotone;
        c.options.n_monotone = i == 1;
        c.options.budget_ms = i == 2 ? 2000 : 0;
        c.budget.work_limit = i == 4 ? 1000 : c.budget.work_limit;
        run(&c);
        assert_int_equal(json_array_size(c.selection.dropped), 0);
        assert_true(c.selection.is_off == (i == 0) && strlen(c.selection.outcome) > 10);
        assert_null(reason_of(&c, "again"));
        assert_true(c.budget.work_used == 0);
        done(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_repeats_follows_or_tells_nothing_is_left_out_with_its_reason),
        cmocka_unit_test(the_choice_is_the_same_for_any_number_of_threads),
        cmocka_unit_test(of_noise_alone_repeats_alone_are_left_out),
        cmocka_unit_test(what_a_person_said_of_columns_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
