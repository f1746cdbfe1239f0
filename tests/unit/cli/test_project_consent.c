/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/project.h"
#include "test.h"

static tm_status parse(const char *consent, tm_project *out, tm_err *err) {
    char text[400];
    (void)snprintf(
        text, sizeof(text),
        "sources:\n  people:\n    push: true\n    purpose: \"ads, care\"\n    consent: %s\n",
        consent);
    *out = (tm_project){0};
    return tm__project_parse(tm__str(text), "tidemill.yaml", ".", out, err);
}

static void what_is_said_stands_in_the_spec(void **state) {
    tm_project project;
    (void)state;
    assert_int_equal(
        parse("{column: agreed, for: [ads, care], by: who, source: said}", &project, NULL), TM_OK);
    const json_t *const consent = json_object_get(project.sources[0].spec, "consent");
    assert_string_equal(tm__json_text(consent, "column", ""), "agreed");
    assert_string_equal(tm__json_text(consent, "for", ""), "ads, care");
    assert_string_equal(tm__json_text(consent, "by", ""), "who");
    assert_string_equal(tm__json_text(consent, "source", ""), "said");
    tm__project_done(&project);
}

static void what_is_wrong_is_told(void **state) {
    static const char *const cases[][2] = {{"{for: ads}", "names no column"},
                                           {"{column: ''}", "a value"},
                                           {"{column: a, for: sale}", "'sale'"},
                                           {"{column: a, colour: red}", "colour"},
                                           {"[a]", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_project project;
        tm_err err = {0};
        assert_int_equal(parse(cases[i][0], &project, &err), TM_E_DATA);
        if (strstr(err.message, cases[i][1]) == NULL) {
            fail_msg("%s: %s", cases[i][0], err.message);
        }
        tm__project_done(&project);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_said_stands_in_the_spec),
                                       cmocka_unit_test(what_is_wrong_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
