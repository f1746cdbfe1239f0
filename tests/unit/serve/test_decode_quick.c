/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "serve/decode.h"
#include "test.h"

static tm_schema_column columns[] = {
    {.name = (char[]){"distance"}, .type = TM_TYPE_INT},
    {.name = (char[]){"origin"}, .type = TM_TYPE_TEXT},
    {.name = (char[]){"speed"}, .type = TM_TYPE_FLOAT, .is_nullable = true},
    {.name = (char[]){"date"}, .type = TM_TYPE_DATE, .is_nullable = true},
    {.name = (char[]){"late"}, .type = TM_TYPE_BOOL, .is_nullable = true},
    {.name = (char[]){"a\"b"}, .type = TM_TYPE_FLOAT, .is_nullable = true},
};
static const tm_schema schema = {.n_cols = 6, .cols = columns};
static const char *const others[] = {"delay"};

typedef struct reading {
    tm_exchange x;
    tm_buf body, row;
    bool is_quick;
    tm_decode_counts counts;
} reading;

/* Read a document both ways, as requests do: quick, else in general. */
static void read_both(const tm_plan *plan, const char *text, reading *quick, reading *general) {
    tm_arena *arena = tm__arena_create(1u << 24);
    reading *const both[] = {quick, general};
    for (int i = 0; i < 2; i++) {
        reading *r = both[i];
        memset(r, 0, sizeof *r);
        tm__buf_init(&r->body, 1u << 20);
        tm__buf_init(&r->row, 1u << 20);
        assert_true(tm__buf_text(&r->body, text));
        tm_rows_place place = {.kind = TM_ROWS_RECORDS, .path = "rows"};
        tm_decoder *d = tm__decoder_create(plan, &place, &r->x, arena);
        assert_non_null(d);
        r->is_quick = i == 0 && tm__decoder_read_quick(d, (char *)r->body.data, r->body.len);
        assert_string_equal((const char *)r->body.data, text);
        tm_scan_error e;
        char *rows = strchr((char *)r->body.data, '[');
        if (!r->is_quick && rows != NULL &&
            tm__scan_check((const char *)r->body.data, r->body.len, &e)) {
            place.rows = rows;
            d = tm__decoder_create(plan, &place, &r->x, arena);
        }
        while (tm__decoder_next(d)) {
            assert_true(tm__row_write_json(tm__plan_names(plan), tm__decoder_cells(d),
                                           tm__plan_cells(plan), &r->row));
        }
        r->counts = tm__decoder_counts(d);
    }
    tm__arena_free(arena);
}

static void end_both(reading *a, reading *b) {
    reading *const both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        tm__mem_free(both[i]->x.errors);
        tm__buf_done(&both[i]->body);
        tm__buf_done(&both[i]->row);
    }
}

static tm_plan *make_plan(void) {
    const tm_plan_parts parts = {
        .inputs = &schema, .others = others, .n_others = 1, .entity = "tail"};
    tm_plan *plan = NULL;
    assert_int_equal(tm__plan_make(&parts, &plan, NULL), TM_OK);
    return plan;
}

static const char *const plain[] = {
    "{\"rows\":[{\"distance\":733,\"origin\":\"ORD\"}]}",
    " { \"rows\" : [ { \"distance\" : 0 , \"origin\" : \"\" } ] } \n",
    "{\"rows\":[{\"origin\":\"O\",\"speed\":-1.50,\"distance\":-7,\"late\":false}]}",
    "{\"rows\":[{\"distance\":1,\"origin\":\"x\",\"speed\":12,\"date\":\"2001-02-03\"}]}",
    "{\"rows\":[{\"distance\":1,\"origin\":\"x\",\"speed\":null,\"date\":null,\"tail\":17}]}",
    "{\"rows\":[{\"distance\":999999999999999,\"origin\":\"x\",\"speed\":0.00000000000001}]}",
    "{\"rows\":[{\"distance\":-0,\"origin\":\"x\",\"speed\":-0.0}]}",
};

static const char *const not_plain[] = {
    "{\"rows\":[{\"distance\":7.5,\"origin\":\"x\"}]}",             /* does not fit */
    "{\"rows\":[{\"distance\":\"7\",\"origin\":\"x\"}]}",           /* has to be changed */
    "{\"rows\":[{\"distance\":7,\"origin\":5}]}",                   /* the same */
    "{\"rows\":[{\"distance\":7,\"origin\":\"\\u0041\"}]}",         /* an escape */
    "{\"rows\":[{\"distance\":7,\"origin\":\"\xC3\xA9\"}]}",        /* beyond ASCII */
    "{\"rows\":[{\"distance\":7e0,\"origin\":\"x\"}]}",             /* an exponent */
    "{\"rows\":[{\"distance\":1234567890123456,\"origin\":\"\"}]}", /* long */
    "{\"rows\":[{\"distance\":7,\"origin\":\"x\",\"delay\":1}]}",   /* not used */
    "{\"rows\":[{\"distance\":7,\"origin\":\"x\",\"typo\":1}]}",    /* unknown */
    "{\"rows\":[{\"distance\":7,\"distance\":7,\"origin\":\"x\"}]}",
    "{\"rows\":[{\"origin\":\"x\"}]}", /* lacks a column */
    "{\"rows\":[{\"distance\":7,\"origin\":\"x\",\"a\\\"b\":1}]}",
    "{\"rows\":[{\"distance\":7,\"origin\":\"x\",\"date\":\"soon\"}]}",
    "{\"rows\":[{\"distance\":7,\"origin\":\"x\",\"date\":\"NA\"}]}",
    "{\"rows\":[{\"distance\":7,\"origin\":\"x\"},{\"distance\":8,\"origin\":\"y\"}]}",
    "{\"rows\":[{\"distance\":7,\"origin\":\"x\"}],\"explain\":true}",
    "{\"rows\":[{\"distance\":[7],\"origin\":\"x\"}]}",
    "{\"rows\":[{}]}",
    "{\"rows\":[]}",
    "{\"rows\":[{\"distance\":07,\"origin\":\"x\"}]}", /* no JSON, from here on */
    "{\"rows\":[{\"distance\":7.,\"origin\":\"x\"}]}",
    "{\"rows\":[{\"distance\":.7,\"origin\":\"x\"}]}",
    "{\"rows\":[{\"distance\":-,\"origin\":\"x\"}]}",
    "{\"rows\":[{\"distance\":7,\"origin\":\"x\"}]}}",
    "{\"rows\":[{\"distance\":7,\"origin\":\"x\"}]",
    "{\"rows\":[{\"distance\":7,\"origin\":\"x\"",
    "{\"rows\":[{\"distance\":7,\"origin\":\"x",
    "{\"rows\":[{\"distance\":7 \"origin\":\"x\"}]}",
    "{\"rows\":[{\"distance\":7,\"origin\":\"x\",}]}",
    "{\"rows\":[{\"distance\":7,\"origin\":\"x\ty\"}]}",
    "{\"rows\":[{\"distance\":7,\"origin\":\"x\",\"late\":trux}]}",
};

static void plain_rows_are_read_at_once_with_the_same_values(void **state) {
    (void)state;
    tm_plan *plan = make_plan();
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        reading quick, general;
        read_both(plan, plain[i], &quick, &general);
        assert_true(quick.is_quick);
        assert_int_equal(quick.x.n_errors, 0);
        assert_int_equal(general.x.n_errors, 0);
        assert_string_equal((const char *)quick.row.data, (const char *)general.row.data);
        assert_memory_equal(&quick.counts, &general.counts, sizeof quick.counts);
        end_both(&quick, &general);
    }
    tm__plan_free(plan);
}

static void everything_else_is_left_to_the_general_way(void **state) {
    (void)state;
    tm_plan *plan = make_plan();
    for (size_t i = 0; i < sizeof not_plain / sizeof not_plain[0]; i++) {
        reading quick, general;
        read_both(plan, not_plain[i], &quick, &general);
        assert_false(quick.is_quick);
        assert_int_equal(quick.x.n_errors, general.x.n_errors);
        assert_int_equal(quick.row.len, general.row.len);
        assert_memory_equal(&quick.counts, &general.counts, sizeof quick.counts);
        end_both(&quick, &general);
    }
    tm__plan_free(plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_rows_are_read_at_once_with_the_same_values),
        cmocka_unit_test(everything_else_is_left_to_the_general_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
