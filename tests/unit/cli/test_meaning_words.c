/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "cli/meaning_words.h"

static void add(json_t *program, const char *input, const char *step) {
    json_array_append_new(program, json_pack("{s:s, s:s}", "input", input, "step", step));
}

static void columns_are_told_by_what_they_were_taken_for(void **state) {
    (void)state;
    char text[200];
    json_t *program = json_array();
    add(program, "zip", "number");
    add(program, "city", "category");
    add(program, "city", "target mean");
    add(program, "at", "hour");
    add(program, "at", "day of week");
    add(program, "note", "category"); /* a text that repeats is both */
    add(program, "note", "length");
    add(program, "age", "number");
    add(program, "id", "left out");
    tm__meaning_words_fill(program, text, sizeof(text));
    assert_string_equal(text, "text note; category city; number zip, age; time at");
    json_decref(program);
    tm__meaning_words_fill(NULL, text, sizeof(text));
    assert_string_equal(text, "");
}

/* Names are cut, never the room. */
static void many_columns_are_cut(void **state) {
    (void)state;
    char text[400], name[32], little[60];
    json_t *program = json_array();
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        add(program, name, "number");
    }
    tm__meaning_words_fill(program, text, sizeof(text));
    assert_string_equal(text,
                        "number c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11 and 28 more");
    tm__meaning_words_fill(program, little, sizeof(little));
    assert_true(strlen(little) < sizeof(little));
    json_decref(program);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_told_by_what_they_were_taken_for),
        cmocka_unit_test(many_columns_are_cut),
    };
    return cmocka_run_group_tests_name("meaning_words", tests, NULL, NULL);
}
