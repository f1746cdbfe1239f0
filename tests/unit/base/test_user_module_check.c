/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "made_module.h"

static void a_whole_table_is_taken(void **state) {
    made_module m;
    (void)state;
    made_module_init(&m, "mean");
    assert_int_equal(tm__user_module_check(&m.table, NULL), TM_OK);
}

/* Each breaks one thing. */
static void no_abi(made_module *m) {
    m->table.abi = 2;
}
static void small(made_module *m) {
    m->table.size = 8;
}
static void no_name(made_module *m) {
    m->table.name = NULL;
}
static void upper_name(made_module *m) {
    m->table.name = "Mean";
}
static void long_name(made_module *m) {
    m->table.name = "a23456789012345678901234567890123";
}
static void no_version(made_module *m) {
    m->table.version = "";
}
static void two_lines(made_module *m) {
    m->table.about = "one\ntwo";
}
static void no_licence(made_module *m) {
    m->table.licence = NULL;
}
static void nothing(made_module *m) {
    m->table.learner = NULL;
    m->table.transform = NULL;
    m->table.source = NULL;
}
static void no_tasks(made_module *m) {
    m->learner.tasks = 0;
}
static void other_task(made_module *m) {
    m->learner.tasks = 8;
}
static void no_fit(made_module *m) {
    m->learner.fit = NULL;
}
static void small_learner(made_module *m) {
    m->learner.size = 4;
}
static void many_params(made_module *m) {
    m->learner.n_params = 25;
}
static void no_params(made_module *m) {
    m->learner.params = NULL;
}
static void same_params(made_module *m) {
    m->params[1] = m->params[0];
}
static void param_range(made_module *m) {
    m->params[0].otherwise = 3;
}
static void param_nan(made_module *m) {
    m->params[0].min = (double)NAN;
}
static void param_doc(made_module *m) {
    m->params[0].doc = NULL;
}
static void param_int(made_module *m) {
    m->params[0].kind = TM_MODULE_INT;
    m->params[0].otherwise = 0.5;
}
static void param_choices(made_module *m) {
    m->params[1].max = 2;
}
static void no_apply(made_module *m) {
    m->transform.apply = NULL;
}
static void no_inputs(made_module *m) {
    m->transform.n_inputs = 0;
}
static void odd_input(made_module *m) {
    m->inputs[1] = 7;
}
static void no_next(made_module *m) {
    m->source.next = NULL;
}
static void many_options(made_module *m) {
    m->source.n_options = 33;
}
static void odd_option(made_module *m) {
    m->options[0].name = "a-b";
}
static void same_options(made_module *m) {
    m->options[1] = m->options[0];
}

static const struct broken {
    void (*how)(made_module *m);
    const char *says;
} all[] = {
    {no_abi, "ABI"},
    {small, "size"},
    {no_name, "no name"},
    {upper_name, "no name"},
    {long_name, "no name"},
    {no_version, "version"},
    {two_lines, "about"},
    {no_licence, "licence"},
    {nothing, "no learner"},
    {no_tasks, "task"},
    {other_task, "task"},
    {no_fit, "lacks a function"},
    {small_learner, "size"},
    {many_params, "too many"},
    {no_params, "none"},
    {same_params, "of one name"},
    {param_range, "range"},
    {param_nan, "range"},
    {param_doc, "doc"},
    {param_int, "range"},
    {param_choices, "range"},
    {no_apply, "without apply"},
    {no_inputs, "inputs"},
    {odd_input, "input of no kind"},
    {no_next, "without a function"},
    {many_options, "too many"},
    {odd_option, "option without"},
    {same_options, "of one name"},
};

static void a_broken_table_is_refused_with_what_breaks_it(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        made_module m;
        tm_err err = {0};
        made_module_init(&m, "mean");
        all[i].how(&m);
        if (tm__user_module_check(&m.table, &err) != TM_E_INVALID ||
            strstr(err.message, all[i].says) == NULL) {
            fail_msg("case %zu (%s): %s", i, all[i].says, err.message);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_table_is_taken),
        cmocka_unit_test(a_broken_table_is_refused_with_what_breaks_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
