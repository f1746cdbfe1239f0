/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "cli/module_check.h"
#include "made_module.h"

static made_module made;
static const tm_user_module *module;

static int add_module(void **state) {
    (void)state;
    made_module_init(&made, "sum");
    module = made_module_add(&made, 1);
    return 0;
}

static void check(const char *says) {
    const tm_module_trial *trials = tm__module_transform_trials();
    const tm_module_try with = {.module = module};
    tm_status st = TM_OK;
    tm_err err = {0};
    for (uint32_t i = 0; trials[i].name != NULL && st == TM_OK; i++) {
        st = trials[i].run(&with, &err);
    }
    if (says == NULL ? st != TM_OK : st == TM_OK || strstr(err.message, says) == NULL) {
        fail_msg("%s: %s", says == NULL ? "passes" : says, err.message);
    }
}

static double turn;

static void turning(const tm_module_host *host, const tm_module_cell *cells, char *room,
                    tm_module_cell *out) {
    (void)host;
    (void)cells;
    (void)room;
    out->number = turn++;
}

static void infinite(const tm_module_host *host, const tm_module_cell *cells, char *room,
                     tm_module_cell *out) {
    (void)host;
    (void)room;
    out->number = cells[0].number * 1e300;
}

static void greedy(const tm_module_host *host, const tm_module_cell *cells, char *room,
                   tm_module_cell *out) {
    void *block = host->alloc(10);
    (void)cells;
    (void)room;
    out->number = block == NULL ? NAN : 1;
    host->free(block);
}

static void wide(const tm_module_host *host, const tm_module_cell *cells, char *room,
                 tm_module_cell *out) {
    (void)host;
    (void)cells;
    memset(room, 'x', TM_MODULE_TEXT_MAX + 1);
    out->text = (tm_module_text){room, 3};
}

static void elsewhere(const tm_module_host *host, const tm_module_cell *cells, char *room,
                      tm_module_cell *out) {
    (void)host;
    (void)cells;
    (void)room;
    out->text = (tm_module_text){"elsewhere", 9};
}

static void first_text(const tm_module_host *host, const tm_module_cell *cells, char *room,
                       tm_module_cell *out) {
    (void)host;
    (void)room;
    out->text = cells[0].text;
    out->text.len = out->text.len < 3 ? out->text.len : 0;
}

static void each_rule_that_is_broken_is_found(void **state) {
    void (*const good)(const tm_module_host *, const tm_module_cell *, char *, tm_module_cell *) =
        made.transform.apply;
    (void)state;
    made.transform.apply = turning;
    check("other numbers");
    made.transform.apply = infinite;
    check("infinite");
    made.transform.apply = greedy;
    check("asks for memory");
    made.transform.output = TM_MODULE_TEXT;
    made.inputs[0] = TM_MODULE_TEXT;
    made.transform.apply = first_text;
    check(NULL);
    made.transform.apply = wide;
    check("behind its room");
    made.transform.apply = elsewhere;
    check("neither in the room");
    made.transform.apply = good;
    made.transform.output = TM_MODULE_NUMBER;
    made.inputs[0] = TM_MODULE_NUMBER;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_that_is_broken_is_found),
    };
    return cmocka_run_group_tests(tests, add_module, NULL);
}
