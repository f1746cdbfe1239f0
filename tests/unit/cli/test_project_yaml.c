/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/project_priv.h"
#include "test.h"

static void open_text(tm_yaml *r, const char *text) {
    yaml_parser_t parser;
    *r = (tm_yaml){.path = "tidemill.yaml", .dir = "."};
    assert_true(yaml_parser_initialize(&parser) == 1);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
    assert_true(yaml_parser_load(&parser, &r->document) == 1);
    yaml_parser_delete(&parser);
}

/* The pairs of a text as "key=place of its name;", then how it ended. */
static void walk(const char *text, const char *const *names, size_t n, char out[256], tm_err *err) {
    tm_yaml r;
    open_text(&r, text);
    tm_yaml_pairs p =
        tm__yaml_pairs(&r, yaml_document_get_root_node(&r.document), "this", names, n);
    tm_status st = TM_OK;
    out[0] = '\0';
    while (tm__yaml_next(&p, &st, err)) {
        (void)snprintf(out + strlen(out), 256 - strlen(out), "%s=%u;", tm__yaml_word(p.key),
                       p.name);
    }
    (void)strcat(out, tm_status_text(st));
    assert_false(tm__yaml_next(&p, &st, NULL));
    yaml_document_delete(&r.document);
}

static void pairs_come_in_their_order(void **state) {
    (void)state;
    static const char *const names[] = {"first", "second"};
    const struct {
        const char *text, *want, *message, *hint;
        uint64_t line;
        bool any;
    } cases[] = {
        {"second: 1\nfirst: 2\n", "second=1;first=0;ok", NULL, NULL, 0, false},
        {"{}", "ok", NULL, NULL, 0, false},
        {"other: 1\nfirst: 2\n", "other=0;first=0;ok", NULL, NULL, 0, true},
        {"first: 1\nsecnd: 2\nfirst2: 3\n", "first=0;bad data", "unknown key 'secnd'",
         "Did you mean 'second'?", 2, false},
        {"first: 1\nfirst: 2\n", "bad data", "the key 'first' stands twice", NULL, 2, false},
        {"[first]: 1\n", "bad data", "a key must be a word", NULL, 1, false},
        {"[first]", "bad data", "'this' must hold keys", NULL, 1, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char seen[256];
        tm_err err = {0};
        walk(cases[i].text, cases[i].any ? NULL : names, cases[i].any ? 0 : 2, seen, &err);
        assert_string_equal(seen, cases[i].want);
        if (cases[i].message != NULL) {
            assert_string_equal(err.message, cases[i].message);
            assert_true(cases[i].hint == NULL || strcmp(err.hint, cases[i].hint) == 0);
            assert_int_equal(err.data_row, cases[i].line);
        }
    }
}

static void a_failure_of_its_reader_ends_a_walk(void **state) {
    (void)state;
    tm_yaml r;
    open_text(&r, "a: 1\nb: 2\n");
    tm_yaml_pairs p = tm__yaml_pairs(&r, yaml_document_get_root_node(&r.document), "this", NULL, 0);
    tm_status st = TM_OK;
    assert_true(tm__yaml_next(&p, &st, NULL));
    st = TM_E_NOMEM;
    assert_false(tm__yaml_next(&p, &st, NULL));
    assert_int_equal(st, TM_E_NOMEM);
    yaml_document_delete(&r.document);
}

static void variables_stand_in_texts(void **state) {
    (void)state;
    const struct {
        const char *text, *want, *message;
    } cases[] = {
        {"plain", "plain", NULL},
        {"a ${TIDE}-$ b $x", "a low-$ b $x", NULL},
        {"${TIDE}${TIDE}", "lowlow", NULL},
        {"${NO_SUCH_TIDE}", NULL, "the environment has no variable 'NO_SUCH_TIDE'"},
        {"[a]", NULL, "one value is wanted here"},
    };
    assert_int_equal(setenv("TIDE", "low", 1), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_yaml r;
        tm_err err = {0};
        char *text = NULL;
        open_text(&r, cases[i].text);
        const tm_status st =
            tm__yaml_text(&r, yaml_document_get_root_node(&r.document), &text, &err);
        assert_int_equal(st, cases[i].want != NULL ? TM_OK : TM_E_DATA);
        assert_string_equal(err.message, cases[i].message == NULL ? "" : cases[i].message);
        assert_true(cases[i].want == NULL || strcmp(text, cases[i].want) == 0);
        tm__mem_free(text);
        yaml_document_delete(&r.document);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_come_in_their_order),
        cmocka_unit_test(a_failure_of_its_reader_ends_a_walk),
        cmocka_unit_test(variables_stand_in_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
