/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "serve/serve_priv.h"
#include "test.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void well_formed_fields_are_taken_and_others_are_none(void **state) {
    (void)state;
    static const struct {
        const char *name, *field;
        bool is_taken;
    } cases[] = {
        {"sampled", "00-" TRACE "-" SPAN "-01", true},
        {"not sampled", "00-" TRACE "-" SPAN "-00", true},
        {"a later version", "01-" TRACE "-" SPAN "-01", true},
        {"a later version with more", "01-" TRACE "-" SPAN "-01-more", true},
        {"a later version with more of another form", "01-" TRACE "-" SPAN "-01more", false},
        {"more than this version has", "00-" TRACE "-" SPAN "-01-more", false},
        {"version ff", "ff-" TRACE "-" SPAN "-01", false},
        {"upper case", "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", false},
        {"a trace of zeros", "00-00000000000000000000000000000000-" SPAN "-01", false},
        {"a parent of zeros", "00-" TRACE "-0000000000000000-01", false},
        {"too short", "00-" TRACE "-" SPAN "-0", false},
        {"other separators", "00_" TRACE "-" SPAN "-01", false},
        {"nothing", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_trace trace = {.trace_id = "old"};
        tm__trace_init(&trace, tm__str(cases[i].field));
        if ((trace.trace_id[0] != '\0') != cases[i].is_taken) {
            fail_msg("%s", cases[i].name);
        }
        if (cases[i].is_taken) {
            assert_string_equal(trace.trace_id, TRACE);
            assert_int_equal(strlen(trace.span_id), 16);
            assert_string_not_equal(trace.span_id, SPAN); /* ours, not the caller's */
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_fields_are_taken_and_others_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
