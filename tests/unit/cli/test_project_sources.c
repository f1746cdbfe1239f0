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
    const struct {
        const char *text, *feed, *spec;
        uint32_t n_keys;
    } cases[] = {
        {"{push: true, key: [a, b], policy: {new_column: stop}}", "push",
         "{\"policy\":{\"new_column\":\"stop\"},\"declared\":true}", 2},
        {"{files: 'data/*.csv', every: 10m, changed: again, no_header: true}", "files",
         "{\"files\":\"data/*.csv\",\"every_s\":600,\"changed\":\"again\",\"no_header\":true,"
         "\"declared\":true,\"dir\":\"/p\"}",
         0},
        {"{read: a.parquet}", "files", "{\"files\":\"a.parquet\",\"declared\":true,\"dir\":\"/p\"}",
         0},
        {"{watch: in}", "watch",
         "{\"watch\":\"in\",\"declared\":true,\"dir\":\"/p\",\"every_s\":5}", 0},
        {"{sql: SELECT 1 AS x}", "sql",
         "{\"sql\":\"SELECT 1 AS x\",\"declared\":true,\"dir\":\"/p\"}", 0},
        {"{sqlite: shop.db, query: visits, cursor: at}", "sqlite",
         "{\"sqlite\":\"shop.db\",\"query\":\"visits\",\"cursor\":\"at\",\"declared\":true,"
         "\"dir\":\"/p\"}",
         0},
        {"{sqlite: {file: shop.db, query: visits, cursor: at}}", "sqlite",
         "{\"sqlite\":\"shop.db\",\"query\":\"visits\",\"cursor\":\"at\",\"declared\":true,"
         "\"dir\":\"/p\"}",
         0},
        {"{postgres: {dsn_file: a.dsn, query: c, cursor: at, settle: 5m}, every: 1h}", "postgres",
         "{\"postgres\":\"a.dsn\",\"query\":\"c\",\"cursor\":\"at\",\"settle_s\":300,"
         "\"every_s\":3600,\"declared\":true,\"dir\":\"/p\"}",
         0},
        {"{odbc: a.dsn, query: c, key: 'a, b'}", "odbc",
         "{\"odbc\":\"a.dsn\",\"query\":\"c\",\"declared\":true,\"dir\":\"/p\"}", 2},
        {"{s3: {url: 's3://rows/p', credentials: s3.ini, cache: 1G}, key: a}", "s3",
         "{\"s3\":\"s3://rows/p\",\"credentials\":\"/p/s3.ini\",\"cache_bytes\":1073741824,"
         "\"declared\":true,\"dir\":\"/p\"}",
         1},
        {"{push: true, quarantine_rows: 500, quarantine_bytes: 1M}", "push",
         "{\"quarantine_rows\":500,\"quarantine_bytes\":1048576,\"declared\":true}", 0},
        {"{kafka: {file: k.conf, topic: t, from: end, fields: 'a, b'}, group: g}", "kafka",
         "{\"kafka\":\"k.conf\",\"topic\":\"t\",\"from\":\"end\",\"fields\":[\"a\",\"b\"],"
         "\"group\":\"g\",\"declared\":true,\"dir\":\"/p\",\"every_s\":1}",
         0},
        {"{push: true, columns: {a: int, b: {type: text, required: true}, y: {role: target}}}",
         "push",
         "{\"columns\":{\"a\":{\"type\":\"int\"},\"b\":{\"type\":\"text\",\"required\":true},"
         "\"y\":{\"role\":\"target\"}},\"target\":\"y\",\"declared\":true}",
         0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512];
        tm_project project = {0};
        tm_err err = {0};
        tm_buf got;
        (void)snprintf(text, sizeof(text), "sources:\n  s: %s\n", cases[i].text);
        if (parse(text, &project, &err) != TM_OK) {
            fail_msg("%s: %s (%s)", cases[i].text, err.message, err.hint);
        }
        tm__buf_init(&got, 4096);
        assert_int_equal(project.n_sources, 1);
        assert_string_equal(project.sources[0].feed, cases[i].feed);
        assert_int_equal(project.sources[0].n_keys, cases[i].n_keys);
        assert_true(tm__json_write(&got, project.sources[0].spec, 0));
        assert_string_equal((const char *)got.data, cases[i].spec);
        tm__buf_done(&got);
        tm__project_done(&project);
    }
}

static void a_fault_has_its_line_and_column(void **state) {
    (void)state;
    static const project_case_fault faults[] = {
        {"sources:\n  a: {fiels: x.csv}\n", "unknown key 'fiels'", "'files'", 2, 7},
        {"sources:\n  a: {key: id}\n", "does not say where its rows come from", "push: true", 2, 3},
        {"sources:\n  a: {push: true, files: x.csv}\n", "'files' is a second one", "two sources", 2,
         19},
        {"sources:\n  a: {push: yes}\n", "'push' wants true or false", "", 2, 13},
        {"sources:\n  a: {push: true, every: 1h}\n", "'every' is for what is read", "Leave it", 2,
         3},
        {"sources:\n  a: {files: x.csv, every: soon}\n", "'every' wants a time", "", 2, 28},
        {"sources:\n  a: {files: x.csv, cursor: at}\n", "'cursor' is for databases", "'files'", 2,
         3},
        {"sources:\n  a: {files: x.csv, cache: 1G}\n", "'cache' is for buckets", "'files'", 2, 3},
        {"sources:\n  a: {files: x.csv, changed: never}\n", "'changed' wants stop or again", "", 2,
         30},
        {"sources:\n  a: {push: true, quarantine_rows: few}\n",
         "'quarantine_rows' wants a number of rows", "", 2, 36},
        {"sources:\n  a: {s3: 's3://rows/p', cache: lots}\n", "'cache' wants a size", "", 2, 33},
        {"sources:\n  a:\n    push: true\n    policy: {new_colum: stop}\n",
         "no kind of change and no rule 'new_colum'", "new_column", 4, 14},
        {"sources:\n  a:\n    push: true\n    policy: {new_column: halt}\n", "no such policy",
         "quarantine", 4, 14},
        {"sources:\n  a:\n    push: true\n    columns:\n      x: flot\n", "no type 'flot'", "float",
         5, 10},
        {"sources:\n  a:\n    push: true\n    columns:\n      x: {type: int, roel: time}\n",
         "unknown key 'roel'", "role", 5, 22},
        {"sources:\n  a:\n    push: true\n    columns:\n      x: {role: tme}\n", "no role 'tme'",
         "time", 5, 17},
        {"sources:\n  a:\n    push: true\n    target: y\n    columns:\n      x: {role: target}\n",
         "'y' and 'x' are both the target", "once", 6, 7},
        {"sources:\n  a:\n    push: true\n    columns:\n      x: {role: target, required: true}\n",
         "the target 'x' cannot be required", "scored", 2, 3},
        {"sources:\n  a: {push: true, key: [id, id]}\n", "names column 'id' twice", "", 2, 3},
        {"sources:\n  a: {postgres: {query: c}}\n", "'postgres' wants dsn_file", "", 2, 17},
        {"sources:\n  a: {postgres: {dsn: f}}\n", "unknown key 'dsn'", "", 2, 18},
        {"sources:\n  a: {watch: 'in/*.csv'}\n", "a watched folder is one folder", "", 2, 3},
        {"sources:\n  a b: {push: true}\n", "no name for a source", "letters", 2, 3},
        {"sources:\n  a: {push: true}\n  a: {push: true}\n", "stands twice", "", 3, 3},
        {"sources: [a]\n", "'sources' must hold keys", "", 1, 10},
        {"sources:\n  a: {files: ''}\n", "'files' wants a value", "", 2, 14},
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
