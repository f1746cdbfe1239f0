/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "source/intake_priv.h"
#include "test.h"

/* A source with a column x of whole numbers, which has rows. */
static tm_intake_columns *columns_with(const char *policy) {
    char name[] = "x";
    tm_schema_column column = {.name = name, .type = TM_TYPE_INT};
    const tm_schema schema = {.n_cols = 1, .cols = &column};
    tm_intake_columns *columns = NULL;
    json_t *spec = NULL;
    assert_int_equal(tm__json_parse(policy, strlen(policy), 8, &spec, NULL), TM_OK);
    assert_int_equal(tm__intake_columns_create(&schema, NULL, 0, &columns, NULL), TM_OK);
    assert_int_equal(tm__watch_create(spec, NULL, &columns->watch, NULL), TM_OK);
    columns->version = 1;
    json_decref(spec);
    return columns;
}

static void rows_do_what_the_policies_say(void **state) {
    (void)state;
    static const struct {
        const char *policy;
        uint64_t n_rows, n_bad;
        uint32_t n_cols;
        tm_type type;
        bool is_stopped;
    } cases[] = {
        {"{}", 4, 0, 2, TM_TYPE_FLOAT, false},
        {"{\"policy\": {\"new_column\": \"accept\"}}", 4, 0, 1, TM_TYPE_FLOAT, false},
        {"{\"policy\": {\"new_column\": \"quarantine\"}}", 3, 1, 1, TM_TYPE_FLOAT, false},
        {"{\"policy\": {\"wider_type\": \"quarantine\"}}", 3, 1, 2, TM_TYPE_INT, false},
        {"{\"policy\": {\"wider_type\": \"quarantine\", \"new_column\": \"quarantine\"}}", 2, 2, 1,
         TM_TYPE_INT, false},
        {"{\"policy\": {\"new_column\": \"stop\"}}", 0, 0, 1, TM_TYPE_INT, true},
        {"{\"policy\": {\"wider_type\": \"stop\"}}", 0, 0, 1, TM_TYPE_INT, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char body[] = "{\"x\":1}\n{\"x\":2,\"y\":3}\n{\"x\":2.5}\n{\"x\":null}\n";
        const tm_push push = {.form = TM_PUSH_LINES, .data = body, .len = strlen(body)};
        tm_intake_columns *columns = columns_with(cases[i].policy);
        tm_rows rows = {0};
        assert_int_equal(tm__rows_read(&push, columns, &rows, NULL), TM_OK);
        assert_int_equal(rows.n_rows, cases[i].n_rows);
        assert_int_equal(rows.n_bad, cases[i].n_bad);
        assert_int_equal(rows.columns->schema.n_cols, cases[i].n_cols);
        assert_int_equal(rows.columns->schema.cols[0].type, cases[i].type);
        assert_int_equal(rows.is_stopped, cases[i].is_stopped);
        tm__rows_done(&rows);
        tm__intake_columns_unref(columns);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_do_what_the_policies_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
