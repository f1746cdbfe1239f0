/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "support.h"
#include "test.h"
#include "train/train_priv.h"

enum { COLS = 6 };

/* Five number columns and a target that follows from them. */
typedef struct sum_case {
    const char *name;
    const char *want; /* "+a -b"; NULL: none */
    void (*make)(double row[COLS], uint32_t n, tm_rng *rng);
    tm_type type;
    uint32_t n_rows;
    double missing; /* share of b */
} sum_case;

static double whole(tm_rng *rng, double most) {
    return floor(tm__rng_f64(rng) * most);
}

static void parts(double row[COLS], uint32_t n, tm_rng *rng) {
    (void)n;
    row[0] = whole(rng, 400);
    row[1] = whole(rng, 30);
    row[2] = whole(rng, 1e9);
    row[3] = 7; /* constant */
    row[4] = row[0] * 2 + 1;
    row[5] = row[0] + row[1];
}

static void difference(double row[COLS], uint32_t n, tm_rng *rng) {
    parts(row, n, rng);
    row[5] = row[2] - row[1];
}

static void three(double row[COLS], uint32_t n, tm_rng *rng) {
    parts(row, n, rng);
    row[5] = row[2] - row[1] + row[3];
}

static void twice(double row[COLS], uint32_t n, tm_rng *rng) {
    parts(row, n, rng);
    row[5] = 2 * row[0] + row[1];
}

static void but_one_row(double row[COLS], uint32_t n, tm_rng *rng) {
    parts(row, n, rng);
    row[5] += n == 77;
}

static void but_noise(double row[COLS], uint32_t n, tm_rng *rng) {
    parts(row, n, rng);
    row[5] += 1e-3 * tm__rng_f64(rng);
}

static void prices(double row[COLS], uint32_t n, tm_rng *rng) {
    parts(row, n, rng);
    row[0] = whole(rng, 10000) / 100;
    row[1] = whole(rng, 10000) / 100;
    row[4] = tm__rng_f64(rng);
    row[5] = row[0] + row[1] - 0.0;
}

static void seldom(double row[COLS], uint32_t n, tm_rng *rng) {
    parts(row, n, rng);
    row[1] = n == 5 ? 3 : 0; /* one row does not make it a part */
    row[4] = 0;
    row[5] = row[0] + row[1];
}

static const sum_case cases[] = {
    {"whole numbers", "+a +b", parts, TM_TYPE_INT, 400, 0},
    {"numbers", "+a +b", parts, TM_TYPE_FLOAT, 400, 0},
    {"a difference", "+c -b", difference, TM_TYPE_INT, 400, 0},
    {"three", "+c +d -b", three, TM_TYPE_INT, 400, 0},
    {"a multiple", NULL, twice, TM_TYPE_INT, 400, 0},
    {"all rows but one", NULL, but_one_row, TM_TYPE_INT, 400, 0},
    {"nearly", NULL, but_noise, TM_TYPE_FLOAT, 400, 0},
    {"prices", "+a +b", prices, TM_TYPE_FLOAT, 400, 0},
    {"too few rows", NULL, parts, TM_TYPE_INT, 40, 0},
    {"a part of one row", NULL, seldom, TM_TYPE_INT, 400, 0},
    {"some values missing", "+a +b", parts, TM_TYPE_INT, 1000, 0.03},
    {"many values missing", NULL, parts, TM_TYPE_INT, 1000, 0.3},
};

static tm_table *make_table(const sum_case *c) {
    static const char *const names[] = {"a", "b", "c", "d", "e", "y"};
    tm_table_builder *const b = tm__builder_create();
    tm_rng rng = tm__rng_split(4, "sum", 0);
    tm_table *table = NULL;
    for (int i = 0; i < COLS; i++) {
        assert_int_equal(tm__builder_add_column(b, names[i], c->type, NULL), TM_OK);
    }
    for (uint32_t n = 0; n < c->n_rows; n++) {
        double row[COLS];
        tm_cell cells[COLS];
        c->make(row, n, &rng);
        for (int i = 0; i < COLS; i++) {
            cells[i] = (tm_cell){.type = c->type, .f64 = row[i]};
            if (c->type == TM_TYPE_INT) {
                cells[i] = (tm_cell){.type = TM_TYPE_INT, .i64 = (int64_t)row[i]};
            }
        }
        if (tm__rng_f64(&rng) < c->missing) {
            cells[1] = (tm_cell){.type = TM_TYPE_NONE};
        }
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static void parts_of_a(const json_t *found, char *out, size_t size) {
    const json_t *part = NULL;
    size_t i = 0;
    out[0] = '\0';
    json_array_foreach(json_object_get(json_object_get(found, "evidence"), "parts"), i, part) {
        const size_t used = strlen(out);
        (void)snprintf(out + used, size - used, "%s%c%s", i > 0 ? " " : "",
                       tm__json_i64(part, "sign", 0) > 0 ? '+' : '-',
                       tm__json_text(part, "column", ""));
    }
}

static void a_sum_is_found_where_it_holds_in_every_row(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_table *table = make_table(&cases[i]);
        json_t *list = json_array();
        char text[64];
        assert_int_equal(tm__train_find_sum(table, COLS - 1, NULL, list, NULL), TM_OK);
        parts_of_a(json_array_get(list, 0), text, sizeof(text));
        if (strcmp(text, cases[i].want != NULL ? cases[i].want : "") != 0) {
            fail_msg("%s: found '%s'", cases[i].name, text);
        }
        json_decref(list);
        tm__table_unref(table);
    }
}

static void it_names_the_parts_and_is_an_error(void **state) {
    (void)state;
    tm_table *table = make_table(&cases[2]);
    json_t *list = json_array();
    assert_int_equal(tm__train_find_sum(table, COLS - 1, NULL, list, NULL), TM_OK);
    const json_t *found = json_array_get(list, 0);
    assert_string_equal(tm__json_text(found, "text", ""), "is 'c' - 'b' in all 400 rows");
    assert_string_equal(tm__json_text(found, "severity", ""), "error");
    assert_string_equal(tm__json_text(found, "column", ""), "y");
    json_decref(list);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sum_is_found_where_it_holds_in_every_row),
        cmocka_unit_test(it_names_the_parts_and_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
