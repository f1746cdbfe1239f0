/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "cli/module_check.h"
#include "made_module.h"

static made_module made;
static tm_module_source good;
static const tm_user_module *module;

static int add_module(void **state) {
    (void)state;
    made_module_init(&made, "numbers");
    good = made.source;
    module = made_module_add(&made, 1);
    return 0;
}

/* Runs all checks; the name of the first that fails holds `wants`, or none does (NULL). */
static void check(const char *wants) {
    static const char *const options[] = {"path=x"};
    const tm_module_trial *trials = tm__module_source_trials();
    const tm_module_try with = {.module = module, .options = options, .n_options = 1};
    const char *failed = NULL;
    tm_err err = {0};
    for (uint32_t i = 0; trials[i].name != NULL && failed == NULL; i++) {
        failed = trials[i].run(&with, &err) == TM_OK ? NULL : trials[i].name;
    }
    if (wants == NULL ? failed != NULL : failed == NULL || strstr(failed, wants) == NULL) {
        fail_msg("%s: %s", failed == NULL ? "nothing failed" : failed, err.message);
    }
}

static int32_t forgetful_open(const tm_module_call *call, const tm_module_open *in, void **out) {
    tm_module_open other = *in;
    other.position = NULL;
    return good.open(call, &other, out);
}

static int32_t late_open(const tm_module_call *call, const tm_module_open *in, void **out) {
    tm_module_open other = *in;
    other.position = in->position != NULL && strcmp(in->position, "4") == 0 ? "5" : in->position;
    return good.open(call, &other, out);
}

static int32_t empty_next(const tm_module_call *call, void *source, tm_module_batch *out) {
    const int32_t status = good.next(call, source, out);
    out->n_rows = 0;
    return status;
}

static int32_t odd_open(const tm_module_call *call, const tm_module_open *in, void **out) {
    return in->values[0][0] == '/' ? 77 : good.open(call, in, out);
}

static int32_t vague_open(const tm_module_call *call, const tm_module_open *in, void **out) {
    return good.open(call, in, out) == TM_MODULE_OK ? TM_MODULE_OK : TM_MODULE_E_DATA;
}

static void a_source_that_keeps_all_rules_passes(void **state) {
    (void)state;
    check(NULL);
}

static void each_rule_that_is_broken_is_found(void **state) {
    (void)state;
    made.source.open = forgetful_open;
    check("goes on exactly");
    made.source.open = late_open;
    check("goes on exactly");
    made.source = good;
    made.source.next = empty_next;
    check("gives rows");
    made.source = good;
    made.source.open = odd_open;
    check("options that cannot be");
    made.source = good;
    made.source.open = vague_open;
    check("lack of memory");
    made.source = good;
}

static void without_its_options_most_is_skipped(void **state) {
    const tm_module_trial *trials = tm__module_source_trials();
    const tm_module_try with = {.module = module};
    tm_err err = {0};
    (void)state;
    assert_int_equal(trials[0].run(&with, &err), TM_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "--option path=..."));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_that_keeps_all_rules_passes),
        cmocka_unit_test(each_rule_that_is_broken_is_found),
        cmocka_unit_test(without_its_options_most_is_skipped),
    };
    return cmocka_run_group_tests(tests, add_module, NULL);
}
