/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "serve/decode.h"
#include "test.h"

static tm_schema_column columns[] = {
    {.name = (char[]){"salary"}, .type = TM_TYPE_INT},
    {.name = (char[]){"region"}, .type = TM_TYPE_TEXT, .is_nullable = true},
};
static const tm_schema schema = {.n_cols = 2, .cols = columns};

typedef struct fixture {
    tm_renames *renames;
    tm_plan *plan;
    tm_arena *arena;
    tm_exchange x;
    tm_buf body;
    tm_rows_place place;
    tm_decoder *decoder;
} fixture;

static void open_rows(fixture *f, const tm_rows_place *place, const char *text) {
    json_t *const rules =
        json_loads("{\"income\": {\"was\": [\"salary\", \"pay\"], \"scale\": 0.5},"
                   " \"area\": {\"was\": [\"region\"]}}",
                   0, NULL);
    memset(f, 0, sizeof *f);
    assert_int_equal(tm__renames_create(rules, &schema, &f->renames, NULL), TM_OK);
    json_decref(rules);
    const tm_plan_parts parts = {.inputs = &schema, .renames = f->renames};
    assert_int_equal(tm__plan_make(&parts, &f->plan, NULL), TM_OK);
    f->arena = tm__arena_create(1u << 24);
    tm__buf_init(&f->body, 1u << 22);
    tm__buf_append(&f->body, text, strlen(text) + 1);
    f->place = *place;
    f->place.path = "rows";
    f->place.rows = (char *)f->body.data;
    f->decoder = tm__decoder_create(f->plan, &f->place, &f->x, f->arena);
    assert_non_null(f->decoder);
}

static void done(fixture *f) {
    tm__plan_free(f->plan);
    tm__renames_free(f->renames);
    tm__arena_free(f->arena);
    tm__buf_done(&f->body);
    tm__mem_free(f->x.errors);
}

/* Rows of salaries 8, 8 and missing, all of the north. */
static void check_rows(fixture *f) {
    for (uint32_t row = 0; row < 3; row++) {
        assert_true(tm__decoder_next(f->decoder));
        const tm_cell *const c = tm__decoder_cells(f->decoder);
        assert_int_equal(c[0].type, row < 2 ? TM_TYPE_INT : TM_TYPE_NONE);
        assert_true(row == 2 || c[0].i64 == 8);
        assert_true(tm__str_is(c[1].text, "north"));
    }
    assert_false(tm__decoder_next(f->decoder));
    assert_int_equal(f->x.n_errors, 0);
    done(f);
}

static void names_of_before_and_after_are_read_in_every_form(void **state) {
    (void)state;
    fixture f;
    const tm_rows_place records = {.kind = TM_ROWS_RECORDS}, lines = {.kind = TM_ROWS_LINES},
                        csv = {.kind = TM_ROWS_CSV}, across = {.kind = TM_ROWS_COLUMNS};
    open_rows(&f, &records,
              "[{\"salary\":8,\"area\":\"north\"},{\"income\":4,\"region\":\"north\"},"
              "{\"pay\":null,\"area\":\"no\\u0072th\"}]");
    check_rows(&f);
    open_rows(
        &f, &lines,
        "{\"income\":\"4\",\"salary\":null,\"area\":\"north\"}\n"
        "{\"pay\":8,\"region\":null,\"area\":\"north\"}\n{\"area\":\"north\",\"income\":null}\n");
    check_rows(&f);
    open_rows(&f, &csv, "area,income,salary\nnorth,4,\nnorth,,8\nnorth,,\n");
    check_rows(&f);
    open_rows(&f, &across,
              "{\"income\":[4,null,null],\"salary\":[null,8,null],"
              "\"area\":[\"north\",\"north\",\"north\"]}");
    check_rows(&f);
    open_rows(&f, &records, "[]");
    char quick[] = "{\"rows\": [{\"income\": 4, \"area\": \"north\"}]}";
    assert_false(tm__decoder_read_quick(f.decoder, quick, strlen(quick))); /* the general way */
    done(&f);
}

static void two_values_of_one_column_are_an_error_of_their_row(void **state) {
    (void)state;
    static const struct {
        const char *rows, *detail;
    } cases[] = {
        {"[{\"salary\":8},{\"salary\":8,\"income\":4}]", "rows[1] has both 'income' and 'salary'"},
        {"[{\"salary\":1},{\"pay\":8,\"income\":4}]", "rows[1] has both 'pay' and 'salary'"},
        {"[{\"income\":4,\"income\":4}]", "rows[0] has the column 'income' twice"},
        {"[{\"income\":\"much\"}]", "rows[0]: column 'income' wants"},
        {"[{\"income\":[1]}]", "rows[0].salary must be one value"},
        {"[{\"area\":\"x\"}]", "rows[0] lacks the column 'salary'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture f;
        const tm_rows_place records = {.kind = TM_ROWS_RECORDS};
        open_rows(&f, &records, cases[i].rows);
        while (tm__decoder_next(f.decoder)) {
        }
        assert_int_equal(f.x.n_errors, 1);
        if (strstr(f.x.errors[0].detail, cases[i].detail) == NULL) {
            fail_msg("%s: %s", cases[i].rows, f.x.errors[0].detail);
        }
        done(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_before_and_after_are_read_in_every_form),
        cmocka_unit_test(two_values_of_one_column_are_an_error_of_their_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
