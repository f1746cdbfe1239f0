/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "serve/serve_priv.h"
#include "test.h"

static void sources_are_told_by_family(void **state) {
    (void)state;
    static const char text[] =
        "[{\"source\":\"a\",\"status\":\"ready\",\"accepted\":3,\"duplicates\":1,\"quarantined\":2,"
        "\"pending\":3,\"lag_seconds\":1.5,\"failures\":0,\"error\":null},"
        "{\"source\":\"b-1.x\",\"status\":\"retrying\",\"accepted\":0,\"duplicates\":0,"
        "\"quarantined\":0,\"pending\":0,\"lag_seconds\":null,\"failures\":4,"
        "\"error\":{\"status\":\"unavailable\",\"message\":\"x\\\"y\"}}]";
    json_t *list = NULL;
    tm_buf out;
    tm__buf_init(&out, 10000);
    assert_int_equal(tm__json_parse(text, strlen(text), 8, &list, NULL), TM_OK);
    tm__prom_sources(list, &out);
    const char *const got = (const char *)out.data;
    const char *const lines[] = {
        "# TYPE tidemill_source_rows_total counter\ntidemill_source_rows_total{source=\"a\"} 3\n"
        "tidemill_source_rows_total{source=\"b-1.x\"} 0\n# HELP",
        "tidemill_source_duplicates_total{source=\"a\"} 1\n",
        "tidemill_source_quarantined_total{source=\"a\"} 2\n",
        "tidemill_source_pending_rows{source=\"a\"} 3\n",
        "# TYPE tidemill_source_lag_seconds gauge\ntidemill_source_lag_seconds{source=\"a\"} "
        "1.5\n#",
        "tidemill_source_failures{source=\"b-1.x\"} 4\n",
        "tidemill_source_status{source=\"a\",status=\"ready\",error=\"\"} 1\n",
        "tidemill_source_status{source=\"b-1.x\",status=\"retrying\",error=\"unavailable\"} 1\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (strstr(got, lines[i]) == NULL) {
            print_error("%s\n", got);
        }
        assert_non_null(strstr(got, lines[i]));
    }
    json_decref(list);
    tm__buf_done(&out);
}

static void without_sources_nothing_is_told(void **state) {
    (void)state;
    json_t *list = json_array();
    tm_buf out;
    tm__buf_init(&out, 100);
    tm__prom_sources(list, &out);
    assert_int_equal(out.len, 0);
    json_decref(list);
    tm__buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_are_told_by_family),
        cmocka_unit_test(without_sources_nothing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
