/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "source/intake_priv.h"
#include "support.h"
#include "test.h"

static const char *const id_key[] = {"id"};

static tm_intake_columns *columns_make(bool is_keyed) {
    char id[] = "id", n[] = "n", f[] = "f", t[] = "t", d[] = "d", b[] = "b";
    tm_schema_column cols[] = {
        {.name = id, .type = TM_TYPE_INT},  {.name = n, .type = TM_TYPE_INT},
        {.name = f, .type = TM_TYPE_FLOAT}, {.name = t, .type = TM_TYPE_TEXT},
        {.name = d, .type = TM_TYPE_DATE},  {.name = b, .type = TM_TYPE_BOOL}};
    const tm_schema schema = {.n_cols = 6, .cols = cols};
    tm_intake_columns *columns = NULL;
    assert_int_equal(tm__intake_columns_create(&schema, id_key, is_keyed ? 1 : 0, &columns, NULL),
                     TM_OK);
    columns->version = 1;
    return columns;
}

typedef struct body_case {
    const char *name;
    tm_push_form form;
    const char *body;
    tm_status status;
    uint64_t n_rows, n_bad;
    tm_row_reason reason; /* of the first bad row */
    uint64_t bad_row;
    const char *bad_column, *bad_bytes;
} body_case;

#define NEVER TM_ROW_REASONS

static const body_case bodies[] = {
    {"an array", TM_PUSH_JSON, "[{\"id\":1},{\"id\":2,\"f\":1.5}]", TM_OK, 2, 0, NEVER, 0, "", ""},
    {"an object with rows", TM_PUSH_JSON, " {\"rows\": [ {\"id\":1} ] } ", TM_OK, 1, 0, NEVER, 0,
     "", ""},
    {"no rows", TM_PUSH_JSON, "[]", TM_OK, 0, 0, NEVER, 0, "", ""},
    {"a mark of UTF-8", TM_PUSH_JSON, "\xEF\xBB\xBF[{\"id\":1}]", TM_OK, 1, 0, NEVER, 0, "", ""},
    {"more than rows", TM_PUSH_JSON, "{\"rows\":[],\"x\":1}", TM_E_DATA, 0, 0, NEVER, 0, "", ""},
    {"other than rows", TM_PUSH_JSON, "{\"row\":[]}", TM_E_DATA, 0, 0, NEVER, 0, "", ""},
    {"a number", TM_PUSH_JSON, "7", TM_E_DATA, 0, 0, NEVER, 0, "", ""},
    {"a document cut short", TM_PUSH_JSON, "[{\"id\":1},{\"id\":", TM_E_DATA, 0, 0, NEVER, 0, "",
     ""},
    {"blanks", TM_PUSH_JSON, " \n ", TM_E_DATA, 0, 0, NEVER, 0, "", ""},
    {"null everywhere", TM_PUSH_JSON, "[{\"id\":1,\"n\":null,\"f\":null,\"t\":null,\"d\":null}]",
     TM_OK, 1, 0, NEVER, 0, "", ""},
    {"a row that is no object", TM_PUSH_JSON, "[{\"id\":1},[2],{\"id\":3}]", TM_OK, 2, 1,
     TM_ROW_MALFORMED, 2, "", "[2]"},
    {"a key without a value", TM_PUSH_JSON, "[{\"n\":1},{\"id\":null},{\"id\":2}]", TM_OK, 1, 2,
     TM_ROW_NULL_KEY, 1, "", "{\"n\":1}"},
    {"a text for a number", TM_PUSH_JSON, "[{\"id\":1,\"f\":\"much\"},{\"id\":2,\"f\":\"7\"}]",
     TM_OK, 1, 1, TM_ROW_WRONG_TYPE, 1, "f", "{\"id\":1,\"f\":\"much\"}"},
    {"a number beyond a double", TM_PUSH_JSON, "[{\"id\":1,\"f\":1e400}]", TM_OK, 0, 1,
     TM_ROW_WRONG_TYPE, 1, "f", "{\"id\":1,\"f\":1e400}"},
    {"a name twice", TM_PUSH_JSON, "[{\"id\":1,\"n\":1,\"n\":2}]", TM_OK, 0, 1, TM_ROW_MALFORMED, 1,
     "n", "{\"id\":1,\"n\":1,\"n\":2}"},
    {"escapes stay in quarantine", TM_PUSH_JSON, "[{\"id\":1,\"d\":\"a\\u0062\"}]", TM_OK, 0, 1,
     TM_ROW_WRONG_TYPE, 1, "d", "{\"id\":1,\"d\":\"a\\u0062\"}"},
    {"lines", TM_PUSH_LINES, "\n{\"id\":1}\r\n\n{\"id\":2}", TM_OK, 2, 0, NEVER, 0, "", ""},
    {"no lines", TM_PUSH_LINES, "\n\n", TM_OK, 0, 0, NEVER, 0, "", ""},
    {"a line that is no JSON", TM_PUSH_LINES, "{\"id\":1}\n{\"id\":\n{\"id\":3}\nNaN\n", TM_OK, 2,
     2, TM_ROW_MALFORMED, 2, "", "{\"id\":"},
    {"a line with a byte that is no UTF-8", TM_PUSH_LINES, "{\"id\":1,\"t\":\"\xE9\"}\n{\"id\":2}",
     TM_OK, 1, 1, TM_ROW_MALFORMED, 1, "", "{\"id\":1,\"t\":\"\xE9\"}"},
    {"CSV", TM_PUSH_CSV, "id,f,t\n1,2.5,a\r\n2,,\"b \"\"c\"\",\n\"\n", TM_OK, 2, 0, NEVER, 0, "",
     ""},
    {"CSV with a mark of UTF-8", TM_PUSH_CSV, "\xEF\xBB\xBFid\n1", TM_OK, 1, 0, NEVER, 0, "", ""},
    {"a header only", TM_PUSH_CSV, "id,f\n", TM_OK, 0, 0, NEVER, 0, "", ""},
    {"a ragged record", TM_PUSH_CSV, "id,f\n1\n2,3\n4,5,6\n", TM_OK, 1, 2, TM_ROW_MALFORMED, 1, "",
     "1"},
    {"a quote never closed", TM_PUSH_CSV, "id,t\n1,a\n2,\"b\n3,c\n", TM_OK, 1, 1, TM_ROW_MALFORMED,
     2, "", "2,\"b\n3,c\n"},
    {"text behind a quote", TM_PUSH_CSV, "id,t\n1,\"a\"b\n2,c\n", TM_OK, 0, 1, TM_ROW_MALFORMED, 1,
     "", "1,\"a\"b\n2,c\n"},
    {"Latin-1", TM_PUSH_CSV, "id,t\n1,caf\xE9\n2,ok\n", TM_OK, 1, 1, TM_ROW_MALFORMED, 1, "t",
     "1,caf\xE9"},
    {"words that are missing", TM_PUSH_CSV, "id,n,t\n1,NA,null\n2,?,N/A\n", TM_OK, 2, 0, NEVER, 0,
     "", ""},
    {"a word for a number", TM_PUSH_CSV, "id,f\n1,much\n2,3\n", TM_OK, 1, 1, TM_ROW_WRONG_TYPE, 1,
     "f", "1,much"},
    {"a name twice in CSV", TM_PUSH_CSV, "id,n,n\n1,2,3\n", TM_E_DATA, 0, 0, NEVER, 0, "", ""},
    {"semicolons in CSV", TM_PUSH_CSV, "id;n;t\n1;2;a\n", TM_E_DATA, 0, 0, NEVER, 0, "", ""},
    {"tabs in CSV", TM_PUSH_CSV, "id\tn\n1\t2\n", TM_E_DATA, 0, 0, NEVER, 0, "", ""},
    {"an empty name in CSV", TM_PUSH_CSV, "id,,n\n1,2,3\n", TM_E_DATA, 0, 0, NEVER, 0, "", ""},
};

static tm_status read_body(const char *body, size_t len, tm_push_form form,
                           tm_intake_columns *columns, tm_rows *rows, tm_err *err) {
    char *data = tm__mem_alloc(len + 1, 1); /* so that a sanitizer sees its end */
    if (data == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    memcpy(data, body, len);
    data[len] = '\0';
    const tm_push push = {.form = form, .data = data, .len = len};
    const tm_status st = tm__rows_read(&push, columns, rows, err);
    assert_memory_equal(data, body, len); /* bodies are only read */
    tm__mem_free(data);
    return st;
}

static void bad_rows_are_kept_and_good_ones_taken(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        const body_case *c = &bodies[i];
        tm_rows rows = {0};
        tm_err err = {0};
        tm_intake_columns *columns = columns_make(true);
        const tm_status st = read_body(c->body, strlen(c->body), c->form, columns, &rows, &err);
        if (st != c->status || rows.n_rows != c->n_rows || rows.n_bad != c->n_bad) {
            fail_msg("%s: %s, %llu rows, %llu bad: %s", c->name, tm_status_text(st),
                     (unsigned long long)rows.n_rows, (unsigned long long)rows.n_bad, err.message);
        }
        if (c->n_bad > 0) {
            const tm_bad_row *bad = &rows.bad[0];
            if (bad->row != c->bad_row || bad->reason != c->reason ||
                strcmp(bad->column, c->bad_column) != 0 || bad->len != strlen(c->bad_bytes) ||
                memcmp(rows.bad_bytes.data + bad->start, c->bad_bytes, bad->len) != 0) {
                fail_msg("%s: row %llu, %s, '%s', %.*s", c->name, (unsigned long long)bad->row,
                         tm__row_reason_names[bad->reason], bad->column, (int)bad->len,
                         (const char *)rows.bad_bytes.data + bad->start);
            }
        }
        tm__rows_done(&rows);
        tm__intake_columns_unref(columns);
    }
}

/* The key columns' bytes of a body of one row. */
static tm_row_key key_of(const char *body, tm_push_form form) {
    tm_rows rows = {0};
    tm_intake_columns *columns = columns_make(true);
    assert_int_equal(read_body(body, strlen(body), form, columns, &rows, NULL), TM_OK);
    assert_int_equal(rows.n_rows, 1);
    const tm_row_key key = rows.keys[0];
    tm__rows_done(&rows);
    tm__intake_columns_unref(columns);
    return key;
}

static void a_key_is_its_value_however_it_came(void **state) {
    (void)state;
    const tm_row_key one = key_of("[{\"id\":1}]", TM_PUSH_JSON);
    const tm_row_key others[] = {
        key_of("[{\"n\":5,\"id\":1.0}]", TM_PUSH_JSON), key_of("[{\"id\":\"1\"}]", TM_PUSH_JSON),
        key_of("id\n1\n", TM_PUSH_CSV), key_of("{\"id\":1,\"strange\":2.5}", TM_PUSH_LINES)};
    for (size_t i = 0; i < 4; i++) {
        assert_memory_equal(&one, &others[i], sizeof(one));
    }
    /* A fraction that comes later makes the column one of numbers; 1 stays the key that it was. */
    tm_rows rows = {0};
    tm_intake_columns *columns = columns_make(true);
    static const char body[] = "[{\"id\":1},{\"id\":1.5}]";
    assert_int_equal(read_body(body, sizeof(body) - 1, TM_PUSH_JSON, columns, &rows, NULL), TM_OK);
    assert_int_equal(rows.columns->schema.cols[0].type, TM_TYPE_FLOAT);
    assert_memory_equal(&rows.keys[0], &one, sizeof(one));
    assert_memory_not_equal(&rows.keys[1], &one, sizeof(one));
    tm__rows_done(&rows);
    tm__intake_columns_unref(columns);
}

static void the_first_push_makes_the_columns(void **state) {
    (void)state;
    static const char body[] = "{\"id\":1,\"a\":1,\"s\":\"x\",\"none\":null}\n"
                               "{\"a\":2.5,\"id\":2,\"o\":{\"k\":[1]}}\n";
    const tm_schema none = {0};
    tm_intake_columns *columns = NULL;
    tm_rows rows = {0};
    assert_int_equal(tm__intake_columns_create(&none, id_key, 1, &columns, NULL), TM_OK);
    assert_int_equal(read_body(body, sizeof(body) - 1, TM_PUSH_LINES, columns, &rows, NULL), TM_OK);
    const tm_schema *schema = &rows.columns->schema;
    const tm_type types[] = {TM_TYPE_INT, TM_TYPE_FLOAT, TM_TYPE_TEXT, TM_TYPE_NONE, TM_TYPE_TEXT};
    assert_int_equal(rows.n_rows, 2);
    assert_int_equal(rows.n_incomplete, 2);
    assert_int_equal(schema->n_cols, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(schema->cols[i].type, types[i]);
    }
    assert_string_equal(schema->cols[4].name, "o");
    tm__rows_done(&rows);
    tm__intake_columns_unref(columns);
}

/* As a file is written: with its own delimiter, names that stand in its first line or nowhere. */
static void csv_of_a_file_is_read_as_it_is_written(void **state) {
    (void)state;
    static const char *const names[] = {"id", "f", "d"};
    char data[] = "id;f;d\n1; \"2.5\" ;31/12/2020\n2;x;01/02/2021\n3;\"1\"z;\n4;1\n5;5;2021-03-04\n"
                  "6;6;13/13/2020\n7;\"never closed\n8;8;\n";
    const tm_push_csv csv = {.delimiter = ';',
                             .quote = '"',
                             .skips_blanks = true,
                             .skips_first = true,
                             .n_names = 3,
                             .names = names,
                             .orders = "\0\0d"};
    const tm_push push = {
        .form = TM_PUSH_CSV, .data = data, .len = sizeof(data) - 1, .first_line = 11, .csv = &csv};
    static const uint64_t lines[] = {13, 14, 15, 17, 18};
    tm_rows rows = {0};
    tm_intake_columns *columns = columns_make(true);
    assert_int_equal(tm__rows_read(&push, columns, &rows, NULL), TM_OK);
    assert_int_equal(rows.n_rows, 3);
    assert_int_equal(rows.n_bad, 5);
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(rows.bad[i].row, lines[i]);
    }
    tm_table *table = NULL;
    tm__batch_seal(&rows.batch, (uint32_t)rows.n_rows);
    assert_int_equal(tm__rows_table(&rows, &table, NULL), TM_OK);
    const tm_column *days = tm__table_column(table, 4);
    assert_int_equal(days->ints[0], tm__us_from_civil(2020, 12, 31));
    assert_int_equal(days->ints[1], tm__us_from_civil(2021, 3, 4));
    assert_int_equal(days->ints[2], TM_INT_MISSING);
    tm__table_unref(table);
    tm__rows_done(&rows);
    tm__intake_columns_unref(columns);
}

/* The hour of a value is not lost in a column of days. */
static void an_hour_makes_a_column_of_times(void **state) {
    (void)state;
    static const char *const bodies_of_times[] = {"[{\"id\":1,\"d\":\"2020-01-02T05:00:00\"}]",
                                                  "id,d\n1,2020-01-02T05:00:00\n"};
    for (size_t i = 0; i < 2; i++) {
        tm_rows rows = {0};
        tm_table *table = NULL;
        tm_intake_columns *columns = columns_make(true);
        assert_int_equal(read_body(bodies_of_times[i], strlen(bodies_of_times[i]),
                                   i == 0 ? TM_PUSH_JSON : TM_PUSH_CSV, columns, &rows, NULL),
                         TM_OK);
        assert_int_equal(rows.columns->schema.cols[4].type, TM_TYPE_TIME);
        tm__batch_seal(&rows.batch, (uint32_t)rows.n_rows);
        assert_int_equal(tm__rows_table(&rows, &table, NULL), TM_OK);
        assert_int_equal(tm__table_column(table, 4)->ints[0],
                         tm__us_from_civil(2020, 1, 2) + INT64_C(5) * 3600 * 1000000);
        tm__table_unref(table);
        tm__rows_done(&rows);
        tm__intake_columns_unref(columns);
    }
}

static void too_many_rows_are_refused(void **state) {
    (void)state;
    char data[] = "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n";
    tm_rows rows = {0};
    tm_intake_columns *columns = columns_make(false);
    tm_push push = {.form = TM_PUSH_LINES, .data = data, .len = sizeof(data) - 1, .n_rows_max = 2};
    assert_int_equal(tm__rows_read(&push, columns, &rows, NULL), TM_E_LIMIT);
    push.n_rows_max = 3;
    assert_int_equal(tm__rows_read(&push, columns, &rows, NULL), TM_OK);
    tm__rows_done(&rows);
    tm__intake_columns_unref(columns);
}

static bool read_all_forms(void *arg) {
    (void)arg;
    static const char *const texts[] = {
        "[{\"id\":1,\"new\":\"x\"},{\"id\":2,\"n\":0.5},7]",
        "{\"id\":1,\"new\":\"x\"}\n{\"id\":2,\"n\":0.5}\n7\n",
        "id,n,new\n1,0.5,x\n2,3,\"y\"\n3\n",
    };
    tm__json_reset();
    bool ok = true;
    for (int form = 0; form < 3 && ok; form++) {
        tm_rows rows = {0};
        char id[] = "id", n[] = "n";
        tm_schema_column cols[] = {{.name = id, .type = TM_TYPE_INT},
                                   {.name = n, .type = TM_TYPE_INT}};
        const tm_schema schema = {.n_cols = 2, .cols = cols};
        tm_intake_columns *columns = NULL;
        ok = tm__intake_columns_create(&schema, id_key, 1, &columns, NULL) == TM_OK &&
             read_body(texts[form], strlen(texts[form]), (tm_push_form)form, columns, &rows,
                       NULL) == TM_OK;
        if (ok) {
            assert_int_equal(rows.n_rows, 2);
            assert_int_equal(rows.n_bad, 1);
        }
        tm__rows_done(&rows);
        tm__intake_columns_unref(columns);
    }
    return ok;
}

static void memory_that_runs_out_leaves_nothing(void **state) {
    (void)state;
    tm__json_init();
    test_each_mem_fault(read_all_forms, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_rows_are_kept_and_good_ones_taken),
        cmocka_unit_test(a_key_is_its_value_however_it_came),
        cmocka_unit_test(the_first_push_makes_the_columns),
        cmocka_unit_test(csv_of_a_file_is_read_as_it_is_written),
        cmocka_unit_test(an_hour_makes_a_column_of_times),
        cmocka_unit_test(too_many_rows_are_refused),
        cmocka_unit_test(memory_that_runs_out_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
