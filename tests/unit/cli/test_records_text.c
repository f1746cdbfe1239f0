/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "cli/records_text.h"

static void a_name_neither_ends_a_cell_nor_begins_a_tag(void **state) {
    json_t *records = json_pack(
        "{s:s, s:[{s:s, s:s, s:[s], s:[{s:s, s:s, s:s}], s:[], s:[], s:[s]}]}", "at", "now", "data",
        "data", "a|b\n<i>", "kind", "source", "purposes", "care", "columns", "column", "e|mail",
        "type", "text", "personal", "names", "models", "recipients", "gaps", "a retention");
    tm_buf text;
    tm__buf_init(&text, 1u << 20);
    tm__records_text(records, &text);
    assert_true(tm__buf_byte(&text, '\0'));
    const char *const words = (const char *)text.data;
    assert_non_null(strstr(words, "## source a\\|b?\\<i\\>\n"));
    assert_non_null(strstr(words, "| e\\|mail | names | none | as its row | - |"));
    assert_non_null(strstr(words, "- purposes: care\n"));
    assert_non_null(strstr(words, "- not declared: a retention\n"));
    assert_non_null(strstr(words, "- kept: without an end\n"));
    tm__buf_done(&text);
    json_decref(records);
    (void)state;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_neither_ends_a_cell_nor_begins_a_tag)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
