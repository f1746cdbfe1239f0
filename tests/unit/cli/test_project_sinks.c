/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "cli/project.h"
#include "project_case.h"

static tm_status parse(const char *text, tm_project *out, tm_err *err) {
    return tm__project_parse(tm__str(text), "tidemill.yaml", "/p", out, err);
}

static void every_key_lands_in_the_spec(void **state) {
    (void)state;
    tm_project project;
    tm_err err = {0};
    const char *want = "{\"model\":\"late\",\"read\":{\"postgres\":{\"query\":\"SELECT 1\","
                       "\"dsn_file\":\"/p/a.dsn\"}},\"write\":{\"postgres\":{\"dsn_file\":"
                       "\"/x/b.dsn\",\"table\":\"t\"}},\"key\":[\"a\",\"b\"],\"every_s\":86400,"
                       "\"batch_rows\":50}";
    if (parse("sinks:\n"
              "  scored: {model: late, read: {postgres: {query: SELECT 1, dsn_file: a.dsn}},\n"
              "           write: {postgres: {dsn_file: /x/b.dsn, table: t}}, key: [a, b],\n"
              "           every: 1d, batch_rows: 50}\n"
              "  files: {model: late@champion, read: flights, write: {csv: out}, key: 'a, b'}\n",
              &project, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm_buf text;
    tm__buf_init(&text, 4096);
    assert_int_equal(project.n_sinks, 2);
    assert_true(tm__json_write(&text, project.sinks[0].spec, 0));
    assert_string_equal((const char *)text.data, want);
    assert_string_equal(tm__json_text(json_object_get(project.sinks[1].spec, "write"), "csv", ""),
                        "/p/out");
    assert_int_equal(json_array_size(json_object_get(project.sinks[1].spec, "key")), 2);
    tm__buf_done(&text);
    tm__project_done(&project);
}

static void a_fault_has_its_line_and_column(void **state) {
    (void)state;
    static const project_case_fault faults[] = {
        {"sinks:\n  a: {model: m, raed: r, write: {csv: d}}\n", "unknown key 'raed'", "read", 2,
         17},
        {"sinks:\n  a:\n    model: m\n    read: r\n", "writes a table", "postgres", 2, 3},
        {"sinks:\n  a:\n    read: r\n    write: {csv: d}\n", "no model", "Name the model", 2, 3},
        {"sinks:\n  a: {model: m, read: r, write: {csw: d}}\n", "unknown key 'csw'", "csv", 2, 34},
        {"sinks:\n  a: {model: m, read: r, write: {csv: d}, every: soon}\n", "'every' wants a time",
         "", 2, 50},
        {"sinks:\n  a: {model: m, read: r, write: {csv: d}, batch_rows: many}\n",
         "'batch_rows' wants a whole number", "", 2, 55},
        {"sinks:\n  a: {model: m, read: r, write: {postgres: {dsn: f, table: t}}}\n",
         "unknown key 'dsn'", "docs", 2, 45},
        {"sinks:\n  a: {model: m, read: {mysql: {}}, write: {csv: d}}\n", "unknown key 'mysql'",
         "docs", 2, 24},
        {"sinks:\n  a: {model: m, read: r, read: r, write: {csv: d}}\n", "stands twice", "", 2, 26},
        {"sinks: [a]\n", "'sinks' must hold keys", "", 1, 8},
        {"sinks:\n  a b: {model: m, read: r, write: {csv: d}}\n", "no name for a sink", "", 2, 3},
        {"sinks:\n  a: {model: m, read: '', write: {csv: d}}\n", "'read' wants a value", "", 2, 23},
    };
    project_case_refuse(faults, sizeof(faults) / sizeof(faults[0]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_lands_in_the_spec),
        cmocka_unit_test(a_fault_has_its_line_and_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
