/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a module's transform: a pure function of a row's cells, whatever they are. */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "cli/module_check.h"

#define ROWS 4000u
#define GUARD 64u /* bytes behind the room that must stay */
#define GUARD_BYTE 0xa5u

static tm_module_cell number_cell(uint64_t random) {
    static const double odd[] = {0,     -0.0,   1,      -1,     90,      -180,
                                 1e300, -1e300, 5e-324, 0x1p53, 1.7e308, -1.7e308};
    const uint64_t kind = random % 4;
    const double u = (double)(random >> 11) * 0x1p-53;
    return (tm_module_cell){.number = kind == 0   ? tm__nan()
                                      : kind == 1 ? odd[(random >> 8) % 12]
                                                  : (u * 2 - 1) * (kind == 2 ? 100 : 1e6)};
}

static tm_module_cell text_cell(uint64_t random, const char *long_text, size_t long_len) {
    static const char *const texts[] = {"",    "a",  "Smith",         "1.5", "\xc3\xa4\xe6\x97\xa5",
                                        " x ", "\n", "O'Brien-Jones", "%s",  "0"};
    const uint64_t pick = random % 12;
    if (pick == 10) {
        return (tm_module_cell){.text = {NULL, 0}};
    }
    return pick == 11 ? (tm_module_cell){.text = {long_text, long_len}}
                      : (tm_module_cell){.text = {texts[pick], strlen(texts[pick])}};
}

static void make_cells(const tm_module_transform *t, uint64_t row, const char *long_text,
                       size_t long_len, tm_module_cell *out) {
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        const uint64_t random = tm__rng_at(31 + i, row);
        out[i] = row == 0                           ? (tm_module_cell){.number = tm__nan()}
                 : t->inputs[i] == TM_MODULE_NUMBER ? number_cell(random)
                                                    : text_cell(random, long_text, long_len);
    }
}

/* Whether a text lies in the room or in an input, as it must. */
static bool is_placed(const tm_module_transform *t, const tm_module_cell *cells, const char *room,
                      const tm_module_text *text) {
    bool is_in = text->ptr >= room && text->ptr + text->len <= room + TM_MODULE_TEXT_MAX;
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        const tm_module_text *in = &cells[i].text;
        is_in = is_in || (in->ptr != NULL && text->ptr >= in->ptr &&
                          text->ptr + text->len <= in->ptr + in->len);
    }
    return is_in;
}

static tm_status check_row(const tm_module_transform *t, const tm_module_cell *cells, char *room,
                           char *copy, tm_err *err) {
    tm_module_cell out = {.number = tm__nan()}, again = {.number = tm__nan()};
    memset(room, GUARD_BYTE, TM_MODULE_TEXT_MAX + GUARD);
    t->apply(tm__user_module_host(), cells, room, &out);
    for (uint32_t i = 0; i < GUARD; i++) {
        if ((uint8_t)room[TM_MODULE_TEXT_MAX + i] != GUARD_BYTE) {
            return TM_FAIL(err, TM_E_REFUSED, "apply writes behind its room");
        }
    }
    if (t->output == TM_MODULE_NUMBER) {
        t->apply(tm__user_module_host(), cells, room, &again);
        return isinf(out.number) ? TM_FAIL(err, TM_E_REFUSED, "apply gives an infinite number")
               : tm__f64_bits(out.number) != tm__f64_bits(again.number)
                   ? TM_FAIL(err, TM_E_REFUSED, "the same cells give other numbers")
                   : TM_OK;
    }
    if (out.text.ptr == NULL) {
        return TM_OK;
    }
    if (out.text.len > TM_MODULE_TEXT_MAX || !is_placed(t, cells, room, &out.text) ||
        !tm__str_is_utf8((tm_str){out.text.ptr, out.text.len})) {
        return TM_FAIL(err, TM_E_REFUSED,
                       "apply gives a text that is too long, no UTF-8 or "
                       "neither in the room nor in an input");
    }
    memcpy(copy, out.text.ptr, out.text.len);
    t->apply(tm__user_module_host(), cells, room, &again);
    return again.text.ptr != NULL && again.text.len == out.text.len &&
                   memcmp(copy, again.text.ptr, out.text.len) == 0
               ? TM_OK
               : TM_FAIL(err, TM_E_REFUSED, "the same cells give other texts");
}

static tm_status any_cells(const tm_module_try *with, tm_err *err) {
    const tm_module_transform *t = with->module->table->transform;
    const size_t long_len = 100000;
    char *long_text = tm__mem_alloc(long_len, 1);
    char *room = tm__mem_alloc(TM_MODULE_TEXT_MAX + GUARD, 1);
    char copy[TM_MODULE_TEXT_MAX];
    tm_status st = TM_OK;
    if (long_text == NULL || room == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for the check");
    } else {
        memset(long_text, 'w', long_len);
    }
    for (uint64_t row = 0; st == TM_OK && row < ROWS; row++) {
        tm_module_cell cells[TM_MODULE_INPUTS_MAX] = {{0}};
        make_cells(t, row, long_text, long_len, cells);
        st = check_row(t, cells, room, copy, err);
    }
    tm__mem_free(room);
    tm__mem_free(long_text);
    return st;
}

static tm_status no_blocks(const tm_module_try *with, tm_err *err) {
    const uint64_t before = tm__mem_calls();
    TM_TRY(any_cells(with, err));
    return tm__mem_calls() - before > 2 ? TM_FAIL(err, TM_E_REFUSED, "apply asks for memory")
                                        : TM_OK;
}

const tm_module_trial *tm__module_transform_trials(void) {
    static const tm_module_trial trials[] = {
        {"transform: the same cells have the same answer, whatever they are",
         "apply is a pure function: no state, NaN or NULL where there is no answer.", any_cells},
        {"transform: asks for no memory", "Use the room and the stack.", no_blocks},
        {NULL, NULL, NULL},
    };
    return trials;
}
