/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function of an expression has no argument that says whose it is, so each module has a slot with
 * a function of its own, made by a macro. What comes back is checked: a number that is not finite
 * is missing, and so is a text that is no UTF-8 or too long.
 */
#include "feature/feature_expr_module.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/hash.h"
#include "feature/feature_fitted.h"

#define NUMBER_KEY UINT64_C(0x6d6f64756c657321)

typedef struct slot {
    const tm_user_module *module; /* NULL: free */
    char args[TM_MODULE_INPUTS_MAX + 1];
    tm_expr_fn fn;
} slot;

static slot slots[TM_MAX_MODULES];

static tm_expr_value number_of(const tm_module_cell *cell) {
    return (tm_expr_value){.number = isfinite(cell->number) ? cell->number : tm__nan()};
}

static tm_expr_value text_of(const tm_module_cell *cell, const char *room,
                             tm_expr_scratch *scratch) {
    const tm_str text = {cell->text.ptr, cell->text.len};
    if (text.ptr == NULL || text.len > TM_MODULE_TEXT_MAX || !tm__str_is_utf8(text)) {
        return (tm_expr_value){.text = {NULL, 0}};
    }
    if (text.ptr == room) {
        scratch->n += (uint32_t)text.len;
    }
    return (tm_expr_value){.text = text};
}

static tm_expr_value run_slot(const slot *s, const tm_expr_value *args, uint32_t n,
                              tm_expr_scratch *scratch) {
    const tm_module_transform *transform = s->module->table->transform;
    tm_module_cell cells[TM_MODULE_INPUTS_MAX] = {{0}};
    tm_module_cell out = {.number = tm__nan()};
    char *room = scratch->bytes + scratch->n;
    if (scratch->n > TM_EXPR_TEXT_MAX - TM_MODULE_TEXT_MAX) {
        return transform->output == TM_MODULE_NUMBER ? (tm_expr_value){.number = tm__nan()}
                                                     : (tm_expr_value){.text = {NULL, 0}};
    }
    for (uint32_t i = 0; i < n; i++) {
        if (s->args[i] == 'N') {
            cells[i].number = args[i].number;
        } else {
            cells[i].text = (tm_module_text){args[i].text.ptr, args[i].text.len};
        }
    }
    transform->apply(tm__user_module_host(), cells, room, &out);
    return transform->output == TM_MODULE_NUMBER ? number_of(&out) : text_of(&out, room, scratch);
}

#define EACH_SLOT(X)                                                                               \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define DEFINE(i)                                                                                  \
    static tm_expr_value run_##i(const tm_expr_value *args, uint32_t n,                            \
                                 tm_expr_scratch *scratch) {                                       \
        return run_slot(&slots[i], args, n, scratch);                                              \
    }
#define RUN(i) run_##i,
EACH_SLOT(DEFINE) struct slot; /* run_0, run_1, ... */

static uint16_t number_for(const char *name) {
    return (uint16_t)(TM_EXPR_MODULE | (tm__hash64(name, strlen(name), NUMBER_KEY) & 0x7fffu));
}

static void fill(slot *s, uint32_t index) {
    static tm_expr_value (*const runs[TM_MAX_MODULES])(const tm_expr_value *, uint32_t,
                                                       tm_expr_scratch *) = {EACH_SLOT(RUN)};
    const tm_module_table *table = s->module->table;
    for (uint32_t i = 0; i < table->transform->n_inputs; i++) {
        s->args[i] = table->transform->inputs[i] == TM_MODULE_NUMBER ? 'N' : 'S';
    }
    s->fn = (tm_expr_fn){.number = number_for(table->name),
                         .name = table->name,
                         .args = s->args,
                         .result = table->transform->output == TM_MODULE_NUMBER ? 'N' : 'S',
                         .run = runs[index]};
}

tm_status tm__expr_module_add(const tm_user_module *module, tm_err *err) {
    const char *const name = module->table->name;
    uint32_t i = 0;
    if (module->table->transform == NULL) {
        return TM_OK;
    }
    while (i < TM_MAX_MODULES && slots[i].module != NULL && slots[i].module != module) {
        i++;
    }
    if (i < TM_MAX_MODULES && slots[i].module == module) {
        return TM_OK;
    }
    if (tm__expr_fn_named(tm__str(name)) != NULL || tm__fitted_named(tm__str(name)) != NULL ||
        tm__expr_module_get(number_for(name)) != NULL) {
        (void)TM_FAIL(err, TM_E_CONFLICT, "module '%s' has the name of a function of expressions",
                      name);
        tm_err_hint(err, "Give it another name in its table.");
        return TM_E_CONFLICT;
    }
    if (i == TM_MAX_MODULES) {
        return TM_FAIL(err, TM_E_LIMIT, "there are more than %u modules", TM_MAX_MODULES);
    }
    slots[i].module = module;
    fill(&slots[i], i);
    return TM_OK;
}

static const slot *find(uint32_t number) {
    for (uint32_t i = 0; i < TM_MAX_MODULES && slots[i].module != NULL; i++) {
        if (slots[i].fn.number == number) {
            return &slots[i];
        }
    }
    return NULL;
}

const tm_expr_fn *tm__expr_module_get(uint32_t number) {
    const slot *s = number < TM_EXPR_MODULE ? NULL : find(number);
    return s == NULL ? NULL : &s->fn;
}

const tm_expr_fn *tm__expr_module_named(tm_str name) {
    for (uint32_t i = 0; i < TM_MAX_MODULES && slots[i].module != NULL; i++) {
        if (tm__str_is_nocase(name, slots[i].fn.name)) {
            return &slots[i].fn;
        }
    }
    return NULL;
}

const tm_user_module *tm__expr_module_of(uint32_t number) {
    const slot *s = number < TM_EXPR_MODULE ? NULL : find(number);
    return s == NULL ? NULL : s->module;
}
