/* SPDX-License-Identifier: Apache-2.0 */
/* What a module's table must be like, before anything of it is called. */
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "base/user_module.h"

/* Sizes of ABI 1: later fields follow. */
#define LEARNER_SIZE sizeof(tm_module_learner)
#define TRANSFORM_SIZE sizeof(tm_module_transform)
#define SOURCE_SIZE sizeof(tm_module_source)

/* a-z first, then a-z, 0-9 and _. */
static bool is_name(const char *text) {
    size_t n = 0;
    for (; text != NULL && text[n] != '\0' && n < TM_MODULE_NAME_SIZE; n++) {
        const char c = text[n];
        const bool is_letter = c >= 'a' && c <= 'z';
        if (!is_letter && !(n > 0 && (tm__is_digit(c) || c == '_'))) {
            return false;
        }
    }
    return n > 0 && n < TM_MODULE_NAME_SIZE;
}

/* Printable, of at most `size` bytes with its NUL. */
static bool is_line(const char *text, size_t size) {
    const size_t n = text == NULL ? 0 : strnlen(text, size);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    return n > 0 && n < size && tm__str_is_utf8((tm_str){text, n});
}

static tm_status bad(const tm_module_table *table, const char *what, tm_err *err) {
    (void)TM_FAIL(err, TM_E_INVALID, "the table of module '%.31s' %s",
                  is_name(table->name) ? table->name : "?", what);
    tm_err_hint(err, "include/tidemill/module.h says what each field must be.");
    return TM_E_INVALID;
}

static bool is_param(const tm_module_param *p) {
    if (!is_name(p->name) || !is_line(p->doc, 512) || p->kind > TM_MODULE_CHOICE) {
        return false;
    }
    if (p->kind == TM_MODULE_CHOICE && !is_line(p->choices, 512)) {
        return false;
    }
    const bool is_ordered =
        isfinite(p->min) && isfinite(p->max) && p->min <= p->otherwise && p->otherwise <= p->max;
    const bool is_whole = floor(p->otherwise) == p->otherwise && floor(p->min) == p->min &&
                          floor(p->max) == p->max && fabs(p->min) < 9e15 && fabs(p->max) < 9e15;
    if (p->kind == TM_MODULE_CHOICE) {
        uint32_t n = 1;
        for (const char *c = p->choices; *c != '\0'; c++) {
            n += *c == '|' ? 1 : 0;
        }
        return is_ordered && is_whole && p->min == 0 && p->max == n - 1;
    }
    return is_ordered && (is_whole || p->kind == TM_MODULE_FLOAT);
}

static tm_status check_learner(const tm_module_table *table, tm_err *err) {
    const tm_module_learner *l = table->learner;
    const uint32_t all = TM_MODULE_BINARY | TM_MODULE_MULTICLASS | TM_MODULE_REGRESSION;
    if (l->size < LEARNER_SIZE) {
        return bad(table, "has a learner of the wrong size", err);
    }
    if (l->tasks == 0 || (l->tasks & ~all) != 0) {
        return bad(table, "names no task of its learner", err);
    }
    if (l->fit == NULL || l->predict == NULL || l->save == NULL || l->load == NULL ||
        l->free == NULL) {
        return bad(table, "lacks a function of its learner", err);
    }
    if (l->n_params > TM_MODULE_PARAMS_MAX || (l->n_params > 0 && l->params == NULL)) {
        return bad(table, "has too many parameters, or none where it says some", err);
    }
    for (uint32_t i = 0; i < l->n_params; i++) {
        if (!is_param(&l->params[i])) {
            return bad(table, "has a parameter without a name, a range around its default or a doc",
                       err);
        }
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(l->params[i].name, l->params[j].name) == 0) {
                return bad(table, "has two parameters of one name", err);
            }
        }
    }
    return TM_OK;
}

static bool is_kind(uint32_t kind) {
    return kind == TM_MODULE_NUMBER || kind == TM_MODULE_TEXT;
}

static tm_status check_transform(const tm_module_table *table, tm_err *err) {
    const tm_module_transform *t = table->transform;
    if (t->size < TRANSFORM_SIZE || t->apply == NULL) {
        return bad(table, "has a transform of the wrong size or without apply", err);
    }
    if (t->n_inputs == 0 || t->n_inputs > TM_MODULE_INPUTS_MAX || t->inputs == NULL ||
        !is_kind(t->output)) {
        return bad(table, "has a transform without inputs or output", err);
    }
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        if (!is_kind(t->inputs[i])) {
            return bad(table, "has a transform with an input of no kind", err);
        }
    }
    return TM_OK;
}

static tm_status check_source(const tm_module_table *table, tm_err *err) {
    const tm_module_source *s = table->source;
    if (s->size < SOURCE_SIZE || s->open == NULL || s->next == NULL || s->close == NULL) {
        return bad(table, "has a source of the wrong size or without a function", err);
    }
    if (s->n_options > TM_MODULE_OPTIONS_MAX || (s->n_options > 0 && s->options == NULL)) {
        return bad(table, "has too many options, or none where it says some", err);
    }
    for (uint32_t i = 0; i < s->n_options; i++) {
        if (!is_name(s->options[i].name) || !is_line(s->options[i].doc, 512)) {
            return bad(table, "has an option without a name or a doc", err);
        }
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(s->options[i].name, s->options[j].name) == 0) {
                return bad(table, "has two options of one name", err);
            }
        }
    }
    return TM_OK;
}

tm_status tm__user_module_check(const tm_module_table *table, tm_err *err) {
    if (table->abi != TM_MODULE_ABI || table->size < sizeof(*table)) {
        return bad(table, "has another ABI number or size", err);
    }
    if (!is_name(table->name)) {
        return bad(table, "has no name of a-z, 0-9 and _ below 32 bytes", err);
    }
    if (!is_line(table->version, TM_MODULE_NAME_SIZE) || !is_line(table->licence, 64) ||
        !is_line(table->about, 512)) {
        return bad(table, "lacks its version, licence or about", err);
    }
    if (table->learner == NULL && table->transform == NULL && table->source == NULL) {
        return bad(table, "has no learner, no transform and no source", err);
    }
    if (table->learner != NULL) {
        TM_TRY(check_learner(table, err));
    }
    if (table->transform != NULL) {
        TM_TRY(check_transform(table, err));
    }
    return table->source != NULL ? check_source(table, err) : TM_OK;
}
